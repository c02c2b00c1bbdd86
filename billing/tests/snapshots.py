"""Stripe's refunds and disputes, for tests that need no Stripe."""

import datetime as dt
from dataclasses import replace
from typing import Any

from billing.checkout import record_session
from billing.disputes import record_dispute
from billing.gateways.contract import DisputeSnapshot, RefundSnapshot, SessionSnapshot
from billing.models import Checkout, Payment
from billing.refunds import record_refunds

NOW = dt.datetime(2026, 11, 27, 12, tzinfo=dt.UTC)


def refund(minor: int, *, status: str = "succeeded", number: int = 1) -> RefundSnapshot:
    """A refund made in the dashboard."""
    return RefundSnapshot(
        id=f"re_{number}",
        reference="",
        payment_intent_id="pi",
        amount_minor=minor,
        status=status,
        failure_reason="",
        created_at=NOW,
    )


def dispute(minor: int, *, status: str, number: int = 1, **more: Any) -> DisputeSnapshot:
    """Return a dispute with this status, which is one of Stripe's."""
    more.setdefault("is_charge_refundable", status.startswith("warning_"))
    return DisputeSnapshot(
        id=f"du_{number}",
        payment_intent_id="pi",
        amount_minor=minor,
        reason="general",
        status=status,
        created_at=NOW,
        **more,
    )


def arrive(payment: Payment, *things: RefundSnapshot | DisputeSnapshot, now: dt.datetime = NOW) -> Payment:
    """Record what Stripe says, in this order; return the payment as it is then."""
    for snapshot in things:
        thing = replace(snapshot, id=f"{snapshot.id}_of_{payment.pk}")
        if isinstance(thing, RefundSnapshot):
            record_refunds(payment_id=payment.pk, refunds=[thing], now=now)
        else:
            record_dispute(payment_id=payment.pk, snapshot=thing, now=now)
    return Payment.objects.get(pk=payment.pk)


def session(checkout: Checkout, **changes: Any) -> SessionSnapshot:
    """Return a checkout's session, paid by card by default."""
    fields: dict[str, Any] = {
        "id": f"cs_{checkout.pk}",
        "reference": checkout.reference,
        "status": "complete",
        "payment_status": "paid",
        "amount_minor": checkout.amount_minor,
        "currency": checkout.currency,
        "payment_intent_id": f"pi_of_{checkout.pk}",
        "payment_intent_status": "succeeded",
        "payer_email": "payer@home.test",
        "url": "",
        "expires_at": checkout.expires_at,
        "metadata": {},
    }
    return SessionSnapshot(**(fields | changes))


def tell(checkout: Checkout, **changes: Any) -> Checkout:
    """Record what Stripe says about a checkout."""
    return record_session(checkout_id=checkout.pk, session=session(checkout, **changes), now=dt.datetime.now(dt.UTC))


EXPIRED = {"status": "expired", "payment_status": "unpaid", "payment_intent_id": None}
AWAITING_THE_BANK = {"payment_status": "unpaid", "payment_intent_status": "processing"}
REFUSED_BY_THE_BANK = {"payment_status": "unpaid", "payment_intent_status": "requires_payment_method"}


class Deaf:
    """A Stripe that must not be called, except for what a test provides."""

    def __init__(self, **answers: Any) -> None:
        self.__dict__.update({name: self._answering(answer) for name, answer in answers.items()})

    @staticmethod
    def _answering(answer: Any) -> Any:
        def call(*_: Any, **__: Any) -> Any:
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call
