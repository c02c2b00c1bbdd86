"""Money that came outside of Stripe: it counts because somebody vouches for it, and is reversed the same way."""

import datetime as dt
from dataclasses import dataclass

import structlog
from django.db import IntegrityError, transaction

from accounts.models import User
from core.actors import Actor
from core.database_errors import violates
from core.errors import NotFound
from core.logs import after_commit
from core.money import Money
from core.text import fit
from events.publishing import publish

from .balance import recount_payment
from .errors import AlreadyPaid, PaymentNotRefundable
from .events import PaymentSucceeded
from .invoicing import Buyer, issue_invoice
from .locks import lock_payment_with_subject
from .models import Payment, Refund
from .payments import logged, payment_facts
from .states import OfflineMeans, PaymentMethod, PaymentStatus, RefundReason

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Proof:
    """Who vouches for money that came outside of Stripe, and what they say about it."""

    means: OfflineMeans
    actor: Actor
    reference: str = ""  # on the bank statement, the receipt, the check
    note: str = ""  # for colleagues
    amount_minor: int | None = None  # how much came, if they say so
    currency: str | None = None


def record_offline_payment(
    *,
    workspace_id: int,
    purpose: str,
    subject: str,
    money: Money,
    proof: Proof,
    buyer: Buyer,
    now: dt.datetime,
) -> Payment:
    """Record money that is here, with its invoice. Raises AlreadyPaid.

    Part of the caller's transaction, which holds the subject's lock, has checked that nothing else pays for it, and
    knows that this is the whole price.
    """
    payment = Payment(
        workspace_id=workspace_id,
        purpose=purpose,
        subject=subject,
        method=PaymentMethod.OFFLINE,
        means=proof.means,
        reference=proof.reference,
        note=fit(Payment, "note", proof.note),
        recorded_by=str(proof.actor),
        amount_minor=money.minor,
        currency=money.currency,
        paid_at=now,
        created_at=now,
    )
    payment.receive()
    try:
        with transaction.atomic():
            payment.save(force_insert=True)
    except IntegrityError as error:
        if not violates(error, "payment_one_offline_per_subject"):
            raise
        raise AlreadyPaid from error
    after_commit(log.info, "payment_recorded", **logged(payment), means=payment.means, actor=payment.recorded_by)
    publish(PaymentSucceeded(**payment_facts(payment, now)))
    issue_invoice(payment=payment, buyer=buyer, now=now)  # last: payments of a workspace wait here for each other
    return payment


@transaction.atomic
def reverse_offline_payment(
    *, payment_id: int, is_returned: bool, note: str, actor: Actor, user: User | None = None, now: dt.datetime
) -> Payment:
    """Reverse a payment made outside of Stripe: its money was given back (`is_returned`), or never arrived. A
    correction of its invoice is issued, and the purpose's app reacts.

    Raises NotFound, and PaymentNotRefundable for Stripe's money and for a payment that no longer counts.
    """
    if not Payment.objects.filter(pk=payment_id).exists():
        raise NotFound("There is no such payment.")
    payment = lock_payment_with_subject(payment_id)
    if payment.method != PaymentMethod.OFFLINE:
        raise PaymentNotRefundable("It was paid through Stripe. Refund it, and the money goes back.")
    if payment.status != PaymentStatus.PAID:
        raise PaymentNotRefundable(f"A payment that is {payment.get_status_display().lower()} can't be reversed.")
    refund = Refund(
        payment=payment,
        amount_minor=payment.amount_minor,
        reason=RefundReason.REQUESTED if is_returned else RefundReason.NOT_RECEIVED,
        note=fit(Refund, "note", note),
        actor=str(actor),
        requested_by=user,
        created_at=now,
        settled_at=now,
        next_attempt_at=now,
    )
    refund.succeed()
    refund.save(force_insert=True)
    after_commit(log.info, "payment_reversed", **logged(payment), reason=refund.reason, actor=str(actor))
    recount_payment(payment=payment, now=now)
    return payment
