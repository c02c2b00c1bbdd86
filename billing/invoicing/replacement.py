"""Replaces an invoice that was issued by mistake, most often to the wrong buyer: it is canceled, and another one takes
its place. Money that went back is not a mistake and has its correction (`issue.py`)."""

import datetime as dt

import structlog
from celery import signature
from django.db import transaction

from core.actors import Actor
from core.logs import after_commit
from core.text import fit
from core.work import nudge

from ..errors import InvoiceNotFound, InvoiceNotReplaceable
from ..locks import lock_payment
from ..models import Invoice
from ..states import InvoiceProvider, InvoiceStatus
from .issue import Buyer, record, state_buyer, state_seller
from .lines import InvoiceLine

log = structlog.get_logger(__name__)


@transaction.atomic
def replace_invoice(*, invoice_id: int, buyer: Buyer, reason: str, actor: Actor, now: dt.datetime) -> Invoice:
    """Cancel an invoice and issue another one for the same money, to `buyer`, with today's seller data.

    The canceled one keeps its number, so the series has no gap. Raises InvoiceNotFound, InvoiceNotReplaceable.
    """
    payment_id = Invoice.objects.filter(pk=invoice_id).values_list("payment_id", flat=True).first()
    if payment_id is None:
        raise InvoiceNotFound
    payment = lock_payment(payment_id)
    invoice = Invoice.objects.get(pk=invoice_id)
    check_replaceable(invoice)
    invoice.cancel()
    invoice.reason = fit(Invoice, "reason", reason)
    if invoice.provider != InvoiceProvider.LOCAL:
        invoice.cancel_requested_at = invoice.next_attempt_at = now
        nudge(signature("billing.tasks.issue_invoices"), invoice.workspace_id)
    invoice.save()
    replacement = Invoice(
        payment=payment, workspace_id=payment.workspace_id, currency=payment.currency, replaces=invoice
    )
    state_seller(replacement)
    state_buyer(replacement, buyer)
    record(replacement, InvoiceLine.read(invoice.lines[0]), now=now)
    after_commit(log.info, "invoice_replaced", invoice=invoice.pk, by=replacement.pk, actor=str(actor))
    return replacement


def check_replaceable(invoice: Invoice) -> None:
    """Raise InvoiceNotReplaceable, with the reason."""
    if invoice.corrects_id is not None:
        raise InvoiceNotReplaceable("A correction stays with the invoice that it corrects.")
    if invoice.status != InvoiceStatus.ISSUED:
        raise InvoiceNotReplaceable(f"It is {invoice.get_status_display().lower()}. Only an issued one is replaced.")
    if invoice.corrections.exists():
        raise InvoiceNotReplaceable("It has been corrected. Ask your accountant: both documents are in the books.")
