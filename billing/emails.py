"""The emails about money, to the address the payer gave: the invoice, and what goes back and why."""

from django.urls import reverse

from events.publishing import handles
from notifications.letters import Attachment, Email, compose, register_email
from notifications.models import Notification
from notifications.sending import notify

from .events import MoneyEvent, PaymentRefunded, PaymentSucceeded
from .invoice_pdf import render_invoice
from .models import Checkout, Invoice, Refund
from .states import RefundReason, RefundStatus

INVOICE = "invoice"
REFUND = "refund"


@handles(PaymentSucceeded)
def send_invoice(event: PaymentSucceeded) -> None:
    """The invoice is issued by the end of this transaction; the mail carries it."""
    _notify_payer(INVOICE, event, f"payment:{event.payment_id}", payment=event.payment_id or 0)


@handles(PaymentRefunded)
def tell_of_refunds(event: PaymentRefunded) -> None:
    """One mail for each refund; those of earlier events have theirs. What a bank took back the payer knows."""
    refunds = Refund.objects.filter(payment=event.payment_id, status=RefundStatus.SUCCEEDED)
    for refund_id in refunds.values_list("pk", flat=True):
        _notify_payer(REFUND, event, f"refund:{refund_id}", refund=refund_id)


def _notify_payer(kind: str, event: MoneyEvent, subject_key: str, **params: int) -> None:
    payer = Checkout.objects.filter(pk=event.checkout_id or 0).values_list("payer_email", flat=True).first()
    if payer:
        notify(workspace_id=event.workspace_id, kind=kind, recipient=payer, subject_key=subject_key, params=params)


def write_invoice(notification: Notification) -> Email | None:
    invoice = Invoice.objects.filter(payment=notification.params["payment"], corrects=None).first()
    if invoice is None:
        return None
    context = {
        "number": invoice.number,
        "amount": str(invoice.money),
        "description": invoice.lines[0]["description"],
        "seller": invoice.seller_name,
        "invoice_path": reverse("invoice-pdf", args=[invoice.cuid]),
    }
    return compose("billing/invoice", context, attachments=(_attached(invoice),))


def write_refund(notification: Notification) -> Email | None:
    """None if the bank sent the money back to us meanwhile: staff have a task, and it is tried another way."""
    refunds = Refund.objects.select_related("payment__checkout", "payment__workspace")
    refund = refunds.get(pk=notification.params["refund"])
    payment, checkout = refund.payment, refund.payment.checkout
    if refund.status != RefundStatus.SUCCEEDED or refund.settled_at is None or checkout is None:
        return None
    corrections = Invoice.objects.filter(payment=payment, corrects__isnull=False)
    correction = corrections.filter(issued_at=refund.settled_at).first()  # the same transaction recorded both
    context = {
        "amount": str(refund.money),
        "paid": str(payment.money),
        "is_partial": refund.amount_minor < payment.amount_minor,
        "description": checkout.description,
        "reason": _REASONS.get(RefundReason(refund.reason), ""),
        "correction": correction.number if correction else "",
        "seller": payment.workspace.name,
    }
    attachments = (_attached(correction),) if correction else ()
    return compose("billing/refund", context, attachments=attachments)


_REASONS = {
    RefundReason.DUPLICATE: "This had been paid for already, so your second payment goes back in full.",
    RefundReason.PLACE_LOST: (
        "When your payment arrived, the last place was gone. We are sorry: we hold a place while you pay, but your "
        "payment came after that time was over."
    ),
    RefundReason.NOT_NEEDED: "The enrollment this payment was for had ended, so there was nothing left to pay for.",
}


def _attached(invoice: Invoice) -> Attachment:
    return Attachment(f"invoice-{invoice.number}.pdf", render_invoice(invoice), "application/pdf")


register_email(INVOICE, write_invoice)
register_email(REFUND, write_refund)
