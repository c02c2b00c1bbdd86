"""A program's sequence of partners over HTTP."""

from typing import Any

import pytest

from accounts.tests.factories import WorkspaceFactory
from enrollments.models import ProgramInstance
from enrollments.tests.factories import InstanceFactory
from enrollments.tests.integrators import Api, fields
from partners.api.examples import CREATE_PARTNER, DEFINE_SEQUENCE
from partners.models import PartnerSequence
from partners.states import GroupRule

from .factories import ProviderFactory, accept, approved, complete, define, group, statuses, steps_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def instance() -> ProgramInstance:
    """Return an instance of a program whose workspace has the partners north and south."""
    instance = InstanceFactory(price=None)
    for slug in ("north", "south"):
        ProviderFactory(workspace=instance.workspace, slug=slug)
    return instance


@pytest.fixture
def api(instance: ProgramInstance) -> Api:
    return Api(instance.workspace)


def address(instance: ProgramInstance) -> str:
    return f"/api/programs/{instance.program.code}/partnerSequence"


def step(course: str, group: str | None = None, partner: str = "north") -> dict[str, Any]:
    return {"partner": partner, "courseId": course, "group": group}


def versions(instance: ProgramInstance) -> list[tuple[int, bool]]:
    rows = PartnerSequence.objects.filter(program=instance.program).order_by("version")
    return list(rows.values_list("version", "active"))


BASICS = {"name": "Basics", "rule": "all_in_order", "atLeast": None}
ELECTIVES = {"name": "Electives", "rule": "at_least", "atLeast": 2}
FREELY = {"name": "Freely", "rule": "all_any_order", "atLeast": None}
ALL_KINDS = {
    "steps": [
        step("1"),
        step("2", "Basics"),
        step("3", "Basics", partner="south"),
        step("4", "Freely"),
        step("5", "Freely"),
        step("6", "Electives"),
        step("7", "Electives"),
        step("8", "Electives"),
        step("9"),
    ],
    "groups": [BASICS, ELECTIVES, FREELY],
}


class TestASequence:
    def test_is_empty_before_it_is_defined(self, api: Api, instance: ProgramInstance) -> None:
        shown = api.get(address(instance))

        assert shown.status_code == 200
        assert shown.json() == {"version": None, "createdAt": None, "steps": [], "groups": [], "underWay": []}

    @pytest.mark.parametrize("slash", ["", "/"])
    def test_is_defined_with_groups_of_every_kind_and_shown_as_it_was_sent(
        self, api: Api, instance: ProgramInstance, slash: str
    ) -> None:
        answer = api.put(address(instance) + slash, ALL_KINDS)

        shown = api.get(address(instance) + slash).json()
        assert (answer.status_code, answer.json()) == (200, shown)
        assert (shown["version"], shown["steps"]) == (1, ALL_KINDS["steps"])
        assert shown["groups"] == [BASICS, FREELY, ELECTIVES]  # in the order in which learners reach them

    def test_that_is_sent_back_as_it_is_shown_makes_no_version(self, api: Api, instance: ProgramInstance) -> None:
        api.put(address(instance), ALL_KINDS)
        shown = api.get(address(instance)).json()

        again = api.put(address(instance), shown)

        assert (again.status_code, again.json()) == (200, shown)
        assert versions(instance) == [(1, True)]

    def test_reaches_new_learners_and_leaves_those_under_way_alone(self, api: Api, instance: ProgramInstance) -> None:
        api.put(address(instance), {"steps": [step("1"), step("2")]})
        early = approved(instance)
        complete(accept(steps_of(early)[0]))

        answer = api.put(address(instance), {"steps": [step("3"), step("4"), step("5")]})

        late = approved(instance)
        assert (answer.json()["version"], answer.json()["underWay"]) == (2, [{"version": 1, "learners": 1}])
        assert (statuses(early), statuses(late)) == (["completed", "queued"], ["queued", "pending", "pending"])
        assert [row["learners"] for row in api.get(address(instance)).json()["underWay"]] == [1, 1]

    def test_without_steps_ends(self, api: Api, instance: ProgramInstance) -> None:
        api.put(address(instance), {"steps": [step("1")]})

        answer = api.put(address(instance), {"steps": []})

        assert (answer.status_code, answer.json()["version"]) == (200, None)
        assert versions(instance) == [(1, False)]

    def test_defined_twice_by_one_key_is_not_defined_again_after_another(
        self, api: Api, instance: ProgramInstance
    ) -> None:
        one, two = {"steps": [step("1")]}, {"steps": [step("2")]}
        once = Api(instance.workspace)
        once.headers = api.headers | {"Idempotency-Key": "a"}
        first = once.put(address(instance), one)
        api.put(address(instance), two)

        again = once.put(address(instance), one)

        assert again.json() == first.json()
        assert versions(instance) == [(1, False), (2, True)]

    def test_of_groups_without_names_is_shown_with_some(self, api: Api, instance: ProgramInstance) -> None:
        define(instance, group(instance, 1), group(instance, 1), group(instance, 2, GroupRule.ALL_ANY_ORDER))

        shown = api.get(address(instance)).json()

        assert [row["group"] for row in shown["steps"]] == [None, "Group 2", "Group 3", "Group 3"]
        assert [row["rule"] for row in shown["groups"]] == ["all_in_order", "all_any_order"]

    def test_of_another_workspace_is_not_found(self, instance: ProgramInstance) -> None:
        stranger = Api(WorkspaceFactory())

        asked = stranger.get(address(instance))
        changed = stranger.put(address(instance), {"steps": []})

        assert (asked.status_code, changed.status_code) == (404, 404)

    @pytest.mark.sqlite
    def test_of_the_documented_example_is_accepted(self, api: Api, instance: ProgramInstance) -> None:
        api.post("/api/partners", CREATE_PARTNER.value)

        assert api.put(address(instance), DEFINE_SEQUENCE.value).status_code == 200


