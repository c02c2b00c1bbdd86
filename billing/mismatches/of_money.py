"""The mismatches visible in money alone: between Stripe and us, and between payments and their documents."""

import datetime as dt
from collections.abc import Iterator

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from core.errors import NotFound, require

from ..checkout import adopt_session, settle_checkout
from ..gateways.stripe import get_gateway
from ..invoicing import Buyer, correct_invoice, issue_invoice, retry_invoice
from ..locks import lock_payment
from ..models import Invoice, Mismatch, Payment, Payout, PayoutLine, Refund
from ..payouts import read_payout
from ..refunds import request_refund, settle_refunds
from ..states import (
    FAILED_REFUNDS,
    NO_MONEY_YET,
    InvoiceStatus,
    PaymentMethod,
    PaymentStatus,
    PayoutLineKind,
    RefundReason,
)
from .kinds import Found, MismatchKind, Repair, register_mismatch_kind


def _of_lines(lines: QuerySet[PayoutLine]) -> Iterator[Found]:
    for pk, minor, currency, at in lines.values_list("pk", "amount_minor", "currency", "moved_at"):
        yield Found(f"payout-line:{pk}", minor, currency, at)


def of_payments(payments: QuerySet[Payment]) -> Iterator[Found]:
    rows = payments.annotate(at=Coalesce("paid_at", "created_at"))
    for pk, minor, currency, at in rows.values_list("pk", "amount_minor", "currency", "at"):
        yield Found(f"payment:{pk}", minor, currency, at)


def _unknown_payments(workspace_id: int, now: dt.datetime) -> Iterator[Found]:
    """Find lines that belong to no payment, or to one that we think has not come yet."""
    lines = PayoutLine.objects.filter(workspace=workspace_id, kind=PayoutLineKind.PAYMENT)
    return _of_lines(lines.filter(Q(payment=None) | Q(payment__paid_at=None)))


def _fetch_payment(repair: Repair) -> None:
    line = PayoutLine.objects.get(pk=repair.mismatch.subject_id)
    session = get_gateway().find_session_of_payment(line.payment_intent_id)
    checkout_id = adopt_session(session=session, now=repair.now) if session else None
    if checkout_id is None:
        raise NotFound("No checkout of ours asked for this money. Refund it in Stripe's dashboard, or explain it.")
    settle_checkout(checkout_id=checkout_id, now=repair.now)


def _unknown_refunds(workspace_id: int, now: dt.datetime) -> Iterator[Found]:
    ours = Refund.objects.filter(payment=OuterRef("payment"), stripe_refund_id=OuterRef("source_id"))
    lines = PayoutLine.objects.filter(workspace=workspace_id, kind=PayoutLineKind.REFUND, payment__isnull=False)
    return _of_lines(lines.exclude(Exists(ours)))


def _fetch_refunds(repair: Repair) -> None:
    line = PayoutLine.objects.get(pk=repair.mismatch.subject_id)
    payment_id = require(line.payment_id, "only refunds of payments that we know are found")
    settle_refunds(payment_id=payment_id, now=repair.now)


def _differing_payouts(workspace_id: int, now: dt.datetime) -> Iterator[Found]:
    mine = PayoutLine.objects.filter(payout=OuterRef("pk"), workspace=workspace_id)
    for payout in Payout.objects.filter(Exists(mine)).differing():
        yield Found(f"payout:{payout.pk}", payout.amount_minor - payout.net, payout.currency, payout.made_at)


def _misfits(workspace_id: int, now: dt.datetime) -> Iterator[Found]:
    came = Payment.objects.filter(workspace=workspace_id, status=PaymentStatus.PENDING, method=PaymentMethod.STRIPE)
    return of_payments(came.filter(paid_at__isnull=False))


def _send_back(repair: Repair) -> None:
    request_refund(
        payment_id=repair.mismatch.subject_id,
        amount_minor=None,
        reason=RefundReason.NOT_NEEDED,
        actor=repair.actor,
        user=repair.user,
        note=repair.note,
        now=repair.now,
    )


def _wrongly_invoiced(workspace_id: int, now: dt.datetime) -> Iterator[Found]:
    """Find payments whose documents do not match what is left of them."""
    counted = Payment.objects.filter(workspace=workspace_id, paid_at__isnull=False).exclude(status__in=NO_MONEY_YET)
    stands = ~Q(invoices__status=InvoiceStatus.CANCELLED)
    invoiced = counted.annotate(invoiced=Coalesce(Sum("invoices__amount_minor", filter=stands), 0))
    wrong = invoiced.exclude(invoiced=F("amount_minor") - F("refunded_minor"))
    never = Q(status=PaymentStatus.REFUNDED) & ~Exists(Invoice.objects.filter(payment=OuterRef("pk")))
    return of_payments(wrong.exclude(never))


