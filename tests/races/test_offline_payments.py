"""Money from outside of Stripe, racing with everything else that decides about the enrollment it pays for. Each race
has one outcome, and money and enrollment agree.
"""

import datetime as dt
from collections.abc import Callable
from functools import partial
from typing import Any

import httpx
import pytest

from accounts.models import StaffTask
from accounts.tests.factories import LearnerFactory
from billing.checkout import settle_checkout
from billing.models import Checkout, Invoice, Payment, Refund
from billing.offline import Proof, reverse_offline_payment
from billing.refunds import request_refund, submit_refund
from billing.states import OfflineMeans, PaymentStatus, RefundReason
from core.clock import utc_now
from enrollments import offline
from enrollments.deletion import delete_enrollment
from enrollments.expiry import expire_enrollments
from enrollments.models import Enrollment, EnrollmentTransition, ProgramInstance
from enrollments.offline import pay_offline
from enrollments.on_account import enroll_on_account
from enrollments.tests.factories import STAFF, InstanceFactory
from enrollments.tests.parents import ask_parent
from events.models import OutboxEvent
from operations.doctor import examine
from sandbox.testing import SandboxProcess
from tests.constraints import without_constraints
from tests.ledger import net
from tests.processes import Failure, Meeting, at_once
from tests.races.unguarded import save_enrollments_in_any_state
from tests.sweeps import SOON, sweep

from .attempts import four_times_in_walks

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

LONG_AGO = dt.date(2020, 1, 31)


def on_account() -> Enrollment:
    """Create a learner who takes part, with the payment pending."""
    course = InstanceFactory()
    LearnerFactory(workspace=course.workspace, external_id="user-1")
    return enroll_on_account(
        workspace_id=course.workspace_id, course_id=course.pk, user_id="user-1", actor=STAFF, now=utc_now()
    )


def pay(enrollment_id: int) -> str:
    pay_offline(enrollment_id=enrollment_id, proof=Proof(OfflineMeans.CASH, STAFF), now=utc_now())
    return "recorded"


def reverse(payment_id: int) -> str:
    reverse_offline_payment(payment_id=payment_id, is_returned=False, note="Bounced", actor=STAFF, now=utc_now())
    return "reversed"


def end_by_sweep() -> str:
    batch = expire_enrollments(limit=10, now=utc_now())
    return f"completed {len(batch.completed) if batch else 0}"


def delete(enrollment_id: int) -> str:
    delete_enrollment(enrollment_id=enrollment_id, actor=STAFF, now=utc_now())
    return "deleted"


def outcomes(answers: list[Any]) -> list[str]:
    return [answer.kind if isinstance(answer, Failure) else answer for answer in answers]


def standing() -> tuple[str, str, str]:
    enrollment = Enrollment.objects.get()
    return enrollment.eligibility_status, enrollment.participation_status, enrollment.payment_status


def counting() -> list[tuple[str, int]]:
    """Return the payments that still count, each with the amount invoiced for it."""
    here = Payment.objects.exclude(status=PaymentStatus.REFUNDED).order_by("pk")
    return [(payment.method, sum(row.amount_minor for row in payment.invoices.all())) for payment in here]


def examine_later() -> dict[str, Any]:
    """Return what the doctor says once money has had time to settle."""
    return examine(now=utc_now() + SOON)


