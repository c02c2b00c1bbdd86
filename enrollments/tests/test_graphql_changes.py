"""Changes in GraphQL: the rules of REST, one change at a time, all or nothing, once per Idempotency-Key."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import Learner, Workspace
from accounts.tests.factories import WorkspaceFactory
from core.models import IdempotencyRecord
from enrollments.models import Enrollment, Program, ProgramInstance
from events.models import OutboxEvent

from .factories import CandidateFactory, InstanceFactory
from .graph import Graph, names_of
from .integrators import Api

pytestmark = pytest.mark.django_db

ENROLL = """mutation($instance: ID!, $input: NewEnrollment!) {
  createEnrollment(programInstanceId: $instance, input: $input) { id email tags eligibility { status } }
}"""
SUZIE = {
    "identificationType": "customerInfo",
    "firstName": "Suzie",
    "lastName": "Homeowner",
    "email": "suzie@home.test",
    "tags": ["solar"],
    "address": {"city": "Graz", "country": "AUT"},
    "metadata": {"roof": {"south": True}},
}
ADD = 'mutation { createProgram(input: {code: "solar", title: "Solar Savers"}) { code title } }'


@pytest.fixture
def workspace() -> Workspace:
    return WorkspaceFactory()


@pytest.fixture
def graph(workspace: Workspace) -> Graph:
    return Graph(workspace)


@pytest.fixture
def instance(workspace: Workspace) -> ProgramInstance:
    return InstanceFactory(workspace=workspace, price=None)


def codes(answer: Any) -> list[str]:
    return [error["extensions"]["code"] for error in answer["errors"]]


class TestEnrolling:
    @pytest.mark.sqlite
    def test_makes_what_rest_makes(self, workspace, graph, instance):
        made = graph.ask(ENROLL, instance=instance.cuid, input=SUZIE)["createEnrollment"]

        rest = Api(workspace).get(f"/api/enrollments/{made['id']}").json()
        assert made == {
            "id": rest["id"],
            "email": "suzie@home.test",
            "tags": ["solar"],
            "eligibility": {"status": "candidate"},
        }
        assert rest["meta"] == {"roof": {"south": True}}
        assert rest["address"]["city"] == "Graz"

    def test_is_refused_with_the_fields_and_codes_of_rest(self, workspace, graph, instance):
        wrong = SUZIE | {"email": "nobody", "leadId": "c" * 24, "phone": "1"}

        answer = graph.send(ENROLL, instance=instance.cuid, input=wrong)
        rest = Api(workspace).post(f"/api/programInstances/{instance.cuid}/enrollments", wrong).json()

        assert answer["data"] is None
        assert answer["errors"][0]["extensions"]["errors"] == rest["errors"]
        assert not Learner.objects.exists()

    def test_twice_names_the_current_enrollment(self, graph, instance):
        first = graph.ask(ENROLL, instance=instance.cuid, input=SUZIE)["createEnrollment"]["id"]

        answer = graph.send(ENROLL, instance=instance.cuid, input=SUZIE)

        assert codes(answer) == ["already_enrolled"]
        assert answer["errors"][0]["extensions"]["enrollmentId"] == first
        assert answer["errors"][0]["extensions"]["status"] == 409


class TestAChangeOfStatus:
    def test_goes_all_the_way_as_in_rest(self, workspace, graph, instance):
        enrollment = CandidateFactory(workspace=workspace, instance=instance)
        steps = ["evaluate", "submit"]

        for step in steps:
            asked = f'mutation {{ {step}Enrollment(id: "{enrollment.cuid}") {{ eligibility {{ status }} }} }}'
            shown = graph.ask(asked)[f"{step}Enrollment"]
        left = graph.ask(
            "mutation($id: ID!, $input: Exit!) {"
            " unenrollEnrollment(id: $id, input: $input) { eligibility { reason } } }",
            id=enrollment.cuid,
            input={"reason": "Moved away", "expectedStatus": "approved"},
        )

        assert shown["eligibility"]["status"] == "approved"
        assert left["unenrollEnrollment"]["eligibility"]["reason"] == "Moved away"

    def test_that_comes_too_late_changes_nothing(self, graph, workspace, instance):
        enrollment = CandidateFactory(workspace=workspace, instance=instance)
        asked = "mutation($id: ID!, $input: StatusChange) { evaluateEnrollment(id: $id, input: $input) { id } }"

        answer = graph.send(asked, id=enrollment.cuid, input={"expectedStatus": "submitted"})

        assert codes(answer) == ["status_moved"]
        assert answer["data"] is None
        assert Enrollment.objects.get().eligibility_status == "candidate"

    def test_of_another_workspace_is_not_there(self, graph):
        other = CandidateFactory()

        answer = graph.send(f'mutation {{ deleteEnrollment(id: "{other.cuid}") }}')

        assert codes(answer) == ["not_found"]
        assert Enrollment.objects.get().deleted_at is None


class TestAProgram:
    def test_and_its_instance_are_made_and_changed_as_in_rest(self, workspace, graph):
        graph.ask(ADD)
        criteria = [{"name": "Age", "expression": "true", "otherwise": "Too young"}]
        facts = {"programCode": "solar", "name": "2027", "priceMinor": 4900, "currency": "eur", "taxRate": 20.5}
        make = "mutation($input: NewProgramInstance!) { createProgramInstance(input: $input) { id } }"
        change = "mutation($id: ID!, $input: ProgramInstanceChanges!) {"
        change += " changeProgramInstance(id: $id, input: $input) { %s } }"

        made = graph.ask(make, input=facts | {"criteria": criteria})["createProgramInstance"]["id"]
        rest = Api(workspace).get(f"/api/programInstances/{made}").json()
        changed = graph.ask(change % names_of(rest), id=made, input={"name": "Next year", "endDate": "2027-12-31"})

        assert changed["changeProgramInstance"] == rest | {"name": "Next year", "endDate": "2027-12-31"}
        assert (rest["priceMinor"], rest["taxRate"], rest["criteria"][0]["name"]) == (4900, 20.5, "Age")

    def test_with_a_criterion_that_does_not_compile_is_refused_by_its_place(self, graph, instance):
        change = "mutation($id: ID!, $input: ProgramInstanceChanges!) {"
        change += " changeProgramInstance(id: $id, input: $input) { id } }"
        broken = [{"name": "Age", "expression": "learner.age >", "otherwise": "Too young"}]

        answer = graph.send(change, id=instance.cuid, input={"criteria": broken})

        assert [each["field"] for each in answer["errors"][0]["extensions"]["errors"]] == ["criteria[0].expression"]


class TestPeople:
    def test_are_added_and_changed(self, workspace, graph):
        person = {"firstName": "June", "lastName": "Roe", "email": "june@home.test", "externalId": "L-1"}

        made = graph.ask("mutation($input: NewLearner!) { registerLearner(input: $input) { id } }", input=person)
        key = made["registerLearner"]["id"]
        changed = graph.ask(
            "mutation($id: ID!, $input: LearnerChanges!) { changeLearner(id: $id, input: $input) { school email } }",
            id=key,
            input={"school": "Oak"},
        )
        lead = graph.ask('mutation { createLead(input: {lastName: "Roe"}) { id } }')["createLead"]["id"]
        graph.ask(f'mutation {{ changeLead(id: "{lead}", input: {{email: "roe@home.test"}}) {{ id }} }}')

        assert changed["changeLearner"] == {"school": "Oak", "email": "june@home.test"}
        assert Api(workspace).get(f"/api/leads/{lead}").json()["email"] == "roe@home.test"


class TestAMutation:
    @pytest.mark.parametrize(
        "asked",
        [
            'mutation { a: createProgram(input: {code: "a", title: "A"}) { code }'
            ' b: createProgram(input: {code: "b", title: "B"}) { code } }',
            'mutation { ...Two } fragment Two on Mutation { createLead(input: {lastName: "A"}) { id }'
            ' registerLearner(input: {firstName: "a", lastName: "b", email: "a@b.test"}) { id } }',
        ],
    )
    def test_of_two_changes_is_refused_before_either(self, graph, asked):
        answer = graph.send(asked)

        assert codes(answer) == ["graphql_document_too_large"]
        assert not Program.objects.exists()
        assert not Learner.objects.exists()

    def test_whose_answer_is_refused_has_changed_nothing(self, workspace, instance):
        graph = Graph(workspace, scopes=["enrollments:read", "enrollments:write"])
        asked = ENROLL.replace("email", "email learner { school }")

        answer = graph.send(asked, instance=instance.cuid, input=SUZIE)

        assert codes(answer) == ["scope_missing"]
        assert answer["data"] is None
        assert not Enrollment.objects.exists()
        assert not OutboxEvent.objects.exists()

    def test_is_made_once_for_each_key(self, graph):
        first = graph.send(ADD, key="k-1")
        second = graph.send(ADD, key="k-1")

        assert first == second == {"data": {"createProgram": {"code": "solar", "title": "Solar Savers"}}}

    def test_that_is_refused_leaves_its_key_free(self, graph, instance):
        refused = graph.send(ADD.replace("solar", "not a code"), key="k-1")
        made = graph.send(ADD, key="k-1")

        assert codes(refused) == ["invalid"]
        assert "errors" not in made
        assert IdempotencyRecord.objects.count() == 1

    def test_in_a_list_is_made_or_refused_by_itself(self, workspace, graph):
        again = {"query": ADD}

        response = graph.client.post(
            "/api/graphql", [again, again], content_type="application/json", headers=graph.headers
        )

        first, second = response.json()
        assert first == {"data": {"createProgram": {"code": "solar", "title": "Solar Savers"}}}
        assert codes(second) == ["program_exists"]
        assert second["data"] is None

    def test_in_a_list_takes_no_key(self, graph):
        headers = graph.headers | {"Idempotency-Key": "k-1"}

        response = graph.client.post("/api/graphql", [{"query": ADD}], content_type="application/json", headers=headers)

        assert response.status_code == 422
        assert not Program.objects.exists()

    def test_is_never_made_by_get(self, graph):
        response = Client().get("/api/graphql", {"query": ADD}, headers=graph.headers)

        assert response.status_code == 405
        assert not Program.objects.exists()
