import json
import re

import pytest

from accounts.api.schema import ApiKeyScheme
from accounts.states import Scope
from accounts.tests.factories import bearer
from core.clock import utc_now
from enrollment_project.provisioning import create_workspace
from enrollments.seats import create_allocation

WRITES = {"post", "put", "patch"}


@pytest.fixture
def schema(client):
    return json.loads(client.get("/api/schema", headers={"Accept": "application/json"}).content)


def operations(schema):
    return [
        (path, method, operation) for path, methods in schema["paths"].items() for method, operation in methods.items()
    ]


class TestTheOpenApiDocument:
    def test_needs_no_key(self, client):
        response = client.get("/api/schema")

        assert response.status_code == 200
        assert response["Content-Type"].startswith("application/vnd.oai.openapi")

    def test_describes_both_ways_to_send_a_key_and_the_session(self, schema):
        schemes = schema["components"]["securitySchemes"]

        assert (schemes["bearerKey"]["type"], schemes["bearerKey"]["scheme"]) == ("http", "bearer")
        assert (schemes["headerKey"]["in"], schemes["headerKey"]["name"]) == ("header", "X-API-Key")
        assert (schemes["studentSession"]["in"], schemes["studentSession"]["name"]) == ("cookie", "sessionid")

    def test_asks_for_either_header_never_for_both(self, schema):
        ways = schema["paths"]["/api/enroll"]["post"]["security"]

        assert ways == [{"bearerKey": []}, {"headerKey": []}]
        for path, method, operation in operations(schema):
            assert all(len(way) <= 1 for way in operation.get("security", ())), f"{method} {path}"

    def test_without_our_word_would_ask_for_both_headers(self, client, monkeypatch):
        """Control: what the library says about a caller with two ways to send a key."""
        monkeypatch.delattr(ApiKeyScheme, "get_security_requirement")

        document = json.loads(client.get("/api/schema", headers={"Accept": "application/json"}).content)

        assert document["paths"]["/api/enroll"]["post"]["security"] == [{"bearerKey": [], "headerKey": []}]

    def test_offers_an_idempotency_key_wherever_something_is_made(self, schema):
        with_key = {
            (path, method)
            for path, method, operation in operations(schema)
            if "Idempotency-Key" in {parameter["name"] for parameter in operation.get("parameters", [])}
        }

        assert with_key == {
            (path, method)
            for path, method, operation in operations(schema)
            if method == "post" and "webhooks" not in path
        } | {("/api/programs/{code}/partnerSequence", "put")}

    def test_gives_every_operation_its_problems(self, schema):
        assert operations(schema)
        for _path, method, operation in operations(schema):
            expected = {"400", "405", "406", "411", "413", "415", "429", "503"}
            expected |= {"409", "422"} if method in WRITES else set()
            assert expected <= set(operation["responses"])

    def test_says_that_a_query_parameter_may_be_refused(self, schema):
        assert "422" in schema["paths"]["/api/course-programs/browse"]["get"]["responses"]
        assert "422" not in schema["paths"]["/api/course-programs/{code}"]["get"]["responses"]

    @pytest.mark.parametrize(
        ("shape", "field"),
        [
            ("Decision", "checkout_url"),
            ("Allocation", "program_instance_id"),
            ("BookedSession", "changeableUntil"),
            ("ClassEvent", "changeableUntil"),
            ("Cohort", "priceInCents"),
            ("Cohort", "currency"),
        ],
    )
    def test_says_what_may_be_null(self, schema, shape, field):
        assert schema["components"]["schemas"][shape]["properties"][field]["nullable"] is True

    @pytest.mark.parametrize("shape", ["WeeklyOption", "SessionOption"])
    @pytest.mark.parametrize("field", ["startTime", "endTime"])
    def test_says_how_a_local_time_is_written(self, schema, shape, field):
        described = schema["components"]["schemas"][shape]["properties"][field]

        assert "format" not in described
        assert re.fullmatch(described["pattern"], "17:00")
        assert not re.fullmatch(described["pattern"], "17:00:00Z")

    def test_says_what_parameters_are_held_to(self, schema):
        def schema_of(path, method, name):
            (found,) = [p for p in schema["paths"][path][method]["parameters"] if p["name"] == name]
            return found["schema"]

        limit = schema_of("/api/decisions", "get", "limit")
        tenant = schema_of("/api/decisions", "get", "tenant_id")
        in_address = schema_of("/api/districts/{tenant_id}/seats", "get", "tenant_id")
        key = schema_of("/api/enroll", "post", "Idempotency-Key")
        assert (limit["minimum"], limit["maximum"], limit["default"]) == (1, 500, 100)
        assert (
            (tenant["minimum"], tenant["maximum"]) == (in_address["minimum"], in_address["maximum"]) == (0, 2**63 - 1)
        )
        assert (key["minLength"], key["maxLength"]) == (1, 255)
        assert [bool(re.fullmatch(key["pattern"], text)) for text in ("é", " a", "\x07", "a\n")] == [True, *3 * [False]]

    def test_opens_the_catalog_to_all_and_the_students_endpoints_to_sessions_only(self, schema):
        allowed = {
            path: {name for way in operation.get("security", ()) for name in way}
            for path, _, operation in operations(schema)
            if path.startswith(("/api/course-programs", "/api/students"))
        }

        assert allowed["/api/course-programs/{code}"] == set()
        assert allowed["/api/course-programs/{code}/cohorts/{cohort_id}/enroll"] == {"studentSession"}
        assert {frozenset(ways) for path, ways in allowed.items() if path.startswith("/api/students")} == {
            frozenset({"studentSession"})
        }

    def test_names_a_known_scope_for_every_operation_that_takes_a_key(self, schema):
        for path, method, operation in operations(schema):
            if any("bearerKey" in way for way in operation.get("security", ())) and path != "/api/graphql":
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


class TestTheExamples:
    def test_stand_with_every_body(self, schema):
        for path, method, operation in operations(schema):
            for content in operation.get("requestBody", {}).get("content", {}).values():
                is_binary = content["schema"].get("format") == "binary"
                assert content.get("examples") or is_binary or "webhooks" in path, f"{method} {path}"

    def test_of_asking_to_enroll_is_answered_as_it_stands(self, client, db):
        workspace = create_workspace(slug="bright-futures").workspace
        create_allocation(workspace_id=workspace.pk, tenant_id=101, total_seats=5, now=utc_now())
        example = self._example(client, "/api/enroll", "post")

        answer = client.post("/api/enroll", example, "application/json", headers=bearer(workspace=workspace))

        assert answer.status_code == 200
        assert answer.json()["tenant_id"] == 101

    def test_of_a_district_s_seats_are_answered_as_they_stand(self, client, db):
        headers = bearer(workspace=create_workspace(slug="bright-futures").workspace)
        made = self._example(client, "/api/districts/seats", "post")
        changed = self._example(client, "/api/districts/{tenant_id}/seats", "put")

        first = client.post("/api/districts/seats", made, "application/json", headers=headers)
        second = client.put(f"/api/districts/{made['tenant_id']}/seats", changed, "application/json", headers=headers)

        assert (first.status_code, second.status_code) == (200, 200)
        assert second.json()["total_seats"] == changed["total_seats"]

    def _example(self, client, path, method):
        document = json.loads(client.get("/api/schema", headers={"Accept": "application/json"}).content)
        (content,) = document["paths"][path][method]["requestBody"]["content"].values()
        return next(iter(content["examples"].values()))["value"]
