"""What Stripe would have said in the demo's past: the same records as real notices leave, without any network.

`sandbox.py` tells the sandbox about them afterwards.
"""

import datetime as dt
from typing import Any

from django.conf import settings

from accounts.models import User
from billing.checkout import adopt_session, record_session
from billing.disputes import record_dispute
from billing.gateways.contract import DisputeSnapshot, EventSnapshot, RefundSnapshot, SessionSnapshot
from billing.inbox import record_effect, store_event
from billing.models import Checkout, Payment, StripeEvent
from billing.refunds import record_refunds, request_refund
from billing.states import EventSource, RefundReason
from core.actors import Actor
from core.clock import utc_now
from core.ids import new_cuid

_OPEN = {"status": "open", "payment_status": "unpaid", "payment_intent_id": None, "payment_intent_status": ""}
_UNPAID_END = {"status": "expired", "payment_status": "unpaid", "payment_intent_status": ""}


def open_page(checkout: Checkout) -> None:
    """Record that Stripe created the session, so that there is a page to pay on."""
    adopt_session(session=_session(checkout, "", **_OPEN), now=utc_now())


def pay(checkout: Checkout, payer_email: str, **facts: Any) -> None:
    """Record that the whole amount arrived (unless the facts say otherwise)."""
    told = {"status": "complete", "payment_status": "paid", "payment_intent_status": "succeeded"}
    _session_notice(checkout, "checkout.session.completed", payer_email, **{**told, **facts})


def start_bank_debit(checkout: Checkout, payer_email: str) -> None:
    """Record that the payer chose a method whose bank answers in days."""
    pay(checkout, payer_email, payment_status="unpaid", payment_intent_status="processing")


def refuse_bank_debit(checkout: Checkout, payer_email: str) -> None:
    told = {"status": "complete", "payment_status": "unpaid", "payment_intent_status": "requires_payment_method"}
    _session_notice(checkout, "checkout.session.async_payment_failed", payer_email, **told)


def expire(checkout: Checkout) -> None:
    _session_notice(checkout, "checkout.session.expired", "", payment_intent_id=None, **_UNPAID_END)


def cancel(checkout: Checkout) -> None:
    """End the checkout on purpose. The wish is written here, since the use case would also make a worker ask Stripe."""
    Checkout.objects.filter(pk=checkout.pk).update(cancel_requested_at=utc_now())
    expire(checkout)


def refund(payment: Payment, *, amount_minor: int | None, user: User, note: str, status: str = "succeeded") -> None:
    """Let a staff member send money back; the bank accepts it or, with status "failed", returns it."""
    asked = request_refund(
        payment_id=payment.pk,
        amount_minor=amount_minor,
        reason=RefundReason.REQUESTED,
        actor=Actor("user", user.pk),
        note=note,
        user=user,
        now=utc_now(),
    )
    confirm_refund(payment, asked.reference, asked.amount_minor, status)


def confirm_refund(payment: Payment, reference: str, amount_minor: int, status: str = "succeeded") -> None:
    snapshot = RefundSnapshot(
        id=f"re_demo_{new_cuid()}",
        reference=reference,
        payment_intent_id=str(payment.payment_intent_id),
        amount_minor=amount_minor,
        status=status,
        failure_reason="lost_or_stolen_card" if status == "failed" else "",
        created_at=utc_now(),
    )
    _notice(
        "refund.updated",
        {"object": "refund", "id": snapshot.id, "payment_intent": payment.payment_intent_id},
        lambda: (
            f"payment {payment.pk} is {record_refunds(payment_id=payment.pk, refunds=[snapshot], now=utc_now()).status}"
        ),
    )


def dispute(payment: Payment, number: int, status: str) -> None:
    """Record that the payer's bank contests the payment, or has decided."""
    snapshot = DisputeSnapshot(
        id=f"dp_demo_{number:06d}",
        payment_intent_id=str(payment.payment_intent_id),
        amount_minor=payment.amount_minor,
        reason="product_not_received",
        status=status,
        created_at=utc_now(),
    )
    _notice(
        "charge.dispute.created" if status == "needs_response" else "charge.dispute.closed",
        {"object": "dispute", "id": snapshot.id, "payment_intent": payment.payment_intent_id},
        lambda: f"dispute is {record_dispute(payment_id=payment.pk, snapshot=snapshot, now=utc_now()).status}",
    )


def leave_unhandled(checkout: Checkout) -> None:
    """Store a notice from Stripe that we repeatedly failed to look up: it stays in the inbox; its checkout is stuck."""
    event = _event("checkout.session.expired", {"object": "checkout.session", "id": _session_id(checkout)})
    StripeEvent.objects.filter(event_id=event.id).update(attempts=3, last_error="Stripe did not answer")


def _session_notice(checkout: Checkout, kind: str, payer_email: str, **facts: Any) -> None:
    session = _session(checkout, payer_email, **facts)
    _notice(
        kind,
        {"object": "checkout.session", "id": session.id, "payment_intent": session.payment_intent_id},
        lambda: (
            f"checkout {checkout.pk} is "
            f"{record_session(checkout_id=checkout.pk, session=session, now=utc_now()).status}"
        ),
    )


def _session(checkout: Checkout, payer_email: str, **facts: Any) -> SessionSnapshot:
    told: dict[str, Any] = {
        "id": _session_id(checkout),
        "reference": checkout.reference,
        "amount_minor": checkout.amount_minor,
        "currency": checkout.currency,
        "payment_intent_id": f"pi_demo_{checkout.pk:06d}",
        "payer_email": payer_email,
        "url": f"{settings.SANDBOX_URL}/c/pay/{_session_id(checkout)}",
        "expires_at": checkout.expires_at,
        "metadata": {"checkoutId": str(checkout.pk)},
    }
    return SessionSnapshot(**{**told, **facts})


def _session_id(checkout: Checkout) -> str:
    return f"cs_demo_{checkout.pk:06d}"


def _notice(kind: str, about: dict[str, Any], effect: Any) -> None:
    event = _event(kind, about)
    record_effect(event_id=event.id, effect=effect, now=utc_now() + dt.timedelta(seconds=1))


def _event(kind: str, about: dict[str, Any]) -> EventSnapshot:
    event = EventSnapshot(id=f"evt_demo_{new_cuid()}", type=kind, created_at=utc_now(), about=about)
    store_event(snapshot=event, source=EventSource.WEBHOOK, now=utc_now())
    return event
