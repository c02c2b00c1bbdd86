"""Routing decisions once they are made: their events, and ending the ones that wait for money."""

import datetime as dt
from typing import Any

from billing import checkout as billing_checkout
from enrollment_project.core.errors import TransitionNotAllowed

from .events import DecisionMade, DecisionRecorded
from .models import EnrollmentDecision
from .states import DecisionStatus


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
