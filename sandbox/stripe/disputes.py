"""Disputes: a payer's bank takes the money back until somebody wins."""

from typing import Any

from django.db import transaction

from sandbox.stripe import events
from sandbox.stripe.api import operation
from sandbox.stripe.errors import no_such
from sandbox.stripe.listing import PAGING, list_page
from sandbox.stripe.models import Charge, Dispute
from sandbox.stripe.parameters import Text
from sandbox.stripe.rendering import Body, render


class NotDisputable(Exception):
    """Nothing of this payment can be disputed, or the dispute is closed."""


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
def open_dispute(*, payment_intent: str, reason: str = "fraudulent") -> Dispute:
    """Dispute all that is left of a payment. Raises NotDisputable when there is none, or one dispute already."""
    charges = Charge.objects.select_related("payment_intent").filter(payment_intent__ref=payment_intent)
    charge = charges.filter(status="succeeded").first()
    if charge is None or charge.disputed or charge.amount_refunded == charge.amount:
        raise NotDisputable(f"Nothing of payment intent {payment_intent!r} can be disputed.")
    charge.disputed = True
    charge.save()
    dispute = Dispute.objects.create(charge=charge, amount=charge.amount - charge.amount_refunded, reason=reason)
    events.publish("charge.dispute.created", about=dispute)
    return dispute


@transaction.atomic
def close_dispute(*, ref: str, won: bool) -> Dispute:
    """End a dispute. Raises NotDisputable when it is closed, StripeError when there is none."""
    status = "won" if won else "lost"
    if not Dispute.objects.filter(ref=_find_dispute(ref).ref, status="needs_response").update(status=status):
        raise NotDisputable(f"Dispute {ref!r} is closed.")
    dispute = _find_dispute(ref)
    events.publish("charge.dispute.closed", about=dispute)
    return dispute


def _find_dispute(ref: str) -> Dispute:
    dispute = Dispute.objects.select_related("charge__payment_intent").filter(ref=ref).first()
    if dispute is None:
        raise no_such("dispute", ref, param="dispute")
    return dispute
