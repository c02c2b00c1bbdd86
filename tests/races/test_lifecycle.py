"""Eight people and programs that decide about one enrollment at the same moment: one of them wins, the others read why
they did not, and there is one transition and one event. Without the guards, two would win.
"""

from collections.abc import Callable
from functools import partial
from itertools import chain
from typing import Any

import pytest

from core.clock import utc_now
from core.errors import DomainError
from enrollments import deletion, lifecycle
from enrollments.deletion import delete_enrollment
from enrollments.exit import carry_out_due_exits, plan_exit
from enrollments.lifecycle import (
    approve_enrollment,
    evaluate_enrollment,
    reject_enrollment,
    submit_enrollment,
    unenroll_enrollment,
)
from enrollments.models import DistrictSeatAllocation, Enrollment, EnrollmentTransition, PlannedExit
from enrollments.states import ReviewMode
from enrollments.tests.factories import STAFF, CandidateFactory, InstanceFactory, approved_enrollment, route, seats
from events.models import OutboxEvent
from operations.doctor import examine
from tests.constraints import without_constraints
from tests.processes import Meeting, at_once
from tests.races.unguarded import save_enrollments_in_any_state
from tests.sweeps import SOON

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

EACH = 4
UNGUARDED = ((EnrollmentTransition, "transition_number_unique"), (OutboxEvent, "outbox_sequence_unique"))
Decide = Callable[..., Enrollment]


def turn_down(**given: Any) -> Enrollment:
    return evaluate_enrollment(is_eligible=False, **given)


def delete(*, reason: str, **given: Any) -> Enrollment:
    return delete_enrollment(note=reason, **given)


def candidate() -> Enrollment:
    made: Enrollment = CandidateFactory(instance__review_mode=ReviewMode.MANUAL)
    return made


def eligible() -> Enrollment:
    return evaluate_enrollment(enrollment_id=candidate().pk, actor=STAFF, now=utc_now())


def submitted() -> Enrollment:
    return submit_enrollment(enrollment_id=eligible().pk, actor=STAFF, now=utc_now())


def submitted_with_a_seat() -> Enrollment:
    instance = InstanceFactory(review_mode=ReviewMode.MANUAL)
    seats(instance.workspace, total=1)
    return route(instance.workspace).decision.enrollment


def approved() -> Enrollment:
    return approved_enrollment(candidate())


def attempt(use_case: Decide, enrollment: Enrollment, expected: str | None = None) -> str:
    """Return "won", or the code of the refusal."""
    try:
        use_case(enrollment_id=enrollment.pk, actor=STAFF, reason="Decided", expected_status=expected, now=utc_now())
    except DomainError as refusal:
        return refusal.code
    return "won"


def compete(enrollment: Enrollment, *use_cases: Decide, expected: str | None = None) -> list[list[str]]:
    """Return what each of eight got, by use case."""
    each = 2 * EACH // len(use_cases)
    calls = [partial(attempt, use_case, enrollment, expected) for use_case in use_cases for _ in range(each)]
    answers = at_once(*calls)
    return [answers[start : start + each] for start in range(0, len(answers), each)]


def changes(**found: str) -> tuple[int, int]:
    """Return the transitions of this kind, and the events about them."""
    keys = {"from_status": "fromStatus", "to_status": "toStatus"}
    payload = {f"payload__{keys[name]}": value for name, value in found.items()}
    return (
        EnrollmentTransition.objects.filter(facet="eligibility", **found).count(),
        OutboxEvent.objects.filter(type="enrollment.status_changed", payload__facet="eligibility", **payload).count(),
    )


class TestEightAtOnce:
    @pytest.mark.parametrize(
        ("start", "rivals"),
        [
            (submitted_with_a_seat, (approve_enrollment, reject_enrollment)),
            (submitted, (approve_enrollment,)),
            (eligible, (turn_down, submit_enrollment)),
            (approved, (unenroll_enrollment,)),
        ],
        ids=["approve_against_reject", "approve_twice", "evaluate_against_submit", "unenroll_twice"],
    )
    def test_have_one_winner_one_transition_and_one_event(
        self, start: Callable[[], Enrollment], rivals: tuple[Decide, ...]
    ) -> None:
        enrollment = start()

        answers = [*chain(*compete(enrollment, *rivals))]

        assert sorted(answers) == ["transition_not_allowed"] * 7 + ["won"]
        assert changes(from_status=str(enrollment.eligibility_status)) == (1, 1)
        assert examine() == {}

    def test_approve_and_unenroll_in_the_order_in_which_they_came(self) -> None:
        enrollment = submitted_with_a_seat()

        approvals, exits = compete(enrollment, approve_enrollment, unenroll_enrollment)

        left = exits.count("won")
        assert approvals.count("won") == 1
        assert left in (0, 1)
        assert (changes(to_status="approved"), changes(to_status="unenrolled")) == ((1, 1), (left, left))
        assert DistrictSeatAllocation.objects.get().used_seats == 1 - left
        assert examine() == {}

    def test_delete_or_approve_what_they_saw_in_review(self) -> None:
        enrollment = submitted_with_a_seat()

        deletions, approvals = compete(enrollment, delete, approve_enrollment, expected="submitted")

        is_deleted = Enrollment.objects.get(pk=enrollment.pk).deleted_at is not None
        assert (deletions.count("won"), approvals.count("won")) == ((1, 0) if is_deleted else (0, 1))
        assert set(deletions + approvals) == {"won", "not_found" if is_deleted else "status_moved"}
        assert OutboxEvent.objects.filter(type="enrollment.deleted").count() == int(is_deleted)
        assert DistrictSeatAllocation.objects.get().used_seats == int(not is_deleted)
        assert examine() == {}

    def test_delete_it_once(self) -> None:
        enrollment = approved()

        (answers,) = compete(enrollment, delete)

        assert sorted(answers) == ["not_found"] * 7 + ["won"]
        assert OutboxEvent.objects.filter(type="enrollment.deleted").count() == 1
        assert changes(to_status="unenrolled") == (1, 1)
        assert examine() == {}

    def test_carry_out_a_planned_exit_once(self) -> None:
        enrollment = approved()
        day = utc_now().date().replace(year=2100)
        plan_exit(enrollment_id=enrollment.pk, effective_date=day, reason="Moves", actor=STAFF, now=utc_now())
        PlannedExit.objects.update(effective_date=utc_now().date().replace(year=2020))

        at_once(
            *[lambda: carry_out_due_exits(now=utc_now() + SOON)] * EACH, *[partial(attempt, delete, enrollment)] * EACH
        )

        assert changes(to_status="unenrolled") == (1, 1)
        assert PlannedExit.objects.get().status in ("carried_out", "overtaken")
        assert Enrollment.objects.get().deleted_at is not None
        assert examine() == {}


