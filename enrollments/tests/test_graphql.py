"""Programs, instances, and enrollments in GraphQL: what REST shows, in a fixed number of statements."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Workspace
from accounts.states import Scope
from accounts.tests.factories import LeadFactory, LearnerFactory, WorkspaceFactory
from enrollments.eligibility.criteria import CriterionDraft, change_criteria
from enrollments.models import ProgramInstance

from .factories import STAFF, CandidateFactory, InstanceFactory, ProgramFactory, approved_enrollment
from .graph import Graph, names_of
from .integrators import Api
from .test_api_lists import NOON, enrolled

pytestmark = pytest.mark.django_db

PAGE = """query($id: ID!, $first: Int, $after: String, $filter: EnrollmentFilter) {
  enrollments(programInstanceId: $id, first: $first, after: $after, filter: $filter) {
    edges { cursor node { id } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    totalCount
    totalIsExact
  }
}"""
EVERYTHING = """query($id: ID!) { enrollments(programInstanceId: $id, first: 50) { edges { node {
  id email exitDate
  programInstance { id priceMinor program { code } criteria { name } }
  learner { id school }
  lead { id learnerId }
  transitions { number toStatus }
  verdicts { outcome answers { name answer } }
} } } }"""


@pytest.fixture
def workspace() -> Workspace:
    return WorkspaceFactory()


@pytest.fixture
def graph(workspace: Workspace) -> Graph:
    graph = Graph(workspace)
    graph.ask("{ __typename }")  # the key's first use is recorded
    return graph


@pytest.fixture
def instance(workspace: Workspace) -> ProgramInstance:
    return InstanceFactory(workspace=workspace, price=None)


class TestAnEnrollment:
    @pytest.mark.sqlite
    def test_is_shown_as_rest_shows_it(self, workspace, graph, instance):
        enrollment = approved_enrollment(enrolled(instance, tags=["vip"], address={"city": "Graz"}))
        rest = Api(workspace).get(f"/api/enrollments/{enrollment.cuid}").json()

        shown = graph.ask(f'{{ enrollment(id: "{enrollment.cuid}") {{ {names_of(rest)} }} }}')

        assert shown["enrollment"] == rest

    def test_has_its_history(self, workspace, graph, instance):
        enrollment = approved_enrollment(enrolled(instance))
        rest = Api(workspace).get(f"/api/enrollments/{enrollment.cuid}/history").json()

        shown = graph.ask(f'{{ enrollment(id: "{enrollment.cuid}") {{ {names_of(rest)} }} }}')

        assert shown["enrollment"] == rest

    def test_leads_to_its_instance_and_program(self, workspace, graph, instance):
        enrollment = enrolled(instance)
        api = Api(workspace)
        rest = api.get(f"/api/programInstances/{instance.cuid}").json()
        program = api.get(f"/api/programs/{instance.program.code}").json()
        query = f"programInstance {{ {names_of(rest)} program {{ {names_of(program)} }} }}"

        shown = graph.ask(f'{{ enrollment(id: "{enrollment.cuid}") {{ {query} }} }}')

        assert shown["enrollment"]["programInstance"] == {**rest, "program": program}

    def test_shows_the_learner_to_keys_that_may_read_learners(self, workspace, instance):
        enrollment = enrolled(instance)
        query = f'{{ enrollment(id: "{enrollment.cuid}") {{ id learner {{ id }} }} }}'

        allowed = Graph(workspace, scopes=["enrollments:read", "learners:read"]).send(query)
        refused = Graph(workspace, scopes=["enrollments:read"]).send(query)

        assert allowed["data"]["enrollment"]["learner"] == {"id": enrollment.learner.cuid}
        assert refused["data"]["enrollment"] == {"id": enrollment.cuid, "learner": None}
        assert refused["errors"][0]["extensions"]["code"] == "scope_missing"
        assert refused["errors"][0]["path"] == ["enrollment", "learner"]

    def test_of_another_workspace_is_not_there(self, graph):
        other = CandidateFactory()

        answer = graph.send(f'{{ enrollment(id: "{other.cuid}") {{ id }} }}')

        assert answer["data"] is None
        assert [each["extensions"]["code"] for each in answer["errors"]] == ["not_found"]


class TestAList:
    def test_is_read_page_by_page_as_rest_reads_it(self, graph, instance):
        rows = [enrolled(instance, hours=hours) for hours in range(5)]

        first = graph.ask(PAGE, id=instance.cuid, first=2)["enrollments"]
        second = graph.ask(PAGE, id=instance.cuid, first=2, after=first["pageInfo"]["endCursor"])["enrollments"]
        third = graph.ask(PAGE, id=instance.cuid, first=2, after=second["edges"][1]["cursor"])["enrollments"]

        seen = [edge["node"]["id"] for page in (first, second, third) for edge in page["edges"]]
        assert seen == [row.cuid for row in reversed(rows)]
        assert [page["pageInfo"]["hasNextPage"] for page in (first, second, third)] == [True, True, False]
        assert [page["pageInfo"]["hasPreviousPage"] for page in (first, second, third)] == [False, True, True]
        assert (first["totalCount"], first["totalIsExact"]) == (5, True)

    def test_is_narrowed_by_the_filters_of_rest(self, graph, instance):
        wanted = enrolled(instance, tags=["vip"])
        enrolled(instance)

        found = graph.ask(PAGE, id=instance.cuid, filter={"tag": "vip", "status": "candidate"})["enrollments"]

        assert [edge["node"]["id"] for edge in found["edges"]] == [wanted.cuid]

    def test_refuses_a_filter_by_the_name_of_the_field(self, graph, instance):
        answer = graph.send(PAGE, id=instance.cuid, filter={"createdFrom": "yesterday"})

        assert answer["errors"][0]["extensions"]["errors"][0]["field"] == "createdFrom"

    @pytest.mark.sqlite
    def test_with_all_that_belongs_to_its_rows_takes_the_same_statements_however_long(
        self, workspace, graph, instance, lead_and_learner
    ):
        lead_and_learner()
        with CaptureQueriesContext(connection) as few:
            graph.ask(EVERYTHING, id=instance.cuid)
        for _ in range(5):
            lead_and_learner()

        with CaptureQueriesContext(connection) as many:
            shown = graph.ask(EVERYTHING, id=instance.cuid)

        assert len(shown["enrollments"]["edges"]) == 12
        assert len(many) == len(few) == 9

    def test_of_instances_takes_the_same_statements_however_long(self, workspace, graph):
        wanted = "id priceMinor program { code } criteria { name } refundTiers { keptPercent }"
        query = f"{{ programInstances {{ edges {{ node {{ {wanted} }} }} }} }}"
        InstanceFactory(workspace=workspace)
        with CaptureQueriesContext(connection) as few:
            graph.ask(query)
        for _ in range(4):
            made = InstanceFactory(workspace=workspace, is_default=False)
            draft = CriterionDraft("Age", "true", "Too young")
            change_criteria(instance_id=made.pk, drafts=[draft], actor=STAFF, now=NOON)

        with CaptureQueriesContext(connection) as many:
            shown = graph.ask(query)["programInstances"]["edges"]

        assert [len(each["node"]["criteria"]) for each in shown] == [1, 1, 1, 1, 0]
        assert len(many) == len(few)


@pytest.fixture
def lead_and_learner(workspace: Workspace, instance: ProgramInstance) -> Any:
    def enroll() -> None:
        approved_enrollment(enrolled(instance, learner=LearnerFactory(workspace=workspace)))
        enrolled(instance, lead=LeadFactory(workspace=workspace))

    return enroll


class TestEntities:
    QUERY = """query($named: [_Any!]!) { _entities(representations: $named) {
      ... on Program { code title } ... on ProgramInstance { id program { code } } ... on Enrollment { id email }
    } }"""

    def test_are_found_by_their_keys_in_the_order_they_are_named_in(self, graph, workspace, instance):
        enrollment = enrolled(instance)
        named = [
            {"__typename": "Enrollment", "id": enrollment.cuid},
            {"__typename": "Program", "code": instance.program.code},
            {"__typename": "ProgramInstance", "id": "c" * 24},
            {"__typename": "ProgramInstance", "id": instance.cuid},
        ]

        found = graph.ask(self.QUERY, named=named)["_entities"]

        assert found == [
            {"id": enrollment.cuid, "email": enrollment.learner.email},
            {"code": instance.program.code, "title": instance.program.title},
            None,
            {"id": instance.cuid, "program": {"code": instance.program.code}},
        ]

    def test_of_another_workspace_are_not_there(self, graph):
        other = CandidateFactory()

        found = graph.ask(self.QUERY, named=[{"__typename": "Enrollment", "id": other.cuid}])

        assert found == {"_entities": [None]}

    def test_take_the_same_statements_however_many(self, graph, instance):
        named = [{"__typename": "Enrollment", "id": enrolled(instance).cuid} for _ in range(5)]

        with CaptureQueriesContext(connection) as few:
            graph.ask(self.QUERY, named=named[:1])
        with CaptureQueriesContext(connection) as many:
            graph.ask(self.QUERY, named=named)

        assert len(few) == len(many) == 2  # the key, the enrollments

    @pytest.mark.parametrize(
        "named",
        [
            [{"__typename": "Learner", "id": "x"}],
            [{"__typename": "Enrollment"}],
            [{"__typename": "Enrollment", "id": 7}],
            [{"id": "x"}],
            ["x"],
            [{"__typename": "Enrollment", "id": "c"}] * 101,
        ],
    )
    def test_that_nobody_could_mean_are_refused(self, graph, named):
        answer = graph.send(self.QUERY, named=named)

        assert answer["data"] is None
        assert [each["extensions"]["code"] for each in answer["errors"]] == ["invalid"]

    def test_need_the_scope(self, workspace, instance):
        graph = Graph(workspace, scopes=set(Scope.values) - {"enrollments:read"})

        answer = graph.send(self.QUERY, named=[{"__typename": "ProgramInstance", "id": instance.cuid}])

        assert [each["extensions"]["code"] for each in answer["errors"]] == ["scope_missing"]


class TestPeople:
    def test_are_shown_as_rest_shows_them(self, workspace, graph):
        learner = LearnerFactory(workspace=workspace, external_id="L-1", address={"city": "Graz"})
        lead = LeadFactory(workspace=workspace)
        api = Api(workspace)
        rest = {
            "learner": api.get(f"/api/learners/{learner.cuid}").json(),
            "lead": api.get(f"/api/leads/{lead.cuid}").json(),
        }

        shown = graph.ask(
            f'{{ learner(id: "{learner.cuid}") {{ {names_of(rest["learner"])} }} '
            f'lead(id: "{lead.cuid}") {{ {names_of(rest["lead"])} }} }}'
        )

        assert shown == rest

    def test_are_listed_page_by_page_and_narrowed(self, workspace, graph):
        learners = [LearnerFactory(workspace=workspace, external_id=f"L-{number}") for number in range(3)]
        query = (
            "query($after: String, $externalId: String) { learners(first: 2, after: $after, externalId: $externalId)"
        )
        query += " { edges { node { id } } pageInfo { endCursor hasNextPage } totalCount } }"

        first = graph.ask(query)["learners"]
        second = graph.ask(query, after=first["pageInfo"]["endCursor"])["learners"]
        one = graph.ask(query, externalId="L-1")["learners"]

        seen = [edge["node"]["id"] for page in (first, second) for edge in page["edges"]]
        assert seen == [learner.cuid for learner in reversed(learners)]
        assert [edge["node"]["id"] for edge in one["edges"]] == [learners[1].cuid]
        assert (first["totalCount"], second["pageInfo"]["hasNextPage"]) == (3, False)


def test_programs_are_listed_newest_first(workspace, graph):
    programs = [ProgramFactory(workspace=workspace) for _ in range(3)]

    shown = graph.ask("{ programs { edges { node { code } } } }")["programs"]["edges"]

    assert [edge["node"]["code"] for edge in shown] == [program.code for program in reversed(programs)]
