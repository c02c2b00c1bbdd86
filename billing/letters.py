"""The text of the mails about money, for sending and previewing them."""

from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from accounts.models import Learner
from core.money import Money
from notifications.letters import Attachment, Email, compose

from .models import Invoice, Payment
from .purposes import find_learner_id
from .states import CheckoutStatus, RefundReason

_REASONS = {
    RefundReason.DUPLICATE: _("This had already been paid for, so we are returning your second payment in full."),
    RefundReason.PLACE_LOST: _(
        "The last place was gone when your payment arrived. We are sorry. We hold a place while you pay, but your "
        "payment came after that time was over."
    ),
    RefundReason.NOT_ACCEPTED: _(
        "The enrollment that you paid for was not accepted, so we are returning your payment in full."
    ),
    RefundReason.NOT_NEEDED: _("The enrollment that you paid for had ended, so there was nothing left to pay for."),
}


def write_invoice(*, invoice: Invoice, attachments: tuple[Attachment, ...] = ()) -> Email:
    """Write the thanks for a payment, with its invoice."""
    context = {
        "number": invoice.number,
        "is_attached": bool(attachments),
        "amount": str(invoice.money),
        "description": invoice.lines[0]["description"],
        "learner": _learner(invoice.payment),
        "seller": invoice.seller_name,
        "invoice_path": reverse("invoice-pdf", args=[invoice.cuid]),
    }
    return compose("billing/invoice", context, attachments=attachments)


def write_refund(
    *,
    payment: Payment,
    amount: Money,
    reason: RefundReason,
    is_last: bool,
    correction: str = "",
    attachments: tuple[Attachment, ...] = (),
) -> Email:
    """Write what went back of a payment, and why. `is_last` if nothing is left of it after that; `correction` is the
    number of the invoice's correction, if there is one."""
    context = {
        "amount": str(amount),
        "paid": str(payment.money),
        "is_partial": amount.minor < payment.amount_minor,
        "description": payment.checkout.description if payment.checkout else "",
        "has_ended": is_last and payment.checkout is not None and payment.checkout.status == CheckoutStatus.PAID,
        "learner": _learner(payment),
        "reason": gettext(_REASONS[reason]) if reason in _REASONS else "",
        "correction": correction,
        "is_attached": bool(attachments),
        "seller": payment.workspace.name,
    }
    return compose("billing/refund", context, attachments=attachments)


def write_failure(*, payment: Payment) -> Email:
    """Write that the bank refused a payment that was on its way."""
    context = {
        "amount": str(payment.money),
        "description": payment.checkout.description if payment.checkout else "",
        "learner": _learner(payment),
        "seller": payment.workspace.name,
    }
    return compose("billing/failed", context)


def _learner(payment: Payment) -> str:
    """Return the first name of the person the money was for. The payer knows it; only the family has the full name."""
    learner_id = find_learner_id(payment.purpose, payment.subject)
    if learner_id is None:
        return ""
    return Learner.objects.filter(pk=learner_id).values_list("first_name", flat=True).first() or ""
