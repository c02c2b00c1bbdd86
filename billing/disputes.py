"""A payer's bank contests a payment: staff have a task, access stays, and the money follows the bank's decision."""

import datetime as dt

from django.db import transaction

from accounts.staff_tasks import raise_staff_task
from enrollment_project.core.text import fit
from events.publishing import publish

from .balance import recount_payment
from .events import PaymentDisputeClosed, PaymentDisputed
from .gateways.contract import DisputeSnapshot
from .locks import lock_payment_with_subject
from .models import Dispute, Payment
from .payments import payment_facts
from .states import DisputeStatus

# Stripe's last words; everything else is still being decided. An inquiry that is closed costs nothing.
_WON = {"won", "warning_closed", "prevented", "charge_refunded"}
_LOST = {"lost"}


@transaction.atomic
def record_dispute(*, payment_id: int, snapshot: DisputeSnapshot, now: dt.datetime) -> Dispute:
    """Move our dispute to where Stripe's is. One that was decided stays so, whatever an older snapshot says."""
    payment = lock_payment_with_subject(payment_id)
    dispute = payment.disputes.filter(stripe_dispute_id=snapshot.id).first() or _open(payment, snapshot, now)
    if dispute.status == DisputeStatus.OPEN and snapshot.status in _WON | _LOST:
        _close(payment, dispute, won=snapshot.status in _WON, now=now)
    recount_payment(payment=payment, now=now)
    return dispute


def _open(payment: Payment, snapshot: DisputeSnapshot, now: dt.datetime) -> Dispute:
    dispute = payment.disputes.create(
        stripe_dispute_id=snapshot.id,
        amount_minor=snapshot.amount_minor,
        reason=fit(Dispute, "reason", snapshot.reason),
        opened_at=snapshot.created_at,
    )
    raise_staff_task(
        workspace_id=payment.workspace_id,
        kind="dispute",
        subject=f"payment:{payment.pk}",
        summary=f"Payment {payment.pk} is disputed ({dispute.reason}): answer in Stripe before its deadline.",
    )
    publish(PaymentDisputed(**payment_facts(payment)), now=now)
    return dispute


def _close(payment: Payment, dispute: Dispute, *, won: bool, now: dt.datetime) -> None:
    if won:
        dispute.win()
    else:
        dispute.lose()
    dispute.closed_at = now
    dispute.save(update_fields=["status", "closed_at"])
    publish(PaymentDisputeClosed(**payment_facts(payment), won=won), now=now)
