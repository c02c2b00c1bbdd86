"""Refunds: create them, look them up, and let them fail or arrive later."""

from typing import Any

from django.db import transaction
from django.db.models import F

from sandbox.knobs import faults
from sandbox.stripe import disputes, events
from sandbox.stripe.api import operation
from sandbox.stripe.errors import StripeError, invalid, no_such
from sandbox.stripe.listing import PAGING, list_page
from sandbox.stripe.models import DECIDING, Charge, Refund
from sandbox.stripe.money import LARGEST_AMOUNT, check_divisible, format_amount
from sandbox.stripe.parameters import Choice, Integer, Metadata, Text
from sandbox.stripe.rendering import Body, render

DEFAULT_FAILURE = "expired_or_canceled_card"
FAILURES = (
    "charge_for_pending_refund_disputed",
    "declined",
    DEFAULT_FAILURE,
    "insufficient_funds",
    "lost_or_stolen_card",
    "unknown",
)


class NotSettleable(Exception):
    """The refund has already reached its final state."""


@operation(
    payment_intent=Text(),
    charge=Text(),
    amount=Integer(least=1, most=LARGEST_AMOUNT),
    reason=Choice(("duplicate", "fraudulent", "requested_by_customer")),
    metadata=Metadata(),
)
def create_refund(params: dict[str, Any]) -> Body:
    charge = _charge_to_refund(params)
    left = charge.amount - charge.amount_refunded
    if left == 0:
        raise StripeError(f"Charge {charge.ref} has already been refunded.", code="charge_already_refunded")
    contested = list(charge.dispute_set.all())
    left -= sum(dispute.kept_away for dispute in contested)
    if left <= 0 or any(dispute.status in DECIDING for dispute in contested):
        raise StripeError(f"Charge {charge.ref} has been charged back; it cannot be refunded.", code="charge_disputed")
    amount = params.get("amount", left)
    if amount > left:
        asked, rest = (format_amount(value, charge.currency) for value in (amount, left))
        raise invalid("amount", f"Refund amount ({asked}) is greater than unrefunded amount on charge ({rest})")
    check_divisible(amount, charge.currency, param="amount")
    fault = faults.strike("refunds")
    return render(_refund(charge, amount, params, status=fault["value"] if fault else "succeeded"))


@operation()
def retrieve_refund(params: dict[str, Any], *, ref: str) -> Body:
    return render(find_refund(ref))


@operation(**PAGING, payment_intent=Text(), charge=Text())
def list_refunds(params: dict[str, Any]) -> Body:
    lookups = {"payment_intent": "charge__payment_intent__ref", "charge": "charge__ref"}
    chosen = {lookup: params[name] for name, lookup in lookups.items() if name in params}
    found = Refund.objects.select_related("charge__payment_intent").filter(**chosen)
    return list_page(found, params, url="/v1/refunds")


def find_refund(ref: str) -> Refund:
    refund = Refund.objects.select_related("charge__payment_intent").filter(ref=ref).first()
    if refund is None:
        raise no_such("refund", ref, param="refund")
    return refund


@transaction.atomic
def settle_refund(*, ref: str, succeeded: bool, failure_reason: str = DEFAULT_FAILURE) -> Refund:
    """Let a pending refund arrive or fail, or let the bank return one that arrived.

    Raises NotSettleable if it has already failed or would arrive twice, StripeError if there is no such refund.
    """
    refund = find_refund(ref)
    before, after = (["pending"], "succeeded") if succeeded else (["pending", "succeeded"], "failed")
    reason = None if succeeded else failure_reason
    if not Refund.objects.filter(pk=refund.pk, status__in=before).update(status=after, failure_reason=reason):
        raise NotSettleable(f"Refund {ref} is {refund.status}.")
    if not succeeded:
        Charge.objects.filter(pk=refund.charge_id).update(amount_refunded=F("amount_refunded") - refund.amount)
    refund = find_refund(ref)
    events.publish(*(["refund.updated"] if succeeded else ["refund.updated", "refund.failed"]), about=refund)
    return refund


def _charge_to_refund(params: dict[str, Any]) -> Charge:
    named = [name for name in ("charge", "payment_intent") if name in params]
    if not named:
        raise invalid("payment_intent", "One of the following params should be provided: charge, payment_intent.")
    charges = Charge.objects.select_related("payment_intent").filter(status="succeeded")
    for name in named:
        charges = charges.filter(**{"ref" if name == "charge" else "payment_intent__ref": params[name]})
    charge = charges.first()
    if charge is None:
        # An intent that exists but was never charged is distinguished from one that does not exist.
        raise _nothing_to_refund(named[-1], params[named[-1]])
    return charge


def _nothing_to_refund(name: str, ref: str) -> StripeError:
    tried = Charge.objects.filter(**{"ref" if name == "charge" else "payment_intent__ref": ref})
    if tried.exists():
        return invalid(name, f"This {name} ({ref}) does not have a successful charge to refund.")
    return no_such(name, ref, param=name, status=400)


def _refund(charge: Charge, amount: int, params: dict[str, Any], *, status: str) -> Refund:
    failed = status == "failed"
    refund = Refund.objects.create(
        charge=charge,
        amount=amount,
        status=status,
        reason=params.get("reason"),
        failure_reason=DEFAULT_FAILURE if failed else None,
        metadata=params.get("metadata", {}),
    )
    if failed:
        events.publish("refund.created", "refund.updated", "refund.failed", about=refund)
        return refund
    charge.amount_refunded += amount
    charge.save()
    events.publish("refund.created", about=refund)
    events.publish("charge.refunded", about=charge)
    if charge.amount_refunded == charge.amount:
        disputes.end_inquiries(charge)
    if status == "succeeded":
        events.publish("refund.updated", about=refund)
    return refund
