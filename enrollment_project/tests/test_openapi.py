import json

import pytest

from accounts.states import Scope

WRITES = {"post", "put", "patch"}


@pytest.fixture
def schema(client):
    return json.loads(client.get("/api/schema", headers={"Accept": "application/json"}).content)


def operations(schema):
    return [
        (path, method, operation) for path, methods in schema["paths"].items() for method, operation in methods.items()
    ]


@pytest.mark.sqlite
class TestTheOpenApiDocument:
    def test_needs_no_key(self, client):
        response = client.get("/api/schema")

        assert response.status_code == 200
        assert response["Content-Type"].startswith("application/vnd.oai.openapi")

    def test_describes_both_ways_to_send_a_key(self, schema):
        schemes = schema["components"]["securitySchemes"]

        assert (schemes["bearerKey"]["type"], schemes["bearerKey"]["scheme"]) == ("http", "bearer")
        assert (schemes["headerKey"]["in"], schemes["headerKey"]["name"]) == ("header", "X-API-Key")

    def test_offers_an_idempotency_key_on_every_post_and_nowhere_else(self, schema):
        with_key = {
            (path, method)
            for path, method, operation in operations(schema)
            if "Idempotency-Key" in {parameter["name"] for parameter in operation.get("parameters", [])}
        }

        assert with_key == {
            (path, method)
            for path, method, operation in operations(schema)
            if method == "post" and "webhooks" not in path
        }

    def test_gives_every_operation_its_problems(self, schema):
        assert operations(schema)
        for _path, method, operation in operations(schema):
            expected = {"429", "503"} | ({"400", "409", "422"} if method in WRITES else set())
            assert expected <= set(operation["responses"])

    def test_names_a_known_scope_for_every_operation_that_takes_a_key(self, schema):
        for path, method, operation in operations(schema):
            if any(operation.get("security", ())):
                named = [scope for scope in Scope.values if f"`{scope}`" in operation["description"]]
                assert len(named) == 1, f"{method} {path}"

    def test_points_only_to_what_it_contains(self, schema):
        def references(node):
            if isinstance(node, dict):
                if "$ref" in node:
                    yield node["$ref"]
                for inner in node.values():
                    yield from references(inner)
            elif isinstance(node, list):
                for inner in node:
                    yield from references(inner)

        found = set(references(schema))

        assert "#/components/responses/Problem422" in found
        for reference in found:
            node = schema
            for part in reference.removeprefix("#/").split("/"):
                node = node[part]
