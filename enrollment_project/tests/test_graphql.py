"""`POST /api/graphql` as a whole: its schema, its callers, and what no document can make it do."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.test import Client

from accounts.tests.factories import UserFactory, WorkspaceFactory, bearer
from cohorts.tests.callers import proven_user
from core.graphql import limits
from enrollment_project import schema as composed
from enrollments.graphql.types import Program
from enrollments.tests.factories import ProgramFactory

pytestmark = pytest.mark.django_db

SNAPSHOT = Path(__file__).parent / "schema.graphql"
NOTHING = "{ __typename }"


def key() -> dict[str, str]:
    return bearer(workspace=WorkspaceFactory())


def ask(query: str, *, client: Client | None = None, headers: Any = None, **more: Any) -> Any:
    sent = {"query": query} | more
    return (client or Client()).post("/api/graphql", sent, content_type="application/json", headers=headers or key())


def codes(response: Any) -> list[str]:
    assert response.status_code == 200, response.content
    return [error["extensions"]["code"] for error in response.json().get("errors", [])]


class TestTheSchema:
    def test_is_the_one_that_was_agreed_and_is_printed_by_a_command(self, capsys):
        """After an intended change: `manage.py print_graphql_schema > enrollment_project/tests/schema.graphql`."""
        call_command("print_graphql_schema")

        assert capsys.readouterr().out == SNAPSHOT.read_text()

    def test_names_for_a_gateway_what_it_knows_entities_by(self):
        answer = ask("{ _service { sdl } }").json()

        sdl = answer["data"]["_service"]["sdl"]
        assert 'type Program @key(fields: "code")' in sdl
        assert 'type ProgramInstance @key(fields: "id")' in sdl
        assert 'type Enrollment @key(fields: "id")' in sdl

    def test_with_a_field_that_says_not_who_may_ask_does_not_start(self):
        with pytest.raises(ImproperlyConfigured, match=r"Program\.code"):
            composed._refuse_open_fields([Program])


class TestACaller:
    def test_without_key_or_session_is_refused_before_anything_is_read(self):
        response = Client().post("/api/graphql", {"query": NOTHING}, content_type="application/json")

        assert response.status_code == 401
        assert response.json()["code"] == "not_authenticated"

    def test_can_only_post(self):
        response = Client().get("/api/graphql", {"query": NOTHING}, headers=key())

        assert response.status_code == 405

    def test_with_a_session_needs_the_csrf_token(self):
        client = Client(enforce_csrf_checks=True)
        client.force_login(UserFactory(), backend="django.contrib.auth.backends.ModelBackend")

        response = client.post("/api/graphql", {"query": NOTHING}, content_type="application/json")

        assert response.status_code == 403
        assert response.json()["code"] == "csrf_failed"

    @pytest.mark.parametrize(
        "query", ["{ __schema { types { name } } }", '{ __type(name: "Query") { name } }', "{ _service { sdl } }"]
    )
    def test_with_a_session_is_not_shown_the_schema(self, query):
        client = Client()
        client.force_login(proven_user("parent@home.test"), backend="django.contrib.auth.backends.ModelBackend")

        assert codes(ask(query, client=client, headers={"X-Nothing": "1"})) == ["graphql_introspection_refused"]

    def test_with_a_key_is_shown_it(self):
        answer = ask("{ __schema { queryType { name } } }").json()

        assert answer == {"data": {"__schema": {"queryType": {"name": "Query"}}}}


def nested(levels: int) -> str:
    return "{ programInstance(id: 1) " + "{ program " * levels + "{ code }" + " }" * levels + "}"


HOSTILE = {
    "deep": (nested(200), "graphql_document_too_large"),
    "a little too deep": ("{ a" * 13 + "}" * 13, "graphql_document_too_large"),
    "brackets without end": ("{ a(b: " + "[" * 5_000, "graphql_document_too_large"),
    "a thousand aliases": (
        "{" + " ".join(f"a{n}: __typename" for n in range(1_000)) + "}",
        "graphql_document_too_large",
    ),
    "the same field over and over": ("{" + "__typename " * 1_900 + "}", "graphql_document_too_large"),
    "the same field as often as there may be fields": ("{" + "__typename " * 399 + "}", "graphql_document_too_large"),
    "a fragment of itself": ("{ ...A } fragment A on Query { ...A }", "graphql_document_invalid"),
    "two fragments of each other": (
        "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }",
        "graphql_document_invalid",
    ),
    "fragments that multiply": (
        "{ ...F0 } "
        + " ".join(f"fragment F{n} on Query {{ a {{ ...F{n + 1} }} b {{ ...F{n + 1} }} }}" for n in range(9))
        + " fragment F9 on Query { c }",
        "graphql_document_invalid",
    ),
    "many fragments": (
        "{ ...F0 } " + " ".join(f"fragment F{n} on Query {{ ...F{n + 1} }}" for n in range(200)),
        "graphql_document_too_large",
    ),
    "directives": ("{ __typename " + "@skip(if: false) " * 200 + "}", "graphql_document_too_large"),
    "a huge string": ('{ program(code: "' + "x" * 100_000 + '") { code } }', "graphql_document_too_large"),
    "a string never closed": ('{ program(code: "x', "graphql_document_invalid"),
    "two operations": ("query A { __typename } query B { __typename }", "graphql_document_invalid"),
    "a subscription": ("subscription { a }", "graphql_document_invalid"),
    "no operation": ("fragment A on Query { __typename }", "graphql_document_invalid"),
    "nothing": ("#", "graphql_document_invalid"),
    "an unknown field": ("{ passwords }", "graphql_document_invalid"),
    "too many items": ("{ programs(first: 101) { totalCount } }", "invalid"),
    "no items": ("{ programs(first: 0) { totalCount } }", "invalid"),
    "a number beyond all": ("{ programs(first: 99999999999999999999) { totalCount } }", "graphql_document_invalid"),
    "a number without end": (
        "{ programs(first: " + "9" * 5_000 + ") { totalCount } }",
        "graphql_document_invalid",
    ),
    "a big number without end": (
        "{ decisions(tenant_id: 1, tenantId: " + "9" * 5_000 + ") { totalCount } }",
        "graphql_document_invalid",
    ),
    "a number beyond any column": (
        "{ decisions(tenantId: " + "9" * 60 + ") { totalCount } }",
        "graphql_document_invalid",
    ),
    "a number that is an object": ("{ decisions(tenantId: {a: 1}) { totalCount } }", "invalid"),
    "a status that is none": ('{ decisions(status: "x\\u0000") { totalCount } }', "invalid"),
    "a NUL in a guardian": ('mutation { registerGuardian(input: {email: "a\\u0000@b.test"}) { id } }', "invalid"),
    "a guardian beyond any column": ("{ guardian(id: 2147483647) { id } }", "not_found"),
    "a partner that is a NUL": ('{ partner(slug: "\\u0000") { slug } }', "invalid"),
    "an export of no day": (
        'mutation { exportEnrollments(input: {programInstanceId: "c", createdFrom: "0000-13-01"}) { id } }',
        "invalid",
    ),
    "an export of the last day": (
        'mutation { exportEnrollments(input: {programInstanceId: "c", createdFrom: "9999-12-31T23:59:59-14:00"}) '
        "{ id } }",
        "invalid",
    ),
    "a sample that is no document": (
        'query { tryCriteria(programInstanceId: "c", input: {criteria: [], sample: [1]}) { total } }',
        "invalid",
    ),
    "a foreign cursor": ('{ programs(after: "x") { totalCount } }', "invalid"),
    "a NUL": ('{ program(code: "a\\u0000") { code } }', "invalid"),
    "half a surrogate": ('{ program(code: "a\\uD800") { code } }', "graphql_document_invalid"),
    "a NUL in a list": ('{ enrollments(programInstanceId: "a", filter: {tag: "\\u0000"}) { totalCount } }', "invalid"),
    "a list of costs": (
        "{ programInstances(first: 100) { edges { node { criteria { name expression otherwise because } "
        "a: criteria { name expression otherwise because } b: criteria { name expression otherwise because } "
        "c: criteria { name expression otherwise because } d: criteria { name expression otherwise because } } } } }",
        "graphql_document_too_large",
    ),
}


class TestAHostileDocument:
    @pytest.mark.parametrize(("query", "code"), HOSTILE.values(), ids=HOSTILE)
    def test_is_refused_by_code(self, query, code):
        response = ask(query)

        assert set(codes(response)) == {code}
        assert len(response.content) < 20_000

    @pytest.mark.parametrize("number", ["1", 1.5, True, 2**31, [1], {"a": 1}])
    def test_whose_variable_is_of_another_type_is_refused_by_code(self, number):
        query = "query($id: Int!) { guardian(id: $id) { id } }"

        assert codes(ask(query, variables={"id": number})) == ["graphql_document_invalid"]

    def test_that_multiplies_by_a_variable_is_reckoned_with_it(self, monkeypatch):
        monkeypatch.setattr(limits, "MAX_COST", 200)
        query = "query($n: Int!) { programInstances(first: $n) { edges { node { criteria { name } } } } }"

        assert codes(ask(query, variables={"n": 2})) == []
        assert codes(ask(query, variables={"n": 100})) == ["graphql_document_too_large"]
        assert codes(ask(query)) == ["graphql_document_too_large"]

    def test_that_is_parsed_is_as_deep_as_its_fragments_make_it(self):
        query = "{ ...A } fragment A on Query { a { b { c { d { e { f { g { ...B } } } } } } } } "
        query += "fragment B on X { h { i { j { k { l { m } } } } } }"

        assert codes(ask(query)) == ["graphql_document_too_large"]


class TestAList:
    def test_of_operations_is_answered_in_order(self):
        workspace = WorkspaceFactory()
        ProgramFactory(workspace=workspace, code="sun")
        operations = [{"query": '{ program(code: "sun") { code } }'}, {"query": '{ program(code: "moon") { code } }'}]

        response = Client().post(
            "/api/graphql", json.dumps(operations), content_type="application/json", headers=bearer(workspace=workspace)
        )

        first, second = response.json()
        assert first == {"data": {"program": {"code": "sun"}}}
        assert second["errors"][0]["extensions"]["code"] == "not_found"

    @pytest.mark.parametrize("number", [0, 11, 1_000])
    def test_of_none_or_too_many_is_refused(self, number):
        response = Client().post(
            "/api/graphql",
            json.dumps([{"query": NOTHING}] * number),
            content_type="application/json",
            headers=key(),
        )

        assert response.status_code == 422
        assert response.json()["errors"][0]["field"] == "body"

    def test_costs_what_its_operations_cost_together(self, monkeypatch):
        monkeypatch.setattr(limits, "MAX_COST", 15)
        query = {"query": "{ a: __typename b: __typename }"}

        def sent(number: int) -> Any:
            return Client().post(
                "/api/graphql", json.dumps([query] * number), content_type="application/json", headers=key()
            )

        assert [set(each) for each in sent(7).json()] == [{"data"}] * 7
        assert [each["errors"][0]["extensions"]["code"] for each in sent(8).json()] == [
            "graphql_document_too_large"
        ] * 8


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("[", 400),
        ("1", 422),
        ("{}", 422),
        ('{"query": 1}', 422),
        ('{"query": "{a}", "variables": [1]}', 422),
        ('["x"]', 422),
    ],
)
def test_a_body_that_holds_no_operation_is_a_problem(body, status):
    response = Client().post("/api/graphql", body, content_type="application/json", headers=key())

    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"


class TestARefusal:
    def test_is_the_problem_that_rest_would_answer(self):
        workspace = WorkspaceFactory()
        headers = bearer(workspace=workspace)

        error = ask('{ program(code: "moon") { code } }', headers=headers).json()["errors"][0]
        problem = Client().get("/api/programs/moon", headers=headers).json()

        assert error["message"] == problem.pop("detail")
        assert error["path"] == ["program"]
        request_id = error["extensions"].pop("request_id")
        assert problem.pop("request_id") != request_id
        assert error["extensions"] == problem

    def test_of_what_broke_on_our_side_says_no_more_than_that(self, monkeypatch):
        def fail(*args: Any, **kwargs: Any) -> None:
            raise RuntimeError("SELECT secret")

        monkeypatch.setattr("enrollments.graphql.queries.get_program", fail)

        response = ask('{ program(code: "moon") { code } }')

        assert codes(response) == ["server_error"]
        assert "secret" not in response.content.decode()
