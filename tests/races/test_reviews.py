"""Two people, or a person and a payment, deciding about one enrollment at the same moment."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from billing.checkout import settle_checkout
from billing.models import Payment, Refund
from billing.refunds import submit_due_refunds
from core.clock import utc_now
from enrollments import lifecycle
from enrollments.lifecycle import (
    approve_enrollment,
    evaluate_enrollment,
    reject_enrollment,
    submit_enrollment,
    unenroll_enrollment,
)
from enrollments.models import DistrictSeatAllocation, Enrollment, EnrollmentTransition, SeatAssignment
from enrollments.states import ReviewMode
from enrollments.tests.factories import STAFF, CandidateFactory, InstanceFactory, route, seats
from events.models import OutboxEvent
from operations.doctor import examine
from sandbox.testing import SandboxProcess
from tests.constraints import without_constraints
from tests.processes import Failure, Meeting, at_once
from tests.races.unguarded import save_enrollments_in_any_state
from tests.sweeps import SOON

from .attempts import four_times_in_walks

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]


def submitted(*, tenant_id: int | None = 1) -> Enrollment:
    """Create an enrollment that awaits review, with a reserved seat."""
    instance = InstanceFactory(review_mode=ReviewMode.MANUAL)
    if tenant_id is not None:
        seats(instance.workspace, total=1)
    return route(instance.workspace, tenant_id=tenant_id, guardian_id="guardian_456").decision.enrollment


def submitted_without_seat() -> Enrollment:
    enrollment = CandidateFactory(instance__review_mode=ReviewMode.MANUAL)
    evaluate_enrollment(enrollment_id=enrollment.pk, actor=STAFF, now=utc_now())
    return submit_enrollment(enrollment_id=enrollment.pk, actor=STAFF, now=utc_now())


def decide(use_case: Callable[..., Enrollment], enrollment: Enrollment) -> str:
    """Carry out the decision; return the resulting status."""
    return str(use_case(enrollment_id=enrollment.pk, actor=STAFF, reason="Decided", now=utc_now()).eligibility_status)


def outcomes(answers: list[Any]) -> list[str]:
    return sorted(answer.kind if isinstance(answer, Failure) else answer for answer in answers)


class TestApprovalAgainstRejection:
    @four_times_in_walks
    def test_has_one_winner_and_refuses_the_other(self, attempt: int) -> None:
        enrollment = submitted()
        rivals = [approve_enrollment, reject_enrollment]

        answers = at_once(*[partial(decide, use_case, enrollment) for use_case in rivals])

        status = Enrollment.objects.get().eligibility_status
        assert outcomes(answers) == ["TransitionNotAllowed", status]
        assert SeatAssignment.objects.get().status == {"approved": "used", "rejected": "released"}[status]
        assert EnrollmentTransition.objects.filter(from_status="submitted").count() == 1
        assert examine() == {}

    def test_without_the_lock_is_decided_by_the_conditional_save(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: both read the enrollment as submitted. The second one to save is told so."""
        enrollment = submitted_without_seat()
        read_without_lock(monkeypatch)

        answers = at_once(
            partial(decide, approve_enrollment, enrollment), partial(decide, reject_enrollment, enrollment)
        )

        assert outcomes(answers) == ["StatusMoved", Enrollment.objects.get().eligibility_status]

    def test_without_any_guard_would_be_decided_twice(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: neither lock nor conditional save nor unique numbers."""
        save_enrollments_in_any_state(monkeypatch)
        with without_constraints(
            (EnrollmentTransition, "transition_number_unique"), (OutboxEvent, "outbox_sequence_unique")
        ):
            enrollment = submitted_without_seat()
            read_without_lock(monkeypatch)

            answers = at_once(
                partial(decide, approve_enrollment, enrollment), partial(decide, reject_enrollment, enrollment)
            )

            assert outcomes(answers) == ["approved", "rejected"]
            assert "enrollments.transitions_have_no_gaps" in examine()


class TestApprovalAgainstLeaving:
    @four_times_in_walks
    def test_ends_in_the_order_in_which_they_came(self, attempt: int) -> None:
        enrollment = submitted()

        answers = at_once(
            partial(decide, approve_enrollment, enrollment), partial(decide, unenroll_enrollment, enrollment)
        )

        status = Enrollment.objects.get().eligibility_status
        assert outcomes(answers) in (["TransitionNotAllowed", "approved"], ["approved", "unenrolled"])
        assert status == ("unenrolled" if "unenrolled" in outcomes(answers) else "approved")
        assert DistrictSeatAllocation.objects.get().used_seats == (1 if status == "approved" else 0)
        assert examine() == {}


class TestTwoWithdrawals:
    def test_free_the_seat_once(self) -> None:
        enrollment = submitted()
        decide(approve_enrollment, enrollment)

        answers = at_once(*[partial(decide, unenroll_enrollment, enrollment)] * 3)

        allocation = DistrictSeatAllocation.objects.get()
        assert outcomes(answers) == ["TransitionNotAllowed", "TransitionNotAllowed", "unenrolled"]
        assert (allocation.used_seats, allocation.available_seats) == (0, 1)
        assert OutboxEvent.objects.filter(type="seat.released").count() == 1
        assert examine() == {}


class TestRejectionAgainstPayment:
    @four_times_in_walks
    def test_sends_the_money_back_whoever_was_first(self, stripe: SandboxProcess, attempt: int) -> None:
        enrollment = submitted(tenant_id=None)
        checkout = enrollment.decisions.get().checkout
        assert checkout is not None
        stripe.pay(checkout.url)

        answers = at_once(
            partial(decide, reject_enrollment, enrollment),
            lambda: settle_checkout(checkout_id=checkout.pk, now=utc_now()).status,
        )
        submit_due_refunds(now=utc_now() + SOON)

        assert answers == ["rejected", "paid"]
        assert [refund.status for refund in Refund.objects.all()] == ["succeeded"]
        assert Payment.objects.get().status == "refunded"
        assert Enrollment.objects.get().eligibility_status == "rejected"
        assert stripe.ledger()["totals"]["usd"]["net"] == 0
        assert examine() == {}


def read_without_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let both rivals read the enrollment before either changes it."""

    def read(enrollment_id: int) -> tuple[Enrollment, None]:
        return Enrollment.objects.select_related("instance").get(pk=enrollment_id), None

    both_read = Meeting(read)
    monkeypatch.setattr(lifecycle, "lock_enrollment_with_seat", both_read)
    monkeypatch.setattr(lifecycle, "lock_to_end", both_read)
