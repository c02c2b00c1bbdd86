"""Disputes: a payer's bank inquires, or takes the money back until the dispute is decided.

As Stripe describes them: an inquiry (`warning_*`) takes nothing, the payment can be refunded in the meantime, and a
full refund ends it; it may become a dispute. A dispute takes its amount at once, all or part of the payment; there may
be several.
"""

from typing import Any

from django.db import transaction

from sandbox.stripe import events
from sandbox.stripe.api import operation
from sandbox.stripe.errors import no_such
from sandbox.stripe.listing import PAGING, list_page
from sandbox.stripe.models import DECIDING, INQUIRIES, Charge, Dispute
from sandbox.stripe.parameters import Text
from sandbox.stripe.rendering import Body, render

UNDECIDED = (*INQUIRIES, *DECIDING)
# The possible transitions of a dispute, and the events that Stripe sends for them.
MOVES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "warning_under_review": (("warning_needs_response",), ("charge.dispute.updated",)),
    "warning_closed": (INQUIRIES, ("charge.dispute.closed",)),
    "needs_response": (INQUIRIES, ("charge.dispute.updated", "charge.dispute.funds_withdrawn")),
    "under_review": (("needs_response",), ("charge.dispute.updated",)),
    "won": (
        (*DECIDING, "lost", "appeal_needs_response", "appeal_under_review"),
        ("charge.dispute.closed", "charge.dispute.funds_reinstated"),
    ),
    "lost": ((*DECIDING, "appeal_needs_response", "appeal_under_review"), ("charge.dispute.closed",)),
    "appeal_needs_response": (("lost",), ("charge.dispute.updated",)),
    "appeal_under_review": (("lost", "appeal_needs_response"), ("charge.dispute.updated",)),
}


class NotDisputable(Exception):
    """This payment can't be disputed (for that much), or the dispute can't have this outcome."""


@operation()
def retrieve_dispute(params: dict[str, Any], *, ref: str) -> Body:
    return render(_find_dispute(ref))


@operation(**PAGING, payment_intent=Text(), charge=Text())
def list_disputes(params: dict[str, Any]) -> Body:
    lookups = {"payment_intent": "charge__payment_intent__ref", "charge": "charge__ref"}
    chosen = {lookup: params[name] for name, lookup in lookups.items() if name in params}
    found = Dispute.objects.select_related("charge__payment_intent").filter(**chosen)
    return list_page(found, params, url="/v1/disputes")


@transaction.atomic
def open_dispute(
    *, payment_intent: str, reason: str = "fraudulent", amount: int | None = None, status: str = "needs_response"
) -> Dispute:
    """Dispute a payment, or inquire about it: `amount` of it, or everything that is neither refunded nor disputed yet.

    Raises NotDisputable if there is not that much. `status` may be any in which a dispute can begin.
    """
    charges = Charge.objects.select_related("payment_intent").filter(payment_intent__ref=payment_intent)
    charge = charges.filter(status="succeeded").first()
    disputed = (
        sum(dispute.amount for dispute in charge.dispute_set.exclude(status__in=["warning_closed"])) if charge else 0
    )
    left = charge.amount - disputed if charge else 0
    if amount is None and charge is not None:
        left -= charge.amount_refunded
    if charge is None or left <= 0 or (amount or left) > left:
        raise NotDisputable(f"Not so much of payment intent {payment_intent!r} can be disputed.")
    charge.disputed = True
    charge.save()
    dispute = Dispute.objects.create(charge=charge, amount=amount or left, reason=reason, status=status)
    types = ["charge.dispute.created", *(["charge.dispute.funds_withdrawn"] if dispute.has_taken else [])]
    events.publish(*types, about=dispute)
    return dispute


@transaction.atomic
def move_dispute(*, ref: str, status: str, given_back: int = 0) -> Dispute:
    """Advance a dispute, or end it; if it is lost, the bank may give part of it back.

    Raises NotDisputable if that is not possible, StripeError if there is no such dispute.
    """
    dispute = _find_dispute(ref)
    sources, types = MOVES[status]
    known = Dispute.objects.filter(pk=dispute.pk, status__in=sources)
    if given_back > dispute.amount or not known.update(status=status, given_back=given_back):
        raise NotDisputable(f"Dispute {ref!r} is {dispute.status}.")
    dispute = _find_dispute(ref)
    events.publish(*types, about=dispute)
    return dispute


def end_inquiries(charge: Charge) -> None:
    """End the inquiries about a payment that was refunded in full."""
    for dispute in charge.dispute_set.filter(status__in=INQUIRIES):
        move_dispute(ref=dispute.ref, status="warning_closed")


def _find_dispute(ref: str) -> Dispute:
    dispute = Dispute.objects.select_related("charge__payment_intent").filter(ref=ref).first()
    if dispute is None:
        raise no_such("dispute", ref, param="dispute")
    return dispute
