"""Stripe, the clock, and people racing for one checkout. Our books must say what Stripe's say."""

import datetime as dt
from functools import partial
from typing import Any

import httpx
import pytest

from billing import refunds as billing_refunds
from billing.checkout import check_due_checkouts, settle, settle_checkout
from billing.inbox import handle_due_events, handle_event
from billing.models import Checkout, Payment, Refund, StripeEvent
from billing.refunds import request_refund, submit_due_refunds
from billing.states import RefundReason
from core.clock import utc_now
from enrollments.models import EnrollmentDecision
from enrollments.routing.decision import cancel_decision
from enrollments.tests.factories import STAFF, InstanceFactory, route
from events.models import OutboxEvent
from operations.doctor import examine
from sandbox.testing import SandboxProcess, wait_until
from tests.processes import Failure, at_once
from tests.sweeps import SOON

from .attempts import four_times_in_walks

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]


def ask_parent(instance: Any, email: str = "jane@school.test") -> EnrollmentDecision:
    return route(instance.workspace, tenant_id=None, guardian_id="guardian_456", email=email).decision


def facts(decision: EnrollmentDecision) -> tuple[str, str, str]:
    """Return how the decision, checkout, and enrollment ended."""
    now = EnrollmentDecision.objects.select_related("checkout", "enrollment").get(pk=decision.pk)
    assert now.checkout is not None
    return now.status, now.checkout.status, now.enrollment.payment_status


def captured(stripe: SandboxProcess) -> int:
    totals = stripe.ledger()["totals"]
    return int(totals["usd"]["captured"]) if totals else 0


def press_pay(url: str) -> int:
    """Pay from a process of its own, and so over a connection of its own."""
    return httpx.post(f"{url}/pay", data={"card": "ok"}, trust_env=False).status_code


def pass_a_day(stripe: SandboxProcess) -> int:
    """Do the same for the sandbox's clock."""
    body = {"seconds": 24 * 3600}
    return httpx.post(f"{stripe.url}/_sandbox/clock/advance", json=body, trust_env=False).status_code


class TestTwoDeliveriesOfOneEvent:
    def test_over_http_have_one_effect(self, stripe: SandboxProcess, live_server: Any) -> None:
        decision = ask_parent(InstanceFactory())
        assert decision.checkout is not None
        stripe.send_webhooks_to(f"{live_server.url}/api/webhooks/stripe")
        stripe.faults(webhooks={"value": "duplicate", "copies": 4})

        stripe.pay(decision.checkout.url)

        deliveries = stripe.wait_for_deliveries()
        completed = StripeEvent.objects.get(type="checkout.session.completed")
        at_once(*[partial(_handle, completed.event_id)] * 4)
        told = [delivery["status"] for delivery in deliveries if delivery["event"] == completed.event_id]
        assert told == [200] * 4
        assert facts(decision) == ("completed", "paid", "paid")
        assert OutboxEvent.objects.filter(type="payment.succeeded").count() == 1
        assert Payment.objects.get().amount_minor == captured(stripe) == 4900
        assert examine() == {}


def _handle(event_id: str) -> None:
    handle_event(event_id=event_id, now=utc_now())


class TestPayingAgainstExpiry:
    @four_times_in_walks
    def test_has_one_winner_in_stripe_s_books_and_in_ours(self, stripe: SandboxProcess, attempt: int) -> None:
        decision = ask_parent(InstanceFactory())
        assert decision.checkout is not None
        url, checkout_id = decision.checkout.url, decision.checkout.pk

        at_once(
            partial(press_pay, url),
            partial(pass_a_day, stripe),
            *[lambda: settle_checkout(checkout_id=checkout_id, now=utc_now()).status] * 2,
        )
        settle_checkout(checkout_id=checkout_id, now=utc_now())

        paid = captured(stripe) == 4900
        assert facts(decision) == (("completed", "paid", "paid") if paid else ("expired", "expired", "pending"))
        assert Payment.objects.count() == int(paid)
        assert examine() == {}


class TestPayingAgainstCancelling:
    @four_times_in_walks
    def test_has_one_winner_in_stripe_s_books_and_in_ours(self, stripe: SandboxProcess, attempt: int) -> None:
        decision = ask_parent(InstanceFactory())
        assert decision.checkout is not None
        url = decision.checkout.url

        at_once(partial(press_pay, url), lambda: cancel_decision(decision_id=decision.pk, now=utc_now()).status)
        settle_checkout(checkout_id=decision.checkout.pk, now=utc_now())

        paid = captured(stripe) == 4900
        assert facts(decision) == (("completed", "paid", "paid") if paid else ("cancelled", "cancelled", "pending"))
        assert Payment.objects.count() == int(paid)
        assert examine() == {}


