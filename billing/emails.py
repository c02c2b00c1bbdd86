"""The emails about money, to the address the payer gave: the invoice, and what goes back and why."""

import datetime as dt

from events.publishing import handles
from notifications.letters import Attachment, Email, register_email
from notifications.models import Notification
from notifications.sending import notify

from .events import MoneyEvent, PaymentFailed, PaymentRefunded
from .invoice_files import file_name, is_kept_by_vendor
from .invoice_pdf import render_invoice
from .invoicing import name_sources
from .letters import write_failure, write_invoice, write_refund
from .models import Checkout, Invoice, Payment, Refund
from .states import InvoiceStatus, PaymentStatus, RefundReason, RefundStatus

INVOICE = "invoice"
REFUND = "refund"
FAILED = "payment_failed"


def send_invoice(*, payment: Payment, recipient: str, now: dt.datetime) -> None:
    """Mail the payer the invoice, which the transaction issues before it ends. Without an address, nothing is sent."""
    if recipient:
        notify(
            workspace_id=payment.workspace_id,
            kind=INVOICE,
            recipient=recipient,
            subject_key=f"payment:{payment.pk}",
            params={"payment": payment.pk},
            now=now,
        )


@handles(PaymentRefunded)
def tell_of_refunds(event: PaymentRefunded) -> None:
    """Send one mail for each refund that has none yet. A bank's chargeback needs none, because the payer knows."""
    refunds = Refund.objects.filter(payment=event.payment_id, status=RefundStatus.SUCCEEDED)
    for refund_id in refunds.values_list("pk", flat=True):
        _notify_payer(REFUND, event, f"refund:{refund_id}", refund=refund_id)


@handles(PaymentFailed)
def tell_of_failure(event: PaymentFailed) -> None:
    """Tell the payer that the bank refused, days after they left the page. Money returned to its sender ends this way
    too; the mail about the refund covers that."""
    if event.payment_id is None:
        return
    if Payment.objects.filter(pk=event.payment_id, status=PaymentStatus.FAILED).exists():
        _notify_payer(FAILED, event, f"payment:{event.payment_id}", payment=event.payment_id)


def _notify_payer(kind: str, event: MoneyEvent, subject_key: str, **params: int) -> None:
    if event.checkout_id is None:
        return
    if payer := Checkout.objects.values_list("payer_email", flat=True).get(pk=event.checkout_id):
        notify(
            workspace_id=event.workspace_id,
            kind=kind,
            recipient=payer,
            subject_key=subject_key,
            params=params,
            now=event.occurred_at,
        )


def render_invoice_mail(notification: Notification) -> Email | None:
    invoices = Invoice.objects.standing().filter(payment=notification.params["payment"], corrects=None)
    invoice = invoices.first()
    return write_invoice(invoice=invoice, attachments=_attached(invoice)) if invoice else None


def render_refund_mail(notification: Notification) -> Email | None:
    """Render the mail; None if the bank has returned the money to us since: staff have a task and try another way."""
    refunds = Refund.objects.select_related("payment__checkout", "payment__workspace")
    refund = refunds.get(pk=notification.params["refund"])
    payment = refund.payment
    if refund.status != RefundStatus.SUCCEEDED or refund.settled_at is None or payment.checkout is None:
        return None
    corrections = list(Invoice.objects.filter(payment=payment, corrects__isnull=False).order_by("id"))
    name_sources(corrections, payment)
    correction = next(
        (each for each in reversed(corrections) if each.states(refund.source, -refund.amount_minor)), None
    )
    return write_refund(
        payment=payment,
        amount=refund.money,
        reason=RefundReason(refund.reason),
        is_last=payment.refunded_minor == payment.amount_minor,
        correction=correction.number if correction else "",
        attachments=_attached(correction) if correction else (),
    )


def render_failure_mail(notification: Notification) -> Email | None:
    payments = Payment.objects.select_related("checkout", "workspace")
    payment = payments.get(pk=notification.params["payment"])
    return write_failure(payment=payment) if payment.status == PaymentStatus.FAILED else None


def _attached(invoice: Invoice) -> tuple[Attachment, ...]:
    """Return the attachment: our own PDF. The reader's link fetches a vendor's PDF, so no mail waits for a vendor."""
    if invoice.status != InvoiceStatus.ISSUED or is_kept_by_vendor(invoice):
        return ()
    return (Attachment(file_name(invoice), render_invoice(invoice), "application/pdf"),)


register_email(INVOICE, render_invoice_mail)
register_email(REFUND, render_refund_mail)
register_email(FAILED, render_failure_mail)
