"""What happened before the sandbox existed, as described by the caller, so that demo data has a past at Stripe.

Nothing happens now: no event is published, and no webhook is sent.
"""

from typing import Any

from django.db import transaction

from sandbox.stripe.models import Charge, CheckoutSession, Dispute, PaymentIntent, Refund
from sandbox.stripe.rendering import Body

# The charge of a payment intent in each of its states.
CHARGES = {"succeeded": "succeeded", "processing": "pending", "requires_payment_method": "failed"}
DISPUTES = ("warning_needs_response", "warning_closed", "needs_response", "won", "lost")


class InvalidHistory(ValueError):
    """The described history is impossible; the message says where and why."""


@transaction.atomic
def remember_sessions(*, told: list[Body]) -> int:
    """Create checkout sessions with their payments, refunds, and disputes; objects whose ids are known are replaced.

    Returns how many. Raises InvalidHistory, creating nothing.
    """
    for number, session in enumerate(told):
        try:
            _remember_session(session)
        except KeyError as error:
            raise InvalidHistory(f"sessions[{number}]: {error.args[0]} is missing.") from error
        except (TypeError, ValueError) as error:
            raise InvalidHistory(f"sessions[{number}]: {error}") from error
    return len(told)


def _remember_session(told: Body) -> None:
    CheckoutSession.objects.filter(ref=told["id"]).delete()
    payment = told["payment"]
    CheckoutSession.objects.create(
        ref=told["id"],
        created=int(told["created"]),
        metadata=dict(told["metadata"]),
        status=_one_of(("open", "complete", "expired"), told["status"]),
        payment_status="paid" if payment and payment["status"] == "succeeded" else "unpaid",
        currency=told["currency"],
        amount_total=int(told["amount_total"]),
        expires_at=int(told["expires_at"]),
        success_url=told["success_url"],
        cancel_url=told["cancel_url"],
        client_reference_id=told["client_reference_id"],
        payment_method_types=["card"],
        payer_email=told["payer_email"],
        payment_intent=_remember_payment(told, payment) if payment else None,
    )


def _remember_payment(session: Body, told: Body) -> PaymentIntent:
    PaymentIntent.objects.filter(ref=told["id"]).delete()
    created = int(session["created"])
    amount = int(session["amount_total"])
    currency = session["currency"]
    status = _one_of(tuple(CHARGES), told["status"])
    intent = PaymentIntent.objects.create(
        ref=told["id"],
        created=created,
        metadata=dict(session["metadata"]),
        amount=amount,
        currency=currency,
        status=status,
        payment_method_type="card" if status == "succeeded" else "us_bank_account",
    )
    refunds = told["refunds"]
    dispute = told["dispute"]
    back = sum(int(refund["amount"]) for refund in refunds if refund["status"] in ("pending", "succeeded"))
    if back > amount:
        raise InvalidHistory(f"{back} went back of {amount}.")
    charge = Charge.objects.create(
        created=created,
        payment_intent=intent,
        amount=amount,
        amount_refunded=back,
        currency=currency,
        status=CHARGES[status],
        email=session["payer_email"],
        disputed=dispute is not None,
    )
    for refund in refunds:
        _remember_refund(charge, refund)
    if dispute is not None:
        Dispute.objects.filter(ref=dispute["id"]).delete()
        Dispute.objects.create(
            ref=dispute["id"],
            charge=charge,
            amount=int(dispute["amount"]),
            reason=dispute["reason"],
            status=_one_of(DISPUTES, dispute["status"]),
        )
    return intent


def _remember_refund(charge: Charge, told: Body) -> None:
    Refund.objects.filter(ref=told["id"]).delete()
    status = _one_of(("pending", "succeeded", "failed"), told["status"])
    Refund.objects.create(
        ref=told["id"],
        created=int(told["created"]),
        metadata=dict(told["metadata"]),
        charge=charge,
        amount=int(told["amount"]),
        status=status,
        failure_reason="unknown" if status == "failed" else None,
    )


def _one_of(known: tuple[str, ...], status: Any) -> str:
    if status not in known:
        raise InvalidHistory(f"the status {status!r} is none of {', '.join(known)}.")
    return str(status)
