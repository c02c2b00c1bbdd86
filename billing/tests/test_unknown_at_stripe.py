"""Objects that Stripe does not know: another account's, or those of recreated data."""

import datetime as dt

import pytest

from accounts.models import StaffTask
from billing import checkout, reconciliation, refunds
from billing.models import Checkout, Payment, Refund
from billing.states import RefundReason
from core.actors import SYSTEM
from core.clock import utc_now

from .factories import CheckoutFactory
from .stripe_world import StripeWorld, published

pytestmark = pytest.mark.django_db


def tasks() -> list[tuple[str, str]]:
    return list(StaffTask.objects.order_by("pk").values_list("kind", "subject"))


class TestASessionThatStripeDoesNotKnow:
    def test_ends_with_the_next_sweep_and_a_task_for_staff(self, world: StripeWorld) -> None:
        gone = CheckoutFactory(stripe_session_id="cs_gone", next_check_at=utc_now())

        checkout.check_due_checkouts(now=utc_now())

        assert Checkout.objects.get().status == "expired"
        assert tasks() == [("session_unknown", f"checkout:{gone.pk}")]
        assert published() == ["payment.checkout_expired"]

    def test_whose_end_was_wanted_is_cancelled(self, world: StripeWorld) -> None:
        gone = CheckoutFactory(stripe_session_id="cs_gone")

        checkout.cancel_checkout(checkout_id=gone.pk, now=utc_now())

        assert Checkout.objects.get().status == "cancelled"

    def test_does_not_keep_a_debit_waiting(self, world: StripeWorld) -> None:
        submitted = world.submitted()
        world.pay(submitted, card="async")
        checkout.settle_checkout(checkout_id=submitted.pk, now=utc_now())
        world.sandbox.reset()

        checkout.settle_checkout(checkout_id=submitted.pk, now=utc_now())

        assert (Checkout.objects.get().status, Payment.objects.get().status) == ("failed", "failed")
        assert published() == ["payment.pending", "payment.failed"]

    def test_leaves_a_paid_checkout_alone(self, world: StripeWorld) -> None:
        payment = world.paid()
        world.sandbox.reset()

        checkout.settle_checkout(checkout_id=payment.checkout.pk, now=utc_now())

        assert (Checkout.objects.get().status, Payment.objects.get().status, tasks()) == ("paid", "paid", [])

    @pytest.mark.sqlite
    def test_does_not_stop_reconciliation(self, world: StripeWorld) -> None:
        CheckoutFactory(stripe_session_id="cs_gone")
        world.pay(world.submitted())

        found = reconciliation.reconcile_stripe(now=utc_now())

        assert len(found.missed_event_ids) == 1
        assert Checkout.objects.filter(status="paid").count() == 1


class TestARefundThatStripeDoesNotKnow:
    def pending(self, world: StripeWorld) -> Refund:
        payment = world.paid()
        world.sandbox.faults(refunds="pending")
        refund = refunds.request_refund(
            payment_id=payment.pk, amount_minor=None, reason=RefundReason.REQUESTED, actor=SYSTEM, now=utc_now()
        )
        return refunds.submit_refund(refund_id=refund.pk, now=utc_now())

    def test_fails_with_the_next_sweep_and_a_task_for_staff(self, world: StripeWorld) -> None:
        refund = self.pending(world)
        world.sandbox.reset()

        refunds.submit_due_refunds(now=utc_now() + dt.timedelta(hours=7))

        assert Refund.objects.values_list("status", "failure_reason").get() == ("failed", "unknown_at_stripe")
        assert tasks() == [("refund_failed", f"refund:{refund.pk}")]

    def test_that_is_with_the_bank_is_asked_about_some_hours_later(self, world: StripeWorld) -> None:
        self.pending(world)
        later = utc_now() + dt.timedelta(hours=7)

        refunds.submit_due_refunds(now=later)

        assert Refund.objects.values_list("status", "next_attempt_at").get() == (
            "pending",
            later + refunds.PENDING_CHECK,
        )