class TestTwoAtOnceWithoutGuards:
    """Controls: neither lock nor conditional save nor unique numbers. Both read it before either changed it."""

    @pytest.mark.parametrize(
        ("start", "rivals"),
        [
            (submitted, (approve_enrollment, reject_enrollment)),
            (submitted, (approve_enrollment, approve_enrollment)),
            (eligible, (turn_down, submit_enrollment)),
            (approved, (unenroll_enrollment, unenroll_enrollment)),
            (submitted, (delete, approve_enrollment)),
        ],
        ids=[
            "approve_against_reject",
            "approve_twice",
            "evaluate_against_submit",
            "unenroll_twice",
            "delete_against_approve",
        ],
    )
    def test_would_both_win(
        self, start: Callable[[], Enrollment], rivals: tuple[Decide, Decide], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with without_constraints(*UNGUARDED):
            enrollment = start()
            save_enrollments_in_any_state(monkeypatch)
            read_without_lock(monkeypatch)

            answers = at_once(*[partial(attempt, use_case, enrollment) for use_case in rivals])

            assert answers == ["won", "won"]
            assert "enrollments.transitions_have_no_gaps" in examine()

    def test_are_stopped_by_the_conditional_save_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        enrollment = submitted()
        read_without_lock(monkeypatch)

        answers = at_once(*[partial(attempt, use_case, enrollment) for use_case in (delete, approve_enrollment)])

        assert sorted(answers) == ["status_moved", "won"]


class TestAnApprovalThatComesAfterTheExit:
    """A reviewer read it in review; before they approve it, somebody else approved it and the learner left again."""

    def test_is_refused(self) -> None:
        enrollment = submitted()

        answers = self.race(enrollment)

        assert answers == ["status_moved", "won"]
        assert Enrollment.objects.get().eligibility_status == "unenrolled"
        assert (changes(to_status="approved"), changes(to_status="unenrolled")) == ((1, 1), (1, 1))
        assert examine() == {}

    def test_without_guards_would_bring_it_back(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: neither the conditional save nor unique numbers."""
        with without_constraints(*UNGUARDED):
            enrollment = submitted()
            save_enrollments_in_any_state(monkeypatch)

            answers = self.race(enrollment)

            assert answers == ["won", "won"]
            assert Enrollment.objects.get().eligibility_status == "approved"
            assert "enrollments.transitions_have_no_gaps" in examine()

    @staticmethod
    def race(enrollment: Enrollment) -> list[str]:
        has_read, has_left = Meeting(lambda: None), Meeting(lambda: None)

        def read_early(pk: int) -> tuple[Enrollment, None]:
            read = Enrollment.objects.select_related("instance").get(pk=pk)
            has_read()
            has_left()
            return read, None

        def approve_late() -> str:
            vars(lifecycle)["lock_enrollment_with_seat"] = read_early  # in this process only
            return attempt(approve_enrollment, enrollment)

        def approve_and_leave() -> str:
            has_read()
            answers = {attempt(approve_enrollment, enrollment), attempt(unenroll_enrollment, enrollment)}
            has_left()
            return " and ".join(answers)

        return at_once(approve_late, approve_and_leave)


def read_without_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let both rivals read the enrollment before either changes it."""
    meeting = Meeting(lambda pk: Enrollment.objects.select_related("instance").get(pk=pk))

    def read_with_seat(pk: int) -> tuple[Enrollment, None]:
        return meeting(pk), None

    monkeypatch.setattr(lifecycle, "lock_enrollment", meeting)
    for module, name in (
        (lifecycle, "lock_enrollment_with_seat"),
        (lifecycle, "lock_to_end"),
        (deletion, "lock_to_end"),
    ):
        monkeypatch.setattr(module, name, read_with_seat)
