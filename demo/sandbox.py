"""Tell the sandbox about the demo's past, so that later actions work: what was sold, for refunds, bank debits, and
sweeps; which learners partners teach, so that a click on a course's page notifies us; and the secrets of the event
receivers.

The sandbox could not have recorded this itself: Stripe accepts no payments dated half a year ago.
"""

from typing import Any

import httpx
from django.conf import settings

from accounts.models import Workspace
from billing.gateways.amounts import to_stripe
from billing.models import Checkout, Dispute, Payment
from billing.states import CheckoutStatus, DisputeStatus, RefundStatus
from core.errors import require
from partners.models import EnrollmentStep, Provider
from partners.states import PartnerStepStatus

from .dialects import DIALECTS
from .webhooks import receivers_of

AT_ONCE = 200
SECONDS = 30
_SESSIONS = {CheckoutStatus.OPEN: "open", CheckoutStatus.EXPIRED: "expired", CheckoutStatus.CANCELLED: "expired"}
_REFUNDS = {RefundStatus.PENDING: "pending", RefundStatus.SUCCEEDED: "succeeded"}
_STEPS = {PartnerStepStatus.COMPLETED: "completed", PartnerStepStatus.IN_PROGRESS: "active"}
_DISPUTES = {
    DisputeStatus.INQUIRY: "warning_needs_response",
    DisputeStatus.CLOSED: "warning_closed",
    DisputeStatus.OPEN: "needs_response",
    DisputeStatus.WON: "won",
    DisputeStatus.LOST: "lost",
}


def is_sandbox_there() -> bool:
    """Return whether the sandbox answers."""
    try:
        return httpx.get(f"{settings.SANDBOX_URL}/_sandbox/health", timeout=2).is_success
    except (httpx.HTTPError, httpx.InvalidURL):
        return False


def tell_sandbox(workspace: Workspace) -> int:
    """Tell the sandbox about every checkout session of the workspace and every learner at its partners. Return the
    number of sessions. Raise httpx.HTTPError.
    """
    checkouts = Checkout.objects.filter(workspace=workspace, stripe_session_id__isnull=False).order_by("pk")
    sessions = [_session(one) for one in checkouts.prefetch_related("payments__refunds", "payments__disputes")]
    for first in range(0, len(sessions), AT_ONCE):
        _tell("history", {"sessions": sessions[first : first + AT_ONCE]})
    for provider in Provider.objects.filter(workspace=workspace).order_by("pk"):
        _tell_partner(provider)
    for slug, known in receivers_of(workspace).items():
        _tell(f"receivers/{slug}", known)
    return len(sessions)


def _tell_partner(provider: Provider) -> None:
    """Set the partner's system up as ours knows it, with the learners that it has accepted."""
    steps = EnrollmentStep.objects.filter(provider=provider, external_enrollment_id__isnull=False).order_by("pk")
    at_once = {
        "api_key": provider.api_key,
        "webhook_url": f"{settings.PUBLIC_URL}/api/webhooks/partners/{provider.slug}",
        "secret": provider.webhook_secret,
        "dialect": DIALECTS.get(provider.slug, "plain"),
    }
    _tell(f"lms/{provider.slug}", at_once)
    learners = [_learner(step) for step in steps.select_related("enrollment__learner", "item")]
    _tell(f"lms/{provider.slug}/history", {"enrollments": learners})


def _tell(path: str, body: dict[str, Any]) -> None:
    httpx.post(f"{settings.SANDBOX_URL}/_sandbox/{path}", json=body, timeout=SECONDS).raise_for_status()


def _learner(step: EnrollmentStep) -> dict[str, Any]:
    learner = require(step.enrollment.learner, "an approved enrollment has a learner")
    return {
        "id": step.external_enrollment_id,
        "reference": step.cuid,
        "course_id": step.course,
        "learner": {"id": learner.cuid},
        "status": _STEPS.get(PartnerStepStatus(step.status), "withdrawn"),
        "progress": step.progress,
        "created": int(require(step.started_at, "the partner has accepted").timestamp()),
        "completed": int(step.completed_at.timestamp()) if step.completed_at else None,
    }


def _session(checkout: Checkout) -> dict[str, Any]:
    payment = checkout.payments.order_by("id").first()
    return {
        "id": checkout.stripe_session_id,
        "client_reference_id": checkout.reference,
        "status": "complete" if payment else _SESSIONS[CheckoutStatus(checkout.status)],
        "amount_total": to_stripe((payment or checkout).money),
        "currency": (payment or checkout).currency,
        "created": int(checkout.created_at.timestamp()),
        "expires_at": int(checkout.expires_at.timestamp()),
        "success_url": checkout.success_url,
        "cancel_url": checkout.cancel_url,
        "metadata": {**checkout.metadata, "checkoutId": str(checkout.pk)},
        "payer_email": checkout.payer_email,
        "payment": _payment(payment) if payment else None,
    }


def _payment(payment: Payment) -> dict[str, Any]:
    is_refused = payment.status == "failed"
    unpaid = "requires_payment_method" if is_refused else "processing"
    dispute = payment.disputes.order_by("id").first()
    return {
        "id": payment.payment_intent_id,
        "status": "succeeded" if payment.paid_at else unpaid,
        "refunds": [
            {
                "id": refund.stripe_refund_id,
                "amount": to_stripe(refund.money),
                "status": _REFUNDS.get(RefundStatus(refund.status), "failed"),
                "created": int(refund.created_at.timestamp()),
                "metadata": {"reference": refund.reference},
            }
            for refund in payment.refunds.order_by("pk")
            if refund.stripe_refund_id
        ],
        "dispute": _dispute(dispute) if dispute else None,
    }


def _dispute(dispute: Dispute) -> dict[str, Any]:
    return {
        "id": dispute.stripe_dispute_id,
        "amount": to_stripe(dispute.money),
        "reason": dispute.reason,
        "status": _DISPUTES[DisputeStatus(dispute.status)],
    }
