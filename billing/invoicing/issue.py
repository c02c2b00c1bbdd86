"""A payment's invoice, and a correction whenever what is left of the payment changes.

Each function belongs to a transaction that holds the payment's lock. That transaction fixes the document's content. A
document that we issue ourselves also gets its number there: it needs nothing from outside, so there is never money
without its document. Where a vendor issues it, the vendor is asked once the transaction is committed (`vendor.py`).
"""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

from celery import signature
from django.db.models import QuerySet

from accounts.models import Workspace
from core.compiled import compiled
from core.local_time import local_date
from core.rows import insert_rows
from core.text import fit
from core.work import nudge

from ..discounts import discount_of
from ..models import Invoice, Payment, Price
from ..purposes import describe_subject, find_price_ids, find_service
from ..states import InvoiceProvider
from .lines import InvoiceLine, change_of, line_of
from .numbering import Series, take_number
from .sources import moved_since


@dataclass(frozen=True, slots=True)
class Buyer:
    """Who paid, as they told the payment provider; `address` keeps its lines. Companies have a tax id."""

    email: str
    name: str = ""
    address: str = ""
    tax_id: str = ""


def issue_invoice(*, payment: Payment, buyer: Buyer, now: dt.datetime) -> Invoice:
    """Return the invoice of a received payment, created if there is none."""
    known = _invoice_of.first(payment.pk)
    if known is not None:
        return known
    invoice = Invoice(payment=payment, workspace_id=payment.workspace_id, currency=payment.currency)
    state_seller(invoice)
    state_buyer(invoice, buyer)
    discount = discount_of(payment.checkout) if payment.checkout is not None else None
    line = line_of(
        _description(payment),
        payment.amount_minor,
        _tax_rate_of(payment),
        discount=discount.label if discount else "",
        discount_minor=discount.discount_minor if discount else 0,
        service=find_service(payment.purpose, payment.subject),
    )
    return record(invoice, line, now=now)


@compiled
def _invoice_of(payment_id: int) -> QuerySet[Invoice]:
    return Invoice.objects.standing().filter(payment=payment_id, corrects=None).order_by("pk")[:1]


def correct_invoice(*, payment: Payment, now: dt.datetime) -> Invoice | None:
    """Bring a payment's invoices in line with what is left of it after refunds and lost disputes, by one correction.

    Return None if they already agree, or if the money never counted and so has no invoice.
    """
    documents = list(Invoice.objects.standing().filter(payment=payment).order_by("id"))
    if not documents:
        return None
    invoice = documents[0]
    left = payment.amount_minor - payment.refunded_minor
    if left == sum(each.amount_minor for each in documents):
        return None
    why = "Refund" if left < sum(each.amount_minor for each in documents) else "Money that came back"
    before = [InvoiceLine.read(line) for each in documents for line in each.lines]
    correction = Invoice(
        payment=payment,
        workspace_id=payment.workspace_id,
        currency=payment.currency,
        corrects=invoice,
        provider=invoice.provider,
        reason=why,
        seller_name=invoice.seller_name,
        seller_tax_id=invoice.seller_tax_id,
        seller_address=invoice.seller_address,
        footer=invoice.footer,
        buyer_name=invoice.buyer_name,
        buyer_tax_id=invoice.buyer_tax_id,
        buyer_email=invoice.buyer_email,
        buyer_address=invoice.buyer_address,
        sources=moved_since(documents, payment),
    )
    return record(correction, change_of(f"{why}: {before[0].description}", before, left), now=now)


def record(invoice: Invoice, line: InvoiceLine, *, now: dt.datetime) -> Invoice:
    """Store a new document. Ours gets its number here; a vendor is asked for the others after the commit."""
    invoice.lines = [line.stored()]
    invoice.amount_minor = line.amount_minor
    invoice.requested_at = now
    if invoice.provider == InvoiceProvider.LOCAL:
        number_it(invoice, now=now)
    else:
        invoice.next_attempt_at = now
        nudge(signature("billing.tasks.issue_invoices"), invoice.workspace_id)
    insert_rows([invoice])
    return invoice


def number_it(invoice: Invoice, *, now: dt.datetime) -> None:
    """Issue one of our documents, unsaved: with today's date in the workspace's time zone, and the next number."""
    invoice.issued_at = now
    invoice.issued_on = local_date(now, invoice.workspace.timezone)
    series = Series.CORRECTIONS if invoice.corrects else Series.INVOICES
    invoice.number = take_number(workspace_id=invoice.workspace_id, series=series, year=invoice.issued_on.year)
    invoice.issue()


def state_seller(invoice: Invoice) -> None:
    """Fill in who sells, and who issues, from the workspace's current data."""
    invoice.workspace = _seller_of.get(invoice.workspace_id)
    seller = getattr(invoice.workspace, "seller", None)
    if seller is None:
        invoice.seller_name = invoice.workspace.name
        return
    invoice.provider = seller.provider
    invoice.seller_name = seller.name
    invoice.seller_tax_id = seller.tax_id
    invoice.seller_address = seller.address
    invoice.footer = seller.footer


@compiled
def _seller_of(workspace_id: int) -> QuerySet[Workspace]:
    return Workspace.objects.select_related("seller").filter(pk=workspace_id)


def state_buyer(invoice: Invoice, buyer: Buyer) -> None:
    """Fill in who paid."""
    invoice.buyer_name = fit(Invoice, "buyer_name", buyer.name)
    invoice.buyer_tax_id = fit(Invoice, "buyer_tax_id", buyer.tax_id)
    invoice.buyer_email = buyer.email
    invoice.buyer_address = buyer.address


def _description(payment: Payment) -> str:
    if payment.checkout is not None:
        return payment.checkout.description
    label, _ = describe_subject(payment.purpose, payment.subject)
    return label


def _tax_rate_of(payment: Payment) -> Decimal | None:
    """Return the rate of the charged price; for money that came without a checkout, that of the present price."""
    price = payment.checkout.price if payment.checkout is not None else _present_price(payment)
    return None if price is None else price.tax_rate


def _present_price(payment: Payment) -> Price | None:
    price_id = find_price_ids(payment.purpose, [payment.subject]).get(payment.subject)
    return None if price_id is None else Price.objects.get(pk=price_id)
