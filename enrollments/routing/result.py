"""The documented results of routing: one shape for a district seat, one for a parent who must pay."""

import datetime as dt
from dataclasses import dataclass
from enum import Enum
from typing import Any

from billing.discounts import discount_of
from billing.repricing import is_outdated
from billing.states import CheckoutStatus
from core.errors import DomainError, require

from ..models import EnrollmentDecision
from ..states import DecisionStatus, ProvisionSource

DISTRICT_MESSAGE = "Successfully enrolled via district allocation"
PARENT_MESSAGE = "Checkout session created for parent payment"
PARENT_PAID_MESSAGE = "Successfully enrolled via parent payment"
PROVIDER_DOWN_MESSAGE = "The payment provider did not answer; repeat the request to continue"


class PaymentStep(Enum):
    """What is left to do with Stripe once a decision is committed."""

    NONE = "none"
    OPEN_SESSION = "open_session"  # the intent is recorded, but Stripe has not confirmed it
    ASK_STRIPE = "ask_stripe"  # the session has expired, or its price is outdated; only Stripe knows how it ended


@dataclass(slots=True)
class Routed:
    """A decision and the result of the request: an answer, or a refusal that is recorded anyway."""

    decision: EnrollmentDecision
    seats_available: int | None = None
    refusal: DomainError | None = None

    @property
    def checkout_id(self) -> int:
        return require(self.decision.checkout_id, "a decision for the parent path has its checkout")

    def payment_step(self, now: dt.datetime) -> PaymentStep:
        """Return what Stripe has to be asked before the answer is complete."""
        checkout = self.decision.checkout
        if self.decision.status != DecisionStatus.CHECKOUT_REQUIRED or checkout is None:
            return PaymentStep.NONE
        if not checkout.stripe_session_id:
            return PaymentStep.OPEN_SESSION
        is_over = checkout.status == CheckoutStatus.OPEN and checkout.expires_at <= now
        return PaymentStep.ASK_STRIPE if is_over or is_outdated(checkout) else PaymentStep.NONE

    def answer(self) -> dict[str, Any]:
        return routing_answer(self.decision, seats_available=self.seats_available)


def routing_answer(decision: EnrollmentDecision, *, seats_available: int | None) -> dict[str, Any]:
    """Return the response of `POST /api/enroll` for a decision that stands, for the first and each repeated request."""
    if decision.provision_source == ProvisionSource.DISTRICT:
        specific: dict[str, Any] = {
            "tenant_id": decision.tenant_id,
            "seats_reserved": 1 if decision.seat_id else 0,
            "seats_available": seats_available,
        }
    else:
        specific = {"guardian_id": decision.context.get("guardian_id")} | checkout_fields(decision)
        specific |= discount_fields(decision)
    return {
        "provision_source": decision.provision_source,
        "status": decision.status,
        **specific,
        "decision_id": decision.pk,
        "enrollment_id": decision.enrollment.cuid,
        "reason": decision.reason,
        "message": decision.message,
    }


def discount_fields(decision: EnrollmentDecision) -> dict[str, Any]:
    """Return the fields for what the parent's payment page takes off the list price; none without a discount."""
    discount = discount_of(decision.checkout) if decision.checkout else None
    if discount is None:
        return {}
    return {
        "discount": discount.label,
        "list_minor": discount.list_minor,
        "discount_minor": discount.discount_minor,
        "currency": discount.currency,
    }


def checkout_fields(decision: EnrollmentDecision) -> dict[str, str | None]:
    """Return the Stripe session that a parent was sent to; its url only while it can still be paid."""
    checkout = decision.checkout
    payable = decision.status == DecisionStatus.CHECKOUT_REQUIRED
    return {
        "checkout_session_id": checkout.stripe_session_id if checkout else None,
        "checkout_url": (checkout.url or None) if checkout and payable else None,
    }