@transaction.atomic
def _issue(repair: Repair) -> None:
    payment = lock_payment(repair.mismatch.subject_id)
    payer = payment.checkout.payer_email if payment.checkout else ""
    issue_invoice(payment=payment, buyer=Buyer(payer), now=repair.now)
    correct_invoice(payment=payment, now=repair.now)


def _failed_invoices(workspace_id: int, now: dt.datetime) -> Iterator[Found]:
    failed = Invoice.objects.filter(workspace=workspace_id, status=InvoiceStatus.FAILED)
    for pk, minor, currency, at in failed.values_list("pk", "amount_minor", "currency", "requested_at"):
        yield Found(f"invoice:{pk}", minor, currency, at)


def _failed_refunds(workspace_id: int, now: dt.datetime) -> Iterator[Found]:
    """Find payments whose last refund failed while the money is still here."""
    later = Refund.objects.filter(payment=OuterRef("payment"), id__gt=OuterRef("pk"))
    failed = Refund.objects.filter(payment__workspace=workspace_id, status__in=FAILED_REFUNDS).exclude(Exists(later))
    still_here = failed.filter(amount_minor__lte=F("payment__amount_minor") - F("payment__refunded_minor"))
    for pk, minor, currency, at in still_here.values_list("pk", "amount_minor", "payment__currency", "created_at"):
        yield Found(f"refund:{pk}", minor, currency, at)


def _refund_again(repair: Repair) -> None:
    failed = Refund.objects.get(pk=repair.mismatch.subject_id)
    request_refund(
        payment_id=failed.payment_id,
        amount_minor=failed.amount_minor,
        reason=RefundReason(failed.reason),
        actor=repair.actor,
        user=repair.user,
        note=repair.note,
        now=repair.now,
    )


def foresee_full_refund(mismatch: Mismatch) -> str:
    return f"What is left of {mismatch.money} goes back to the payer."


register_mismatch_kind(
    MismatchKind(
        name="unknown_payment",
        label="Paid at Stripe, not here",
        meaning="Stripe received this money and paid it out, but no payment here records it.",
        find=_unknown_payments,
        repair=_fetch_payment,
        foresee=lambda mismatch: "Fetches its checkout from Stripe and records the payment.",
        asks_stripe=True,
    )
)
register_mismatch_kind(
    MismatchKind(
        name="unknown_refund",
        label="Refunded at Stripe, not here",
        meaning="Stripe sent this money back, but no refund here records it.",
        find=_unknown_refunds,
        repair=_fetch_refunds,
        foresee=lambda mismatch: "Fetches all refunds of the payment from Stripe and records them.",
        asks_stripe=True,
    )
)
register_mismatch_kind(
    MismatchKind(
        name="payout_differs",
        label="Payout that differs from its lines",
        meaning="The amount sent to the bank differs from the total of its lines. The difference is shown.",
        find=_differing_payouts,
        repair=lambda repair: read_payout(payout_id=repair.mismatch.subject_id, now=repair.now),
        foresee=lambda mismatch: "Fetches all lines of the payout from Stripe again.",
        asks_stripe=True,
    )
)
register_mismatch_kind(
    MismatchKind(
        name="not_as_asked",
        label="Amount that differs from the price",
        meaning="It came in another amount or currency than its checkout asked for, and pays for nothing.",
        find=_misfits,
        repair=_send_back,
        foresee=foresee_full_refund,
        has_task=True,
    )
)
register_mismatch_kind(
    MismatchKind(
        name="wrongly_invoiced",
        label="Payment without its invoice or correction",
        meaning="The total of a payment's invoice and its corrections differs from what is left of the payment.",
        find=_wrongly_invoiced,
        repair=_issue,
        foresee=lambda mismatch: "Issues the missing invoice or correction with today's date.",
    )
)
register_mismatch_kind(
    MismatchKind(
        name="failed_invoice",
        label="Invoice that the vendor refused",
        meaning="The document is not issued: the invoicing service refused it, or never answered.",
        find=_failed_invoices,
        repair=lambda repair: retry_invoice(invoice_id=repair.mismatch.subject_id, actor=repair.actor, now=repair.now),
        foresee=lambda mismatch: "Asks the invoicing service again.",
        has_task=True,
    )
)
register_mismatch_kind(
    MismatchKind(
        name="failed_refund",
        label="Refund that failed",
        meaning="The payer should have gotten this money back, but the bank or Stripe refused.",
        find=_failed_refunds,
        repair=_refund_again,
        foresee=lambda mismatch: f"{mismatch.money} is sent back to the payer once more.",
        has_task=True,
    )
)
