"""Webhooks over real HTTP, as the sandbox sends them on good and on bad days."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest

from billing import inbox
from billing.models import Payment, StripeEvent
from billing.reconciliation import reconcile_stripe
from core.clock import utc_now

from .stripe_world import StripeWorld, published

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def listening(world: StripeWorld, live_server: Any) -> Iterator[StripeWorld]:
    world.sandbox.send_webhooks_to(f"{live_server.url}/api/webhooks/stripe")
    yield world
    world.sandbox.send_webhooks_to("")


class TestWebhooks:
    @pytest.mark.parametrize(
        "weather",
        ["normal", "duplicate", "shuffle", {"value": "late", "delay_ms": 200}, {"value": "duplicate", "copies": 5}],
        ids=["normal", "duplicated", "shuffled", "late", "five times"],
    )
    def test_that_arrive_are_all_accepted_and_have_one_effect(self, listening: StripeWorld, weather: Any) -> None:
        listening.sandbox.faults(webhooks=weather)
        submitted = listening.submitted()
        listening.pay(submitted)
        (paid,) = listening.sandbox.ledger()["payments"]
        listening.client.v1.refunds.create({"payment_intent": paid["id"], "amount": 900})

        deliveries = listening.sandbox.wait_for_deliveries()
        inbox.handle_due_events(now=utc_now() + dt.timedelta(minutes=1))

        assert {delivery["status"] for delivery in deliveries} == {200}
        assert StripeEvent.objects.count() == len({delivery["event"] for delivery in deliveries})
        assert Payment.objects.values_list("status", "refunded_minor").get() == ("partially_refunded", 900)
        assert published() == ["payment.succeeded", "payment.refunded"]

    def test_that_are_dropped_are_found_by_reconciliation(self, listening: StripeWorld) -> None:
        listening.sandbox.faults(webhooks="drop")
        listening.pay(listening.submitted())
        listening.sandbox.wait_for_deliveries()
        before = StripeEvent.objects.count()

        reconcile_stripe(now=utc_now())

        assert before == 0
        assert Payment.objects.get().status == "paid"
