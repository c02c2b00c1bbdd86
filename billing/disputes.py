"""A payer's bank asks about a payment or contests it: staff get a task, access stays, and money follows the bank."""

import datetime as dt

import structlog
from django.db import transaction
from django_fsm import can_proceed

from accounts.staff_tasks import raise_staff_task
from core.logs import after_commit
from core.text import fit
from events.publishing import publish

from .balance import recount_payment
from .events import PaymentDisputeClosed, PaymentDisputed
from .gateways.contract import DisputeSnapshot
from .locks import lock_payment_with_subject
from .models import Dispute, Payment
from .payments import logged, payment_facts
from .states import UNDECIDED_DISPUTES, DisputeStatus
from .task_kinds import DISPUTE

log = structlog.get_logger(__name__)

# Stripe's statuses in our words; any other is a dispute that is being decided. `charge_refunded` is how Stripe used to
# end disputes; an appeal follows a lost dispute, whose money stays gone in the meantime.
_STATUSES = {
    "warning_needs_response": DisputeStatus.INQUIRY,
    "warning_under_review": DisputeStatus.INQUIRY,
    "warning_closed": DisputeStatus.CLOSED,
    "charge_refunded": DisputeStatus.CLOSED,
    "won": DisputeStatus.WON,
    "lost": DisputeStatus.LOST,
    "appeal_needs_response": DisputeStatus.LOST,
    "appeal_under_review": DisputeStatus.LOST,
}
_MOVES = {
    DisputeStatus.OPEN: Dispute.escalate,
    DisputeStatus.CLOSED: Dispute.close,
    DisputeStatus.WON: Dispute.win,
    DisputeStatus.LOST: Dispute.lose,
}


@transaction.atomic
def record_dispute(*, payment_id: int, snapshot: DisputeSnapshot, now: dt.datetime) -> Dispute:
    """Bring our dispute to the state of Stripe's. A decided dispute stays decided, whatever an older snapshot says."""
    payment = lock_payment_with_subject(payment_id)
    status = status_of(snapshot)
    dispute = payment.disputes.filter(stripe_dispute_id=snapshot.id).first()
    before = dispute.status if dispute else None
    if dispute is None:
        dispute = _open(payment, snapshot, now)
    if status != dispute.status:
        _move(payment, dispute, status, now)
    if status == dispute.status:  # otherwise the snapshot is older than what we know
        dispute.amount_minor = snapshot.amount_minor
        dispute.withdrawn_minor = _withdrawn(status, snapshot)
        dispute.blocks_refunds = not snapshot.is_charge_refundable
        dispute.save()
    if dispute.status != before:
        after_commit(log.info, f"dispute_{dispute.status}", dispute=dispute.pk, **logged(payment))
    recount_payment(payment=payment, now=now)
    return dispute


def status_of(snapshot: DisputeSnapshot) -> DisputeStatus:
    """Return Stripe's status in our words. A prevented dispute came to nothing, unless it took the money."""
    if snapshot.status == "prevented":
        return DisputeStatus.LOST if snapshot.withdrawn_minor else DisputeStatus.CLOSED
    return _STATUSES.get(snapshot.status, DisputeStatus.OPEN)


def _withdrawn(status: DisputeStatus, snapshot: DisputeSnapshot) -> int:
    """Return what the bank holds or keeps. If Stripe lists no movement: everything for a dispute, nothing otherwise."""
    if status not in (DisputeStatus.OPEN, DisputeStatus.LOST):
        return 0
    known = snapshot.withdrawn_minor
    if known is None or (status == DisputeStatus.LOST and known == 0):
        return snapshot.amount_minor
    return min(known, snapshot.amount_minor)


def _open(payment: Payment, snapshot: DisputeSnapshot, now: dt.datetime) -> Dispute:
    is_inquiry = status_of(snapshot) == DisputeStatus.INQUIRY
    dispute = payment.disputes.create(
        stripe_dispute_id=snapshot.id,
        amount_minor=snapshot.amount_minor,
        reason=fit(Dispute, "reason", snapshot.reason),
        status=DisputeStatus.INQUIRY if is_inquiry else DisputeStatus.OPEN,
        opened_at=snapshot.created_at,
    )
    _tell_staff(payment, dispute)
    publish(PaymentDisputed(**payment_facts(payment, now)))
    return dispute


def _move(payment: Payment, dispute: Dispute, status: DisputeStatus, now: dt.datetime) -> None:
    move = _MOVES.get(status)
    if move is None or not can_proceed(getattr(dispute, move.__name__)):
        return
    move(dispute)
    if status in UNDECIDED_DISPUTES:
        dispute.closed_at = None
        _tell_staff(payment, dispute)
        return
    dispute.closed_at = now
    publish(PaymentDisputeClosed(**payment_facts(payment, now), won=status != DisputeStatus.LOST))


def _tell_staff(payment: Payment, dispute: Dispute) -> None:
    reason = dispute.reason.replace("_", " ")
    if dispute.status == DisputeStatus.INQUIRY:
        fact = f"The payer's bank asks about the payment ({reason}): answer in Stripe, or refund it."
    else:
        fact = f"The payment is disputed ({reason}): answer in Stripe before its deadline."
    raise_staff_task(workspace_id=payment.workspace_id, kind=DISPUTE, subject=f"payment:{payment.pk}", summary=fact)
