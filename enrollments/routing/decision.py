"""Ending a routing decision that waits for money."""

import datetime as dt

from billing.checkout import cancel_checkout
from core.errors import TransitionNotAllowed

from ..models import EnrollmentDecision
from ..states import DecisionStatus


def cancel_decision(*, decision_id: int, now: dt.datetime) -> EnrollmentDecision:
    """End the checkout that a decision waits for. If Stripe says it was paid first, the decision is completed instead.

    Raises TransitionNotAllowed if the decision waits for no checkout, PaymentProviderDown.
    """
    decision = EnrollmentDecision.objects.get(pk=decision_id)
    if decision.status != DecisionStatus.CHECKOUT_REQUIRED or decision.checkout_id is None:
        raise TransitionNotAllowed(f"A decision that is {decision.status} has no open checkout to cancel.")
    cancel_checkout(checkout_id=decision.checkout_id, now=now)
    return EnrollmentDecision.objects.get(pk=decision_id)
