"""Routing decisions once they are made: their events, and ending the ones that wait for money."""

import datetime as dt
from typing import Any

from billing import checkout as billing_checkout
from billing.states import LIVE_CHECKOUTS
from core.errors import TransitionNotAllowed

from ..events import DecisionMade, DecisionRecorded
from ..models import EnrollmentDecision
from ..states import DecisionStatus


def decision_made(decision: EnrollmentDecision, now: dt.datetime) -> DecisionMade:
    """The first ENROLLMENT_DECISION event of a decision that was just saved."""
    return DecisionMade(**_facts(decision, now))


def decision_changed(decision: EnrollmentDecision, now: dt.datetime) -> DecisionRecorded:
    """Save a decision whose status was just moved; returns its next ENROLLMENT_DECISION event."""
    decision.updated_at = now
    decision.save(update_fields=["status", "message", "payment", "checkout", "updated_at"])
    return DecisionRecorded(**_facts(decision, now))


def cancel_decision(*, decision_id: int) -> EnrollmentDecision:
    """End the checkout a decision waits for. Should Stripe say that it was paid meanwhile, it is completed instead.

    Raises TransitionNotAllowed if the decision waits for no checkout, PaymentProviderDown.
    """
    decision = EnrollmentDecision.objects.get(pk=decision_id)
    if decision.status != DecisionStatus.CHECKOUT_REQUIRED or decision.checkout_id is None:
        raise TransitionNotAllowed(f"A decision that is {decision.status} has no open checkout to cancel.")
    billing_checkout.cancel_checkout(checkout_id=decision.checkout_id)
    return EnrollmentDecision.objects.get(pk=decision_id)


def cancel_open_checkouts(*, enrollment_id: int) -> None:
    """Have Stripe end whatever the enrollment could still be paid by, those of decisions given up during an outage too.

    Part of the caller's transaction, which has locked the enrollment.
    """
    payable = EnrollmentDecision.objects.filter(enrollment=enrollment_id, checkout__status__in=LIVE_CHECKOUTS)
    for checkout_id in payable.order_by("checkout_id").values_list("checkout_id", flat=True):
        billing_checkout.request_cancellation(checkout_id=checkout_id)


def _facts(decision: EnrollmentDecision, now: dt.datetime) -> dict[str, Any]:
    seat = decision.seat
    return {
        "workspace_id": decision.workspace_id,
        "decision_id": decision.pk,
        "provision_source": decision.provision_source,
        "tenant_id": decision.tenant_id,
        "guardian_id": decision.context.get("guardian_id"),
        "learner_email": decision.learner_email,
        "status": decision.status,
        "timestamp": now,
        "metadata": {
            "allocation_id": seat.allocation_id if seat else None,
            "seats_reserved": 1 if seat else 0,
            "reason": decision.reason,
            "enrollment_id": decision.enrollment.cuid,
            "checkout_id": decision.checkout_id,
        },
    }
