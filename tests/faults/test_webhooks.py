"""Stripe's webhooks dropped, doubled, late, and in any order: the final state is what Stripe says."""

import itertools
from typing import Any

import pytest

from billing.inbox import handle_due_events
from billing.models import Checkout, Payment, Refund, StripeEvent
from billing.reconciliation import reconcile_stripe
from billing.tests.stripe_world import StripeWorld
from core.clock import utc_now
from enrollments.models import EnrollmentDecision
from enrollments.tests.factories import InstanceFactory, route
from events.models import OutboxEvent
from operations.doctor import examine
from sandbox.testing import SandboxProcess
from tests.sweeps import SOON

pytestmark = [pytest.mark.django_db(transaction=True)]


@pytest.fixture
def stripe(stripe: SandboxProcess, live_server: Any) -> SandboxProcess:
    """Stripe delivering to the web process of this test; its events are handled when the test says so."""
    stripe.send_webhooks_to(f"{live_server.url}/api/webhooks/stripe")
    return stripe


def ask_parent() -> Checkout:
    route(InstanceFactory().workspace, tenant_id=None, guardian_id="guardian_456")
    return Checkout.objects.get()


def handle_all() -> None:
    handle_due_events(now=utc_now() + SOON)


def refund_at_stripe(stripe: SandboxProcess) -> None:
    """Refund it in full, as somebody in Stripe's dashboard."""
    (payment,) = stripe.ledger()["payments"]
    StripeWorld(stripe).client.v1.refunds.create({"payment_intent": payment["id"]})


def facts() -> tuple[str, ...]:
    decision = EnrollmentDecision.objects.select_related("enrollment", "checkout").get()
    assert decision.checkout is not None
    enrollment = decision.enrollment
    return decision.status, decision.checkout.status, enrollment.payment_status, enrollment.eligibility_status


PAID = ("completed", "paid", "paid", "approved")
REFUNDED = ("released", "paid", "refunded", "unenrolled")


class TestAWebhook:
    @pytest.mark.parametrize(
        "fault",
        [
            {"value": "duplicate", "copies": 3},
            {"value": "late", "delay_ms": 300},
            {"value": "shuffle", "delay_ms": 300},
        ],
        ids=lambda fault: fault["value"],
    )
    def test_has_one_effect_however_it_comes(self, stripe: SandboxProcess, fault: dict[str, Any]) -> None:
        checkout = ask_parent()
        stripe.faults(webhooks=fault)
        stripe.pay(checkout.url)
        refund_at_stripe(stripe)

        stripe.wait_for_deliveries()
        handle_all()

        assert facts() == REFUNDED
        assert (Payment.objects.get().status, Refund.objects.get().status) == ("refunded", "succeeded")
        told = OutboxEvent.objects.filter(type__startswith="payment.").order_by("id")
        assert list(told.values_list("type", flat=True)) == ["payment.succeeded", "payment.refunded"]
        assert examine(now=utc_now() + SOON) == {}

    def test_that_never_comes_is_found_by_reconciliation(self, stripe: SandboxProcess) -> None:
        checkout = ask_parent()
        stripe.faults(webhooks="drop")
        stripe.pay(checkout.url)
        handle_all()
        assert facts() == ("checkout_required", "open", "pending", "submitted")  # control: nobody told us

        found = reconcile_stripe(now=utc_now())

        completed = StripeEvent.objects.get(type="checkout.session.completed")
        assert completed.event_id in found.missed_event_ids
        assert completed.source == "reconciliation"
        assert facts() == PAID
        assert examine() == {}

    def test_that_comes_after_reconciliation_changes_nothing(self, stripe: SandboxProcess) -> None:
        checkout = ask_parent()
        stripe.faults(webhooks="hold")
        stripe.pay(checkout.url)
        reconcile_stripe(now=utc_now())
        events = OutboxEvent.objects.count()

        answers = [delivery["status"] for delivery in stripe.flush()]
        handle_all()

        assert set(answers) == {200}
        assert facts() == PAID
        assert OutboxEvent.objects.count() == events

    def test_for_a_refund_that_never_comes_is_found_too(self, stripe: SandboxProcess) -> None:
        checkout = ask_parent()
        stripe.faults(webhooks="drop")
        stripe.pay(checkout.url)
        refund_at_stripe(stripe)

        reconcile_stripe(now=utc_now())
        reconcile_stripe(now=utc_now())

        assert facts() == REFUNDED
        assert Refund.objects.get().reason == "outside"
        assert examine() == {}


TYPES = ("checkout.session.completed", "refund.created", "charge.refunded")
# Forward and backward: any two of them come in both orders.
BOTH_WAYS = (TYPES, TYPES[::-1])


class TestTheEventsOfAPaymentAndItsRefund:
    @pytest.mark.parametrize(
        "order",
        [
            pytest.param(order, marks=() if order in BOTH_WAYS else pytest.mark.walk, id=" ".join(order))
            for order in itertools.permutations(TYPES)
        ],
    )
    def test_lead_to_the_same_end_in_every_order(self, stripe: SandboxProcess, order: tuple[str, ...]) -> None:
        checkout = ask_parent()
        stripe.faults(webhooks="hold")
        stripe.pay(checkout.url)
        refund_at_stripe(stripe)
        ids = {event["type"]: event["id"] for event in StripeWorld(stripe).events(*TYPES)}

        stripe.flush(order=[ids[name] for name in order])
        handle_all()

        received = StripeEvent.objects.filter(type__in=TYPES).order_by("id").values_list("type", flat=True)
        assert list(received) == [*order]
        assert facts() == REFUNDED
        assert Payment.objects.get().refunded_minor == 4900
        told = OutboxEvent.objects.filter(type__startswith="payment.").order_by("id")
        assert list(told.values_list("type", flat=True)) == ["payment.succeeded", "payment.refunded"]
        assert examine() == {}
