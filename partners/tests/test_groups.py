"""Whose turn it is, for every combination of states of three steps in a group."""

from itertools import product

from partners.groups import are_satisfied, find_needless, find_startable, is_satisfied
from partners.models import EnrollmentStep, SequenceGroup, SequenceItem
from partners.states import GroupRule, PartnerStepStatus

IN_ORDER, ANY_ORDER, AT_LEAST = GroupRule.ALL_IN_ORDER, GroupRule.ALL_ANY_ORDER, GroupRule.AT_LEAST
DONE = {"completed", "skipped"}
COMBINATIONS = list(product(PartnerStepStatus.values, repeat=3))


def steps_in(
    *statuses: str, rule: str = IN_ORDER, at_least: int | None = None, position: int = 1
) -> list[EnrollmentStep]:
    """Return unsaved steps of one group."""
    group = SequenceGroup(pk=position, position=position, rule=rule, at_least=at_least)
    return [
        EnrollmentStep(item=SequenceItem(pk=10 * position + place, group=group, position=place), status=status)
        for place, status in enumerate(statuses)
    ]


class TestAGroupInOrder:
    def test_starts_only_a_pending_step_with_nothing_but_done_ones_before_it(self) -> None:
        started = {each: [step.status for step in find_startable(steps_in(*each))] for each in COMBINATIONS}
        places = {each: next((n for n, status in enumerate(each) if status not in DONE), 0) for each in COMBINATIONS}

        expected = {each: ["pending"] * (each[places[each]] == "pending") for each in COMBINATIONS}
        assert len(COMBINATIONS) == 343
        assert started == expected

    def test_is_satisfied_once_every_step_is_completed_or_skipped(self) -> None:
        satisfied = {each for each in COMBINATIONS if is_satisfied(steps_in(*each))}

        assert satisfied == set(product(DONE, repeat=3))


class TestAGroupInAnyOrder:
    def test_starts_all_of_its_pending_steps(self) -> None:
        steps = steps_in("pending", "failed", "pending", rule=ANY_ORDER)

        assert find_startable(steps) == [steps[0], steps[2]]

    def test_is_satisfied_once_every_step_is_done(self) -> None:
        assert not is_satisfied(steps_in("completed", "failed", rule=ANY_ORDER))
        assert not is_satisfied(steps_in("completed", "withdrawn", rule=ANY_ORDER))
        assert is_satisfied(steps_in("completed", "skipped", rule=ANY_ORDER))


class TestAGroupOfWhichSomeAreEnough:
    def test_is_satisfied_by_that_many(self) -> None:
        satisfied = {each for each in COMBINATIONS if is_satisfied(steps_in(*each, rule=AT_LEAST, at_least=2))}

        assert satisfied == {each for each in COMBINATIONS if sum(status in DONE for status in each) >= 2}

    def test_needs_none_that_has_not_begun_once_it_is_satisfied(self) -> None:
        steps = steps_in(
            "completed", "pending", "queued", "failed", "in_progress", "withdrawn", rule=AT_LEAST, at_least=1
        )

        assert find_needless(steps) == steps[1:4]
        assert find_startable(steps) == []

    def test_needs_all_until_then(self) -> None:
        steps = steps_in("completed", "pending", "queued", rule=AT_LEAST, at_least=2)

        assert find_needless(steps) == []
        assert find_startable(steps) == [steps[1]]


class TestSeveralGroups:
    def test_begin_one_after_the_other(self) -> None:
        first = steps_in("completed", "queued", rule=ANY_ORDER)
        second = steps_in("pending", "pending", position=2)

        assert find_startable([*first, *second]) == []
        assert not are_satisfied([*first, *second])

    def test_hand_over_once_the_first_is_satisfied(self) -> None:
        first = steps_in("completed", "skipped")
        second = steps_in("pending", "pending", position=2)

        assert find_startable([*first, *second]) == [second[0]]

    def test_are_satisfied_together_and_not_by_being_none(self) -> None:
        assert are_satisfied([*steps_in("completed"), *steps_in("skipped", position=2)])
        assert not are_satisfied([])
