"""No lock is held during calls to Stripe: whatever another worker records in the meantime stays."""

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from accounts.models import StaffTask
from billing import inbox, refunds
from billing.checkout import check_due_checkouts, settle
from billing.checkout.outcome import record_nothing_sent, record_refusal
from billing.errors import PaymentProviderDown, PaymentRejected
from billing.models import Checkout, Payment, Refund, StripeEvent
from core.clock import utc_now

from .factories import CheckoutFactory, paid
from .snapshots import refund
from .stripe_world import published

pytestmark = pytest.mark.django_db

NOW = utc_now()
EARLIER = NOW - dt.timedelta(hours=1)
LATER = NOW + dt.timedelta(hours=1)


class Slow:
    """A Stripe that answers after something else has happened."""

    def __init__(self, meanwhile: Callable[[], object], answer: Any) -> None:
        self.meanwhile = meanwhile
        self.answer = answer

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*_: Any, **__: Any) -> Any:
            self.meanwhile()
            if isinstance(self.answer, Exception):
                raise self.answer
            return self.answer

        return call


def refund_of(payment: Payment, status: str, stripe_id: str | None = None) -> Refund:
    return Refund.objects.create(
        payment=payment,
        amount_minor=1000,
        reason="requested",
        actor="system",
        status=status,
        stripe_refund_id=stripe_id,
        next_attempt_at=EARLIER,
    )


class TestARefund:
    @pytest.mark.sqlite
    def test_that_stripe_does_not_list_fails_unless_another_worker_moved_it(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        payment = paid()
        listed, missing = refund_of(payment, "pending", "re_listed"), refund_of(payment, "pending", "re_missing")
        arriving, submitting = refund_of(payment, "pending", "re_arriving"), refund_of(payment, "requested")

        def meanwhile() -> None:
            Refund.objects.filter(pk=arriving.pk).update(status="succeeded")
            Refund.objects.filter(pk=submitting.pk).update(status="pending", stripe_refund_id="re_new")

        answer = [replace(refund(1000, status="pending"), id="re_listed")]
        monkeypatch.setattr(refunds, "get_gateway", lambda: Slow(meanwhile, answer))

        refunds.settle_refunds(payment_id=payment.pk, now=NOW)

        assert {row.pk: row.status for row in Refund.objects.all()} == {
            listed.pk: "pending",
            missing.pk: "failed",
            arriving.pk: "succeeded",
            submitting.pk: "pending",
        }
        assert list(StaffTask.objects.values_list("kind", "subject")) == [("refund_failed", f"refund:{missing.pk}")]
        assert Payment.objects.get().refunded_minor == 1000

    def test_that_another_worker_submitted_has_no_failure_of_ours(self, monkeypatch: pytest.MonkeyPatch) -> None:
        submitting = refund_of(paid(), "requested")
        answered = Refund.objects.filter(pk=submitting.pk)
        monkeypatch.setattr(
            refunds,
            "get_gateway",
            lambda: Slow(
                lambda: answered.update(status="pending", next_attempt_at=LATER), PaymentProviderDown("Late.")
            ),
        )

        refunds.submit_refund(refund_id=submitting.pk, now=NOW)

        assert answered.values_list("status", "attempts", "last_error", "next_attempt_at").get() == (
            "pending",
            0,
            "",
            LATER,
        )

    @pytest.mark.sqlite
    def test_that_another_sweep_took_up_is_left_to_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        first, second = refund_of(paid(), "requested"), refund_of(paid(), "requested")
        theirs = Refund.objects.filter(pk=second.pk)
        refused = PaymentRejected(provider_code="charge_already_refunded")
        monkeypatch.setattr(refunds, "get_gateway", lambda: Slow(lambda: theirs.update(next_attempt_at=LATER), refused))

        assert refunds.submit_due_refunds(now=NOW) == 1
        assert list(Refund.objects.order_by("pk").values_list("pk", "status")) == [
            (first.pk, "failed"),
            (second.pk, "requested"),
        ]


class TestACheckout:
    def test_that_got_its_session_is_not_ended_as_never_sent(self) -> None:
        found = CheckoutFactory(stripe_session_id="cs_1")

        record_nothing_sent(checkout_id=found.pk, now=NOW)

        assert (Checkout.objects.get().status, published()) == ("open", [])

    @pytest.mark.parametrize("status", ["cancelled", "expired", "processing", "paid", "failed"])
    def test_that_is_no_longer_open_is_not_refused(self, status: str) -> None:
        ended = CheckoutFactory(status=status)

        record_refusal(checkout_id=ended.pk, error=PaymentRejected(provider_code="resource_missing"), now=NOW)

        assert (Checkout.objects.get().status, published()) == (status, [])
        assert not StaffTask.objects.exists()

    @pytest.mark.sqlite
    def test_that_another_sweep_took_up_is_left_to_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        first, second = CheckoutFactory(next_check_at=EARLIER), CheckoutFactory(next_check_at=EARLIER)
        looked_at: list[int] = []

        def settle_slowly(*, checkout_id: int, now: dt.datetime) -> None:
            looked_at.append(checkout_id)
            Checkout.objects.exclude(pk=checkout_id).update(next_check_at=LATER)

        monkeypatch.setattr(settle, "settle_checkout", settle_slowly)

        assert check_due_checkouts(now=NOW) == 1
        assert len(looked_at) == 1
        assert {first.pk, second.pk} > set(looked_at)


class TestAnEvent:
    def slow(self, monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
        """While Stripe is asked about the one event there is, another worker handles it."""
        StripeEvent.objects.create(
            event_id="evt_1",
            type="charge.refunded",
            payload={"id": "ch_1", "payment_intent": "pi_told"},
            stripe_created_at=NOW,
            next_attempt_at=LATER,
        )
        monkeypatch.setattr(
            inbox,
            "get_gateway",
            lambda: Slow(lambda: StripeEvent.objects.update(handled_at=NOW, outcome="done"), answer),
        )

    def test_that_another_worker_handled_has_no_second_effect(self, monkeypatch: pytest.MonkeyPatch) -> None:
        payment = paid()
        Payment.objects.update(payment_intent_id="pi_told")
        self.slow(monkeypatch, [refund(4900)])

        inbox.handle_event(event_id="evt_1", now=utc_now())

        assert StripeEvent.objects.values_list("outcome", "attempts").get() == ("done", 0)
        assert Payment.objects.get(pk=payment.pk).status == "paid"
        assert published() == []

    @pytest.mark.sqlite
    def test_that_another_worker_handled_has_no_failure_of_ours(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.slow(monkeypatch, PaymentProviderDown("Late."))

        inbox.handle_event(event_id="evt_1", now=utc_now())

        assert StripeEvent.objects.values_list("outcome", "attempts", "last_error", "next_attempt_at").get() == (
            "done",
            0,
            "",
            LATER,
        )
