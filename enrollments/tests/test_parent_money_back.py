"""Refunds of a parent's money, against the running Stripe stand-in."""

import pytest

from billing.checkout import cancel_checkout, settle_checkout
from billing.models import Refund
from billing.refunds import request_refund, submit_refund
from billing.states import RefundReason
from core.clock import utc_now
from enrollments.lifecycle import approve_enrollment, reject_enrollment, unenroll_enrollment
from enrollments.models import Enrollment, EnrollmentDecision
from enrollments.states import ReviewMode
from enrollments.tests.factories import STAFF, InstanceFactory
from sandbox.testing import SandboxProcess

from .parents import ask_parent, fresh, pay

pytestmark = pytest.mark.django_db(transaction=True)


class TestMoneyGoingBack:
    def refund(self, decision: EnrollmentDecision, amount: int | None) -> EnrollmentDecision:
        assert decision.payment_id is not None
        refund = request_refund(
            payment_id=decision.payment_id,
            amount_minor=amount,
            reason=RefundReason.REQUESTED,
            actor=STAFF,
            now=utc_now(),
        )
        submit_refund(refund_id=refund.pk, now=utc_now())
        return fresh(decision)

    def test_in_full_ends_the_enrollment(self, stripe: SandboxProcess) -> None:
        decision = self.refund(pay(stripe, ask_parent(InstanceFactory())), None)

        enrollment = decision.enrollment
        assert decision.status == "released"
        assert (enrollment.eligibility_status, enrollment.payment_status) == ("unenrolled", "refunded")
        assert enrollment.participation_status == "withdrawn"
        assert stripe.ledger()["totals"]["usd"]["net"] == 0

    def test_in_part_changes_nothing_but_the_payment(self, stripe: SandboxProcess) -> None:
        decision = self.refund(pay(stripe, ask_parent(InstanceFactory())), 900)

        enrollment = decision.enrollment
        assert decision.status == "completed"
        assert (enrollment.eligibility_status, enrollment.payment_status) == ("approved", "partially_refunded")

    def test_follows_the_rejection_of_a_paid_enrollment(self, stripe: SandboxProcess) -> None:
        decision = pay(stripe, ask_parent(InstanceFactory(review_mode=ReviewMode.MANUAL)))

        reject_enrollment(enrollment_id=decision.enrollment_id, actor=STAFF, reason="Too young", now=utc_now())
        submit_refund(refund_id=Refund.objects.get().pk, now=utc_now())

        enrollment = Enrollment.objects.get()
        assert (enrollment.eligibility_status, enrollment.payment_status) == ("rejected", "refunded")
        assert fresh(decision).status == "released"
        assert stripe.ledger()["totals"]["usd"]["net"] == 0

    def test_does_not_follow_leaving(self, stripe: SandboxProcess) -> None:
        decision = pay(stripe, ask_parent(InstanceFactory()))

        unenroll_enrollment(enrollment_id=decision.enrollment_id, actor=STAFF, reason="Moved away", now=utc_now())

        assert Refund.objects.count() == 0
        assert Enrollment.objects.get().payment_status == "paid"


class TestRejectingBeforeThePayment:
    def test_ends_the_checkout(self, stripe: SandboxProcess) -> None:
        decision = ask_parent(InstanceFactory(review_mode=ReviewMode.MANUAL))

        reject_enrollment(enrollment_id=decision.enrollment_id, actor=STAFF, reason="Too young", now=utc_now())
        settle_checkout(checkout_id=decision.checkout_id, now=utc_now())

        assert fresh(decision).status == "cancelled"
        assert stripe.pay(decision.checkout.url).status_code == 409

    def test_refunds_a_payment_that_was_faster(self, stripe: SandboxProcess) -> None:
        decision = ask_parent(InstanceFactory(review_mode=ReviewMode.MANUAL))
        reject_enrollment(enrollment_id=decision.enrollment_id, actor=STAFF, reason="Too young", now=utc_now())
        stripe.pay(decision.checkout.url)

        cancel_checkout(checkout_id=decision.checkout_id, now=utc_now())

        refund = Refund.objects.get()
        assert (refund.reason, refund.amount_minor) == (RefundReason.NOT_NEEDED, 4900)
        assert Enrollment.objects.get().eligibility_status == "rejected"

    def test_approval_before_payment_keeps_the_checkout_open(self, stripe: SandboxProcess) -> None:
        decision = ask_parent(InstanceFactory(review_mode=ReviewMode.MANUAL))
        approve_enrollment(enrollment_id=decision.enrollment_id, actor=STAFF, now=utc_now())

        paid = pay(stripe, decision)

        assert paid.status == "completed"
        assert (paid.enrollment.eligibility_status, paid.enrollment.payment_status) == ("approved", "paid")
