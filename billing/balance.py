"""What is left of a payment after refunds and disputes: counted anew from their rows each time one of them moves."""

import datetime as dt
from typing import Any

from django.db.models import QuerySet, Sum

from events.publishing import publish

from .events import PaymentFailed, PaymentRefunded
from .invoicing import correct_invoice
from .models import Payment
from .payments import payment_facts
from .states import DisputeStatus, PaymentStatus, RefundStatus

_MOVES = {
    PaymentStatus.PAID: Payment.restore,
    PaymentStatus.PARTIALLY_REFUNDED: Payment.refund_partly,
    PaymentStatus.REFUNDED: Payment.refund_fully,
    PaymentStatus.DISPUTED: Payment.contest,
}


def refundable_minor(payment: Payment) -> int:
    """What may still be sent back, in minor units: all that is neither back already nor on its way. The payment is
    locked, so nobody else is promising the same money."""
    promised = payment.refunds.exclude(status__in=[RefundStatus.FAILED, RefundStatus.CANCELED])
    return payment.amount_minor - _sum(promised) - _lost_minor(payment)


def recount_payment(*, payment: Payment, now: dt.datetime) -> None:
    """Bring `refunded_minor` and the status of a locked payment in line with its refunds and disputes.

    Publishes PaymentRefunded when more is back with the payer than before. Money that never counted because it did not
    fit ends its checkout once it is all back, so that the subject can be paid for properly.
    """
    before, was_mismatch = payment.refunded_minor, payment.is_mismatch
    returned = _sum(payment.refunds.filter(status=RefundStatus.SUCCEEDED)) + _lost_minor(payment)
    payment.refunded_minor = min(returned, payment.amount_minor)
    target = _status(payment)
    if target != payment.status:
        _MOVES[target](payment)
    payment.save(update_fields=["status", "refunded_minor"])
    if payment.refunded_minor > before:
        fully = payment.status == PaymentStatus.REFUNDED
        publish(PaymentRefunded(**payment_facts(payment), refunded_minor=payment.refunded_minor, fully=fully), now=now)
    if payment.refunded_minor != before:
        correct_invoice(payment=payment, now=now)
    if was_mismatch and payment.status == PaymentStatus.REFUNDED:
        _end_checkout(payment, now)


def _status(payment: Payment) -> PaymentStatus:
    is_back = payment.refunded_minor == payment.amount_minor
    if payment.status in (PaymentStatus.PENDING, PaymentStatus.FAILED):  # never counted as ours
        return PaymentStatus.REFUNDED if is_back else PaymentStatus(payment.status)
    if payment.disputes.filter(status=DisputeStatus.OPEN).exists():
        return PaymentStatus.DISPUTED
    if is_back:
        return PaymentStatus.REFUNDED
    return PaymentStatus.PARTIALLY_REFUNDED if payment.refunded_minor else PaymentStatus.PAID


def _end_checkout(payment: Payment, now: dt.datetime) -> None:
    checkout = payment.checkout
    if checkout is None or not checkout.is_live:
        return
    checkout.fail()
    checkout.settled_at = now
    checkout.save(update_fields=["status", "settled_at"])
    publish(PaymentFailed(**payment_facts(payment)), now=now)


def _lost_minor(payment: Payment) -> int:
    return _sum(payment.disputes.filter(status=DisputeStatus.LOST))


def _sum(rows: QuerySet[Any]) -> int:
    return int(rows.aggregate(total=Sum("amount_minor"))["total"] or 0)