class TestPaidTwiceAtOnce:
    @four_times_in_walks
    def test_counts_once_and_has_one_invoice(self, attempt: int) -> None:
        enrollment = on_account()

        answers = at_once(*[partial(pay, enrollment.pk)] * 4)

        assert sorted(outcomes(answers)) == ["AlreadyPaid"] * 3 + ["recorded"]
        assert standing() == ("approved", "active", "paid")
        assert counting() == [("offline", 4900)]
        assert OutboxEvent.objects.filter(type="payment.succeeded").count() == 1
        assert examine_later() == {}

    def test_without_the_lock_is_decided_by_the_conditional_save(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: both read the payment as pending. The second one to save is told so."""
        enrollment = on_account()
        meet_unlocked(monkeypatch)

        answers = at_once(*[partial(pay, enrollment.pk)] * 2)

        assert sorted(outcomes(answers)) == ["StatusMoved", "recorded"]
        assert counting() == [("offline", 4900)]

    def test_without_any_guard_would_count_twice(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: neither lock nor conditional save nor unique index."""
        save_enrollments_in_any_state(monkeypatch)
        with without_constraints(
            (EnrollmentTransition, "transition_number_unique"),
            (OutboxEvent, "outbox_sequence_unique"),
            (Payment, "payment_one_offline_per_subject"),
        ):
            enrollment = on_account()
            meet_unlocked(monkeypatch)

            answers = at_once(*[partial(pay, enrollment.pk)] * 2)

            assert outcomes(answers) == ["recorded", "recorded"]
            assert counting() == [("offline", 4900)] * 2


class TestPaidAgainstStripe:
    @four_times_in_walks
    def test_takes_money_in_one_of_the_two_ways(self, stripe: SandboxProcess, attempt: int) -> None:
        decision = ask_parent(InstanceFactory())
        checkout = Checkout.objects.get(pk=decision.checkout_id)

        _, office = at_once(partial(press_pay, checkout.url), partial(pay, decision.enrollment_id))
        settle_checkout(checkout_id=checkout.pk, now=utc_now())
        sweep()

        at_stripe = net(stripe)
        assert (at_stripe, outcomes([office])) in [(4900, ["AlreadyPaid"]), (0, ["recorded"])]
        assert counting() == [("stripe" if at_stripe else "offline", 4900)]
        assert standing() == ("approved", "active", "paid")
        assert not Refund.objects.exists()
        assert examine_later() == {}

    def test_would_take_it_twice_if_the_checkout_were_not_ended_first(
        self, stripe: SandboxProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Control: the payer's card is charged, too. Refunding it as a duplicate is the last resort."""
        decision = ask_parent(InstanceFactory())
        checkout = Checkout.objects.get(pk=decision.checkout_id)
        monkeypatch.setattr(offline, "list_live_checkouts", lambda enrollment_id, now: [])

        answers = at_once(partial(pay, decision.enrollment_id))
        press_pay(checkout.url)
        settle_checkout(checkout_id=checkout.pk, now=utc_now())
        sweep()

        assert outcomes(answers) == ["recorded"]
        assert [(each["captured"], each["refunded"]) for each in stripe.ledger()["payments"]] == [(4900, 4900)]
        assert Refund.objects.get().reason == RefundReason.DUPLICATE
        assert counting() == [("offline", 4900)]
        assert examine_later() == {}


class TestPaidAgainstARefundAtStripe:
    @four_times_in_walks
    def test_is_refused_whichever_comes_first(self, stripe: SandboxProcess, attempt: int) -> None:
        """A full refund ends what was paid for, so there is never a moment in which to pay again."""
        decision = ask_parent(InstanceFactory())
        checkout = Checkout.objects.get(pk=decision.checkout_id)
        press_pay(checkout.url)
        settle_checkout(checkout_id=checkout.pk, now=utc_now())
        refund = request_refund(
            payment_id=Payment.objects.get().pk,
            amount_minor=None,
            reason=RefundReason.REQUESTED,
            actor=STAFF,
            now=utc_now(),
        )

        answers = at_once(partial(submit, refund.pk), partial(pay, decision.enrollment_id))
        sweep()

        assert outcomes(answers) == ["succeeded", "AlreadyPaid"]
        assert standing() == ("unenrolled", "withdrawn", "refunded")
        assert (counting(), net(stripe)) == ([], 0)
        assert examine_later() == {}


class TestPaidAgainstAReversal:
    @four_times_in_walks
    def test_is_recorded_only_after_it(self, attempt: int) -> None:
        enrollment = on_account()
        pay(enrollment.pk)
        first = Payment.objects.get()

        undone, again = outcomes(at_once(partial(reverse, first.pk), partial(pay, enrollment.pk)))

        assert (undone, again) in [("reversed", "AlreadyPaid"), ("reversed", "recorded")]
        assert standing() == ("approved", "active", "paid" if again == "recorded" else "pending")
        assert counting() == ([("offline", 4900)] if again == "recorded" else [])
        assert examine_later() == {}

    @four_times_in_walks
    def test_is_corrected_once_by_two_reversals(self, attempt: int) -> None:
        enrollment = on_account()
        pay(enrollment.pk)

        answers = at_once(*[partial(reverse, Payment.objects.get().pk)] * 2)

        assert sorted(outcomes(answers)) == ["PaymentNotRefundable", "reversed"]
        assert list(Invoice.objects.order_by("pk").values_list("amount_minor", flat=True)) == [4900, -4900]
        assert standing() == ("approved", "active", "pending")
        assert examine_later() == {}

    def test_without_the_lock_two_reversals_would_both_be_written(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: both find the payment counting. The refunds then exceed the payment."""
        enrollment = on_account()
        pay(enrollment.pk)
        payment = Payment.objects.get()

        def read_unlocked(payment_id: int) -> Payment:
            return Payment.objects.get(pk=payment_id)

        monkeypatch.setattr("billing.offline.lock_payment_with_subject", Meeting(read_unlocked))
        monkeypatch.setattr("billing.offline.recount_payment", lambda payment, now: None)

        answers = at_once(*[partial(reverse, payment.pk)] * 2)

        assert outcomes(answers) == ["reversed", "reversed"]
        assert "billing.refunds_fit_their_payment" in examine_later()


class TestPaidAgainstTheEndOfTheCourse:
    @four_times_in_walks
    def test_is_recorded_before_it_or_refused(self, attempt: int) -> None:
        enrollment = on_account()
        ProgramInstance.objects.update(end_date=LONG_AGO)

        paid, swept = outcomes(at_once(partial(pay, enrollment.pk), end_by_sweep))
        end_by_sweep()

        assert paid in ("recorded", "EnrollmentOver")
        assert swept in ("completed 1", "completed 0")  # a row that somebody has locked is left for the next batch
        assert standing() == ("approved", "completed", "paid" if paid == "recorded" else "pending")
        assert counting() == ([("offline", 4900)] if paid == "recorded" else [])
        assert EnrollmentTransition.objects.filter(to_status="completed").count() == 1
        assert examine_later() == {}

    def test_without_the_lock_is_refused_by_the_conditional_save(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: an enrollment read as active has ended by the time it is saved."""
        enrollment = on_account()
        ProgramInstance.objects.update(end_date=LONG_AGO)
        read_before(monkeypatch, end_by_sweep)

        answers = at_once(partial(pay, enrollment.pk))

        assert outcomes(answers) == ["StatusMoved"]
        assert counting() == []

    def test_without_any_guard_would_revive_an_ended_enrollment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: neither lock nor conditional save nor unique numbers."""
        save_enrollments_in_any_state(monkeypatch)
        with without_constraints(
            (EnrollmentTransition, "transition_number_unique"), (OutboxEvent, "outbox_sequence_unique")
        ):
            enrollment = on_account()
            ProgramInstance.objects.update(end_date=LONG_AGO)
            read_before(monkeypatch, end_by_sweep)

            answers = at_once(partial(pay, enrollment.pk))

            assert outcomes(answers) == ["recorded"]
            assert "enrollments.transitions_have_no_gaps" in examine_later()


class TestPaidAgainstDeletion:
    @four_times_in_walks
    def test_raises_a_staff_task_or_is_refused(self, attempt: int) -> None:
        enrollment = on_account()

        paid, deleted = outcomes(at_once(partial(pay, enrollment.pk), partial(delete, enrollment.pk)))

        assert (paid, deleted) in [("recorded", "deleted"), ("NotFound", "deleted")]
        assert standing() == ("unenrolled", "withdrawn", "paid" if paid == "recorded" else "pending")
        assert counting() == ([("offline", 4900)] if paid == "recorded" else [])
        to_decide = [f"payment:{payment.pk}" for payment in Payment.objects.all()]
        assert list(StaffTask.objects.values_list("subject", flat=True)) == to_decide
        assert examine_later() == {}

    def test_without_any_guard_would_take_money_for_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: neither lock nor conditional save nor unique numbers. Nobody is asked what to refund."""
        save_enrollments_in_any_state(monkeypatch)
        with without_constraints(
            (EnrollmentTransition, "transition_number_unique"), (OutboxEvent, "outbox_sequence_unique")
        ):
            enrollment = on_account()
            read_before(monkeypatch, partial(delete, enrollment.pk))

            answers = at_once(partial(pay, enrollment.pk))

            assert outcomes(answers) == ["recorded"]
            assert Enrollment.objects.get().deleted_at is not None
            assert counting() == [("offline", 4900)]
            assert not StaffTask.objects.exists()
            assert "enrollments.offline_payments_are_at_work" in examine_later()


def press_pay(url: str) -> int:
    return httpx.post(f"{url}/pay", data={"card": "ok"}, trust_env=False).status_code


def submit(refund_id: int) -> str:
    return str(submit_refund(refund_id=refund_id, now=utc_now()).status)


def read_unlocked(enrollment_id: int) -> tuple[Enrollment, None]:
    return Enrollment.objects.select_related("instance").get(pk=enrollment_id), None


def meet_unlocked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let two callers read the enrollment without its lock before either continues."""
    monkeypatch.setattr(offline, "lock_enrollment_with_seat", Meeting(read_unlocked))


def read_before(monkeypatch: pytest.MonkeyPatch, rival: Callable[[], object]) -> None:
    """Let the payer read the enrollment without its lock, and a rival change it before the payment is recorded."""

    def read(enrollment_id: int) -> tuple[Enrollment, None]:
        found = read_unlocked(enrollment_id)
        rival()
        return found

    monkeypatch.setattr(offline, "lock_enrollment_with_seat", read)
