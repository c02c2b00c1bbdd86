"""What pays for an enrollment: the events of its routing decisions, and giving back its seat and money when it ends."""

import datetime as dt
from typing import Any

from accounts.staff_tasks import raise_staff_task
from billing import checkout as billing_checkout
from billing.errors import RefundExceedsPayment
from billing.models import Payment
from billing.purposes import as_subject
from billing.refunds import request_refund
from billing.states import LIVE_CHECKOUTS, PaymentStatus, RefundReason
from billing.task_kinds import REFUND_TO_DECIDE
from events.event import DomainEvent

from .events import DecisionMade, DecisionRecorded
from .history import Journal
from .locks import lock_decision
from .models import EnrollmentDecision, QuotedExit, SeatAssignment
from .seats import release_seat
from .states import LIVE_DECISIONS, OFFLINE_PURPOSE, PAID, DecisionStatus, Settlement


def decision_made(decision: EnrollmentDecision, now: dt.datetime) -> DecisionMade:
    """Return the first ENROLLMENT_DECISION event of a decision that was just saved."""
    return DecisionMade(**_facts(decision, now))


def decision_changed(decision: EnrollmentDecision, now: dt.datetime) -> DecisionRecorded:
    """Save a decision whose status just changed; returns its next ENROLLMENT_DECISION event."""
    decision.updated_at = now
    decision.save(update_fields=["status", "message", "payment", "checkout", "updated_at"])
    return DecisionRecorded(**_facts(decision, now))


def cancel_open_checkouts(*, enrollment_id: int, now: dt.datetime) -> None:
    """End every Stripe checkout by which the enrollment could still be paid, including those of decisions abandoned
    during an outage.

    Part of the caller's transaction, which has locked the enrollment.
    """
    for checkout_id in find_open_checkouts(enrollment_id):
        billing_checkout.request_cancellation(checkout_id=checkout_id, now=now)


def find_open_checkouts(enrollment_id: int) -> list[int]:
    """Return the checkouts of routing decisions that still ask money for the enrollment, or could still be paid."""
    payable = EnrollmentDecision.objects.filter(enrollment=enrollment_id, checkout__status__in=LIVE_CHECKOUTS)
    return list(payable.order_by("checkout_id").values_list("checkout_id", flat=True))


def end_funding(journal: Journal, seat: SeatAssignment | None, reason: str, *, is_refunded: bool) -> list[DomainEvent]:
    """Give back the seat, end the live decision, and settle the money; an open checkout ends after the commit."""
    enrollment = journal.enrollment
    now = journal.now
    events: list[DomainEvent] = []
    if seat is not None:
        released = release_seat(
            seat=seat,
            workspace_id=enrollment.workspace_id,
            enrollment_cuid=enrollment.cuid,
            reason=reason,
            now=now,
        )
        events += [released] if released else []
    live = EnrollmentDecision.objects.filter(enrollment=enrollment, status__in=LIVE_DECISIONS).first()
    decision = lock_decision(live.pk) if live else None
    cancel_open_checkouts(enrollment_id=enrollment.pk, now=now)
    _ask_about_offline_money(journal)
    if decision is None or decision.status == DecisionStatus.CHECKOUT_REQUIRED:
        return events  # a waiting decision ends once Stripe confirms that its checkout has ended
    decision.release()
    events.append(decision_changed(decision, now))
    if decision.payment_id is not None and enrollment.payment_status in PAID:
        _end_payment(decision.payment_id, journal, reason, is_refunded=is_refunded)
    return events


def _end_payment(payment_id: int, journal: Journal, reason: str, *, is_refunded: bool) -> None:
    """Refund the money of an ended enrollment, or ask staff whether to."""
    if is_refunded:
        try:
            request_refund(
                payment_id=payment_id,
                amount_minor=None,
                reason=RefundReason.NOT_ACCEPTED,
                actor=journal.actor,
                note=reason,
                now=journal.now,
            )
            return
        except RefundExceedsPayment:
            pass  # a refund is already on its way: staff decide about what is left after it
    enrollment = journal.enrollment
    ask_what_to_refund(workspace_id=enrollment.workspace_id, enrollment_cuid=enrollment.cuid, payment_id=payment_id)


def _ask_about_offline_money(journal: Journal) -> None:
    """Ask staff about money that came outside of Stripe: only they can send it back and reverse the payment."""
    enrollment = journal.enrollment
    if enrollment.payment_status not in PAID:
        return
    payments = Payment.objects.filter(
        purpose=OFFLINE_PURPOSE, subject=as_subject(enrollment.pk), status=PaymentStatus.PAID
    )
    for payment_id in payments.values_list("pk", flat=True):
        ask_what_to_refund(workspace_id=enrollment.workspace_id, enrollment_cuid=enrollment.cuid, payment_id=payment_id)


def ask_what_to_refund(*, workspace_id: int, enrollment_cuid: str, payment_id: int) -> None:
    """Let staff decide how much of a payment to refund, now that the enrollment it paid for has ended; part of the
    caller's transaction. They are not asked about what a quote has decided by rule.
    """
    quoted = QuotedExit.objects.filter(payment=payment_id, enrollment__cuid=enrollment_cuid)
    if quoted.filter(settlement=Settlement.BY_RULE, quote__confirmed_at__isnull=False).exists():
        return
    raise_staff_task(
        workspace_id=workspace_id,
        kind=REFUND_TO_DECIDE,
        subject=f"payment:{payment_id}",
        summary="An enrollment ended after it was paid: decide how much of the payment to refund.",
    )


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
        "occurred_at": now,
        "metadata": {
            "allocation_id": seat.allocation_id if seat else None,
            "seats_reserved": 1 if seat else 0,
            "reason": decision.reason,
            "enrollment_id": decision.enrollment.cuid,
            "checkout_id": decision.checkout_id,
        },
    }
