"""GraphQL shows everything that REST shows about people, decisions, files, and partners, with as many statements for a
list as for one row.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.tests.factories import GuardianFactory, GuardianshipFactory, LearnerFactory, bearer
from enrollments.tests.graph import Graph, names_of
from enrollments.tests.integrators import Api
from partners.tests.factories import approved

from .test_authorization import Town, built_town, town  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db

SHOWN = {
    "guardian": ("/api/guardians/{guardian}", "guardian(id: {guardian})"),
    "import": ("/api/imports/{imported}", 'import(id: "{imported}")'),
    "export": ("/api/exports/{export}", 'export(id: "{export}")'),
    "partner": ("/api/partners/{partner}", 'partner(slug: "{partner}")'),
    "partnerSteps": ("/api/enrollments/{taught}/steps", 'partnerSteps(enrollmentId: "{taught}")'),
}
# Types that may be empty, each with a field.
SOME = {"errors": "line", "stuck": "stepId", "learners": "id", "invitation": "email"}


def ids_of(town: Town) -> dict[str, Any]:  # noqa: F811
    return {
        "guardian": town.guardian_id,
        "imported": town.offer.imported,
        "export": town.offer.export,
        "partner": town.training.partner,
        "taught": town.training.enrollment,
    }


def fields_of(rest: Any) -> str:
    first = rest[0] if isinstance(rest, list) else rest
    names = (
        f"{name} {{ {names_of(value) or SOME[name]} }}" if name in SOME else names_of({name: value})
        for name, value in first.items()
    )
    return " ".join(names)


def camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


class TestWhatRestShows:
    @pytest.mark.parametrize(("path", "field"), SHOWN.values(), ids=SHOWN)
    def test_is_shown_by_graphql(self, town: Town, path: str, field: str) -> None:  # noqa: F811
        ids = ids_of(town)
        learner = LearnerFactory(workspace=town.ours)
        GuardianshipFactory(guardian_id=town.guardian_id, learner=learner)
        rest = Api(town.ours).get(path.format_map(ids)).json()

        shown = Graph(town.ours).ask(f"{{ it: {field.format_map(ids)} {{ {fields_of(rest)} }} }}")

        assert shown["it"] == rest

    def test_of_a_decision_is_shown_by_graphql_in_its_own_spelling(self, town: Town) -> None:  # noqa: F811
        rest = Api(town.ours).get(f"/api/decisions/{town.decision_id}").json()
        told = {camel(name): value for name, value in rest.items()}

        shown = Graph(town.ours).ask(f"{{ decision(id: {town.decision_id}) {{ {' '.join(told)} }} }}")

        assert shown["decision"] == told

    def test_of_the_pipeline_is_shown_by_graphql(self, town: Town) -> None:  # noqa: F811
        assert town.training
        rest = Api(town.ours).get("/api/partners/pipeline").json()["partners"]

        shown = Graph(town.ours).ask(f"{{ partnerPipeline {{ {fields_of(rest)} }} }}")

        assert shown["partnerPipeline"] == rest

    def test_of_other_criteria_is_shown_by_graphql(self, town: Town) -> None:  # noqa: F811
        asked = {
            "criteria": [{"name": "all", "expression": "true", "otherwise": "no"}],
            "sample": {"email": "a@b.test"},
        }
        rest = Api(town.ours).post(f"/api/programInstances/{town.offer.instance}/criteria/try", asked).json()
        query = "query($id: ID!, $input: CriteriaToTry!) { tryCriteria(programInstanceId: $id, input: $input) {"

        shown = Graph(town.ours).ask(f"{query} {names_of(rest)} }} }}", id=town.offer.instance, input=asked)

        assert shown["tryCriteria"] == rest


def add_guardian(there: Town, number: int) -> None:
    guardian = GuardianFactory(workspace=there.ours)
    GuardianshipFactory(guardian=guardian, learner=LearnerFactory(workspace=there.ours))


def add_decision(there: Town, number: int) -> None:
    learner = {"email": f"{number}@school.test", "first_name": "New", "last_name": "One"}
    Api(there.ours).enroll(learner_profile=learner, context={"tenant_id": 7})


LISTS: dict[str, tuple[str, Callable[[Town, int], None]]] = {
    "guardians": ("email isProven learners { id } invitation { state }", add_guardian),
    "decisions": ("learnerProfile guardianId enrollmentId checkoutUrl seatsAvailable", add_decision),
}


class TestAList:
    @pytest.mark.parametrize("name", LISTS)
    def test_takes_as_many_statements_as_one_row(self, town: Town, name: str) -> None:  # noqa: F811
        fields, add = LISTS[name]
        graph = Graph(town.ours)
        query = f"{{ {name} {{ edges {{ node {{ {fields} }} }} }} }}"
        add(town, 0)
        graph.ask(query)

        with CaptureQueriesContext(connection) as few:
            before = graph.ask(query)[name]["edges"]
        for number in range(1, 4):
            add(town, number)
        with CaptureQueriesContext(connection) as many:
            after = graph.ask(query)[name]["edges"]

        assert len(after) == len(before) + 3
        assert len(many) == len(few)

    def test_of_steps_takes_as_many_statements_as_one_step(self) -> None:
        query = "query($id: ID!) { partnerSteps(enrollmentId: $id) { partner courseId status } }"
        counts = []
        for steps in (1, 3):
            enrollment = approved(steps=steps)
            graph = Graph(enrollment.workspace)
            graph.ask(query, id=enrollment.cuid)
            with CaptureQueriesContext(connection) as asked:
                shown = graph.ask(query, id=enrollment.cuid)["partnerSteps"]
            counts.append((len(shown), len(asked)))

        assert [shown for shown, _ in counts] == [1, 3]
        assert len({asked for _, asked in counts}) == 1


class TestSeveralOperations:
    def test_count_each_toward_the_limit(self, town: Town, settings: Any) -> None:  # noqa: F811
        settings.API_RATE_LIMIT = 5
        cache.clear()
        headers = bearer(workspace=town.ours)
        operations = json.dumps([{"query": "{ __typename }"}] * 3)

        answers = [
            Client().post("/api/graphql", operations, content_type="application/json", headers=headers)
            for _ in range(2)
        ]

        assert [answer.status_code for answer in answers] == [200, 429]
        assert "Retry-After" in answers[1].headers