class TestTwoSweepsAtOnce:
    def test_settle_each_checkout_once(self, stripe: SandboxProcess) -> None:
        instance = InstanceFactory()
        decisions = [ask_parent(instance, email=f"learner{n}@school.test") for n in range(6)]
        for decision in decisions[:3]:
            assert decision.checkout is not None
            stripe.pay(decision.checkout.url)
        stripe.advance_clock(seconds=24 * 3600)
        tomorrow = utc_now() + dt.timedelta(hours=24)

        checked = at_once(*[lambda: check_due_checkouts(now=tomorrow)] * 3)

        assert sum(checked) == 6
        assert [facts(decision)[0] for decision in decisions] == ["completed"] * 3 + ["expired"] * 3
        told = OutboxEvent.objects.filter(type__startswith="payment.").values_list("type", flat=True)
        assert sorted(told) == ["payment.checkout_expired"] * 3 + ["payment.succeeded"] * 3
        assert examine() == {}

    def test_without_the_claim_would_ask_stripe_about_each_again(
        self, stripe: SandboxProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Control: settling itself is safe to repeat; the claim spares Stripe the questions."""
        monkeypatch.setattr(settle, "_claim_check", lambda checkout_id, now: True)
        instance = InstanceFactory()
        for n in range(6):
            ask_parent(instance, email=f"learner{n}@school.test")

        checked = at_once(*[lambda: check_due_checkouts(now=utc_now() + dt.timedelta(hours=1))] * 3)

        assert sum(checked) > 6

    def test_submit_each_refund_once(self, stripe: SandboxProcess) -> None:
        self.request_refunds(stripe, count=4)

        at_once(*[lambda: submit_due_refunds(now=utc_now() + SOON)] * 3)

        assert [refund.status for refund in Refund.objects.all()] == ["succeeded"] * 4
        assert [refund["amount"] for refund in stripe.ledger()["refunds"]] == [4900] * 4
        assert OutboxEvent.objects.filter(type="payment.refunded").count() == 4
        assert examine() == {}

    def test_without_claims_still_send_no_money_twice(
        self, stripe: SandboxProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The idempotency key stands behind the claim: the same refund submitted by all is one at Stripe."""
        self.request_refunds(stripe, count=1)
        refund_id = Refund.objects.get().pk

        at_once(*[lambda: billing_refunds.submit_refund(refund_id=refund_id, now=utc_now()).status] * 3)
        submit_due_refunds(now=utc_now() + SOON)

        assert [refund["amount"] for refund in stripe.ledger()["refunds"]] == [4900]
        assert Refund.objects.get().status == "succeeded"
        assert examine() == {}

    def request_refunds(self, stripe: SandboxProcess, *, count: int) -> None:
        instance = InstanceFactory()
        for n in range(count):
            decision = ask_parent(instance, email=f"learner{n}@school.test")
            assert decision.checkout is not None
            stripe.pay(decision.checkout.url)
            settle_checkout(checkout_id=decision.checkout.pk, now=utc_now())
        for payment in Payment.objects.all():
            request_refund(
                payment_id=payment.pk, amount_minor=None, reason=RefundReason.REQUESTED, actor=STAFF, now=utc_now()
            )

    def test_handle_each_event_once(self, stripe: SandboxProcess, live_server: Any) -> None:
        instance = InstanceFactory()
        stripe.send_webhooks_to(f"{live_server.url}/api/webhooks/stripe")
        for n in range(3):
            decision = ask_parent(instance, email=f"learner{n}@school.test")
            assert decision.checkout is not None
            stripe.pay(decision.checkout.url)
        stripe.wait_for_deliveries()
        wait_until(lambda: StripeEvent.objects.filter(type="checkout.session.completed").count() == 3)

        at_once(*[lambda: handle_due_events(now=utc_now() + SOON)] * 3)

        assert not StripeEvent.objects.filter(handled_at=None).exists()
        assert OutboxEvent.objects.filter(type="payment.succeeded").count() == 3
        assert set(Checkout.objects.values_list("status", flat=True)) == {"paid"}
        assert examine() == {}


class TestRefundsFromTwoHands:
    def test_send_back_no_more_than_was_paid(self, stripe: SandboxProcess) -> None:
        decision = ask_parent(InstanceFactory())
        assert decision.checkout is not None
        stripe.pay(decision.checkout.url)
        settle_checkout(checkout_id=decision.checkout.pk, now=utc_now())
        payment_id = Payment.objects.get().pk

        def ask() -> int:
            return request_refund(
                payment_id=payment_id, amount_minor=3000, reason=RefundReason.REQUESTED, actor=STAFF, now=utc_now()
            ).amount_minor

        answers = at_once(*[ask] * 4)

        refused = [answer.kind for answer in answers if isinstance(answer, Failure)]
        assert refused == ["RefundExceedsPayment"] * 3
        assert [refund.amount_minor for refund in Refund.objects.all()] == [3000]
        assert examine() == {}