class TestASequenceThatIsRefused:
    @pytest.mark.parametrize(
        ("body", "field", "code"),
        [
            ({}, "steps", "required"),
            ({"steps": [step("1", partner="nobody")]}, "steps[0].partner", "not_found"),
            ({"steps": [step("1"), step("1")]}, "steps[1].courseId", "repeated"),
            ({"steps": [step("1"), step(" ")]}, "steps[1].courseId", "blank"),
            ({"steps": [step("1", "Basics")]}, "steps[0].group", "not_found"),
            (
                {"steps": [step("1", "Basics"), step("2"), step("3", "Basics")], "groups": [BASICS]},
                "steps[2].group",
                "apart",
            ),
            ({"steps": [step("1")], "groups": [BASICS]}, "groups[0]", "empty"),
            ({"steps": [step("1", "Basics")], "groups": [BASICS, BASICS]}, "groups[1].name", "repeated"),
            (
                {"steps": [step("0"), step("1", "Freely"), step("2", "Electives")], "groups": [ELECTIVES, FREELY]},
                "groups[0].atLeast",
                "out_of_range",
            ),
            ({"steps": [step("1", "Basics")], "groups": [BASICS | {"atLeast": 1}]}, "groups[0].atLeast", "not_allowed"),
            (
                {"steps": [step("1", "Basics")], "groups": [BASICS | {"rule": "in_turns"}]},
                "groups[0].rule",
                "invalid_choice",
            ),
            ({"steps": [step(str(number)) for number in range(101)]}, "steps", "max_length"),
        ],
    )
    def test_says_where_it_is_wrong_and_changes_nothing(
        self, api: Api, instance: ProgramInstance, body: dict[str, Any], field: str, code: str
    ) -> None:
        define(instance, group(instance, 1))

        answer = api.put(address(instance), body)

        faults = {error["field"]: error["code"] for error in answer.json()["errors"]}
        assert answer.status_code == 422
        assert faults.get(field) == code, faults
        assert fields(answer)[0] == field
        assert versions(instance) == [(1, True)]
