"""All the money the sandbox has seen, so that a test can compare it with the product's records."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from sandbox.stripe.models import DECIDING, CheckoutSession, Dispute, PaymentIntent, Refund
from sandbox.stripe.rendering import Body


def read_ledger(*, metadata: Mapping[str, str]) -> Body:
    """Return sessions, payments, refunds, and disputes, oldest first, and per currency what was captured and kept.

    Amounts are in minor units. With `metadata`, only sessions that carry all of it (on themselves or on their payment),
    and what belongs to them. `refunded` includes pending refunds, not failed ones; `net` is what remains after refunds
    and lost disputes.
    """
    sessions = [
        session
        for session in CheckoutSession.objects.select_related("payment_intent").order_by("pk")
        if _has(session, metadata)
    ]
    by_intent = {session.payment_intent_id: session for session in sessions if session.payment_intent_id}
    intents = PaymentIntent.objects.filter(pk__in=by_intent).order_by("pk")
    of_intents: dict[str, Any] = {"charge__payment_intent__in": list(by_intent)}
    refunds = Refund.objects.select_related("charge__payment_intent").filter(**of_intents).order_by("pk")
    disputes = Dispute.objects.select_related("charge__payment_intent").filter(**of_intents).order_by("pk")
    return {
        "sessions": [_session(session) for session in sessions],
        "payments": [_payment(intent, by_intent[intent.pk]) for intent in intents],
        "refunds": [_refund(refund) for refund in refunds],
        "disputes": [_dispute(dispute) for dispute in disputes],
        "totals": _totals(list(intents), list(refunds), list(disputes)),
    }


def _has(session: CheckoutSession, metadata: Mapping[str, str]) -> bool:
    of_intent = session.payment_intent_data.get("metadata", {})
    return all(session.metadata.get(key, of_intent.get(key)) == value for key, value in metadata.items())


def _session(session: CheckoutSession) -> Body:
    return {
        "id": session.ref,
        "status": session.status,
        "payment_status": session.payment_status,
        "amount": session.amount_total,
        "currency": session.currency,
        "client_reference_id": session.client_reference_id,
        "metadata": session.metadata,
        "payment_intent": session.payment_intent.ref if session.payment_intent else None,
    }


def _payment(intent: PaymentIntent, session: CheckoutSession) -> Body:
    charge = intent.latest_charge
    return {
        "id": intent.ref,
        "session": session.ref,
        "status": intent.status,
        "amount": intent.amount,
        "captured": _captured(intent),
        "refunded": charge.amount_refunded if charge else 0,
        "currency": intent.currency,
        "metadata": intent.metadata,
    }


def _refund(refund: Refund) -> Body:
    return {
        "id": refund.ref,
        "payment_intent": refund.charge.payment_intent.ref,
        "status": refund.status,
        "amount": refund.amount,
        "currency": refund.charge.currency,
        "reason": refund.reason,
        "metadata": refund.metadata,
    }


def _dispute(dispute: Dispute) -> Body:
    return {
        "id": dispute.ref,
        "payment_intent": dispute.charge.payment_intent.ref,
        "status": dispute.status,
        "amount": dispute.amount,
        "currency": dispute.charge.currency,
    }


def _totals(intents: list[PaymentIntent], refunds: list[Refund], disputes: list[Dispute]) -> Body:
    totals: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(("captured", "refunded", "lost", "net"), 0))
    for intent in intents:
        totals[intent.currency]["captured"] += _captured(intent)
    for refund in refunds:
        if refund.status in {"pending", "succeeded"}:
            totals[refund.charge.currency]["refunded"] += refund.amount
    for dispute in disputes:
        if dispute.has_taken and dispute.status not in DECIDING:
            totals[dispute.charge.currency]["lost"] += dispute.kept_away
    for total in totals.values():
        total["net"] = total["captured"] - total["refunded"] - total["lost"]
    return dict(totals)


def _captured(intent: PaymentIntent) -> int:
    return intent.amount if intent.status == "succeeded" else 0
