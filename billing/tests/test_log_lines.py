"""What logs say about money: each fact once, after it is committed, with ids and amounts and nobody's name."""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import transaction
from pytest_django import DjangoCaptureOnCommitCallbacks

from billing.checkout import record_session
from billing.gateways.contract import EventSnapshot
from billing.inbox import record_effect, store_event
from billing.models import Checkout, Payment
from billing.refunds import request_refund
from billing.states import EventSource, RefundReason
from core.actors import SYSTEM
from core.clock import utc_now

from .factories import CheckoutFactory
from .snapshots import NOW, arrive, dispute, refund, session

pytestmark = pytest.mark.django_db

PAYER = "jane.doe@home.test"


class Facts:
    """The lines that were logged at level info or above by billing, each as its event and what it says."""

    def __init__(self, caplog: pytest.LogCaptureFixture, commits: DjangoCaptureOnCommitCallbacks) -> None:
        self._caplog = caplog
        self._commits = commits

    def of(self, act: Callable[[], Any]) -> list[dict[str, Any]]:
        self._caplog.clear()
        with self._caplog.at_level(logging.INFO), self._commits(execute=True):
            act()
        told = [record.msg for record in self._caplog.records if record.name.startswith("billing.")]
        assert PAYER not in str(told)
        return [{k: v for k, v in line.items() if k not in ("level", "logger", "timestamp")} for line in told]


@pytest.fixture
def facts(
    caplog: pytest.LogCaptureFixture, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> Facts:
    return Facts(caplog, django_capture_on_commit_callbacks)


@pytest.fixture
def checkout() -> Checkout:
    return CheckoutFactory(subject="enrollment:5", amount_minor=4900, currency="usd", payer_email=PAYER)


def told(checkout: Checkout, **changes: Any) -> None:
    """Record Stripe's session of the checkout."""
    record_session(checkout_id=checkout.pk, session=session(checkout, payer_email=PAYER, **changes), now=NOW)


def paid(checkout: Checkout) -> Payment:
    told(checkout)
    return Payment.objects.get()


def money(checkout: Checkout) -> dict[str, Any]:
    return {
        "checkout": checkout.pk,
        "workspace": checkout.workspace_id,
        "purpose": checkout.purpose,
        "subject": "enrollment:5",
        "amount_minor": 4900,
        "currency": "usd",
    }


class TestTheLogTells:
    def test_that_money_arrived_once(self, facts: Facts, checkout: Checkout) -> None:
        first = facts.of(lambda: told(checkout))
        second = facts.of(lambda: told(checkout))

        payment = Payment.objects.get()
        assert first == [{"event": "payment_received", "payment": payment.pk, **money(checkout)}]
        assert second == []

    def test_that_a_bank_was_asked_and_refused(self, facts: Facts, checkout: Checkout) -> None:
        asked = {"payment_status": "unpaid", "payment_intent_status": "processing"}
        refused = {"payment_status": "unpaid", "payment_intent_status": "requires_payment_method"}

        lines = facts.of(lambda: told(checkout, **asked)) + facts.of(lambda: told(checkout, **refused))

        payment = Payment.objects.get()
        assert [line.pop("event") for line in lines] == ["payment_pending", "payment_failed"]
        assert lines == [{"payment": payment.pk, **money(checkout)}] * 2

    def test_that_another_amount_arrived_than_was_asked(self, facts: Facts, checkout: Checkout) -> None:
        (line,) = facts.of(lambda: told(checkout, amount_minor=100))

        assert (line["event"], line["amount_minor"], line["asked_minor"]) == ("payment_mismatched", 100, 4900)

    def test_that_a_checkout_ended(self, facts: Facts, checkout: Checkout) -> None:
        ended = {
            "status": "expired",
            "payment_status": "unpaid",
            "payment_intent_status": "",
            "payment_intent_id": None,
        }

        lines = facts.of(lambda: told(checkout, **ended))

        assert lines == [{"event": "checkout_ended", "status": "expired", **money(checkout)}]

    def test_each_state_of_a_refund(self, facts: Facts, checkout: Checkout) -> None:
        payment = paid(checkout)

        def ask() -> None:
            request_refund(
                payment_id=payment.pk, amount_minor=900, reason=RefundReason.REQUESTED, actor=SYSTEM, now=utc_now()
            )

        lines = facts.of(ask) + facts.of(lambda: arrive(payment, refund(4000)))

        ours, theirs = payment.refunds.order_by("pk")
        common = {"payment": payment.pk, "workspace": payment.workspace_id, "currency": "usd"}
        assert lines == [
            {
                "event": "refund_requested",
                "refund": ours.pk,
                "amount_minor": 900,
                "reason": RefundReason.REQUESTED,
                **common,
            },
            {
                "event": "refund_succeeded",
                "refund": theirs.pk,
                "amount_minor": 4000,
                "reason": RefundReason.OUTSIDE,
                **common,
            },
        ]

    def test_each_state_of_a_dispute_once(self, facts: Facts, checkout: Checkout) -> None:
        payment = paid(checkout)
        statuses = ("warning_needs_response", "needs_response", "under_review", "lost")

        lines = [
            line for status in statuses for line in facts.of(partial(arrive, payment, dispute(4900, status=status)))
        ]

        events = [line["event"] for line in lines if line["event"].startswith("dispute_")]
        assert events == ["dispute_inquiry", "dispute_open", "dispute_lost"]
        assert {line["payment"] for line in lines} == {payment.pk}

    def test_what_came_of_an_event_of_stripe(self, facts: Facts) -> None:
        about = {"object": "checkout.session", "id": "cs_1"}
        event = EventSnapshot(id="evt_1", type="checkout.session.expired", created_at=NOW, about=about)
        store_event(snapshot=event, source=EventSource.WEBHOOK, now=NOW)

        first, second = (
            facts.of(lambda: record_effect(event_id="evt_1", effect=lambda: "not ours", now=NOW)) for _ in range(2)
        )

        handled = {"event_id": "evt_1", "type": "checkout.session.expired", "outcome": "not ours"}
        assert first == [{"event": "stripe_event_handled", **handled}]
        assert second == []

    def test_nothing_of_what_was_rolled_back(self, facts: Facts, checkout: Checkout) -> None:
        def give_up() -> None:
            with transaction.atomic():
                told(checkout)
                transaction.set_rollback(True)

        assert facts.of(give_up) == []
        assert not Payment.objects.exists()
