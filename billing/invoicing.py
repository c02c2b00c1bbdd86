"""Invoices: one for each payment, and a correction whenever what is left of the payment changes.

Each function belongs to a transaction that holds the payment's lock. Numbers are given under the lock of the
workspace's series, taken last and held until the commit, which is what leaves no gap: a transaction that fails gives
its number back.
"""

import datetime as dt
from dataclasses import dataclass

from django.db import connection
from django.db.models import Sum

from core.local_time import local_date
from core.text import fit

from .models import Invoice, Payment
from .purposes import describe_subject


@dataclass(frozen=True, slots=True)
class Buyer:
    """Who paid, as they told the payment provider; `address` has a line for each of its lines."""

    email: str
    name: str = ""
    address: str = ""


def issue_invoice(*, payment: Payment, buyer: Buyer, now: dt.datetime) -> Invoice:
    """The invoice of a payment that was received, made if there is none."""
    known = Invoice.objects.filter(payment=payment, corrects=None).first()
    if known is not None:
        return known
    invoice = Invoice(
        seller_name=payment.workspace.name,
        buyer_name=fit(Invoice, "buyer_name", buyer.name),
        buyer_email=buyer.email,
        buyer_address=buyer.address,
    )
    return _issue(invoice, payment, payment.amount_minor, _description(payment), now)


def correct_invoice(*, payment: Payment, now: dt.datetime) -> Invoice | None:
    """Bring a payment's invoices to what is left of it after refunds and lost disputes, by one correction.

    None when they already agree, or when the money never counted and so has no invoice.
    """
    invoice = Invoice.objects.filter(payment=payment, corrects=None).first()
    if invoice is None:
        return None
    invoiced = Invoice.objects.filter(payment=payment).aggregate(total=Sum("amount_minor"))["total"]
    change = payment.amount_minor - payment.refunded_minor - invoiced
    if not change:
        return None
    correction = Invoice(
        corrects=invoice,
        seller_name=invoice.seller_name,
        buyer_name=invoice.buyer_name,
        buyer_email=invoice.buyer_email,
        buyer_address=invoice.buyer_address,
    )
    why = "Money that came back" if change > 0 else "Refund"
    return _issue(correction, payment, change, f"{why}: {invoice.lines[0]['description']}", now)


def _issue(invoice: Invoice, payment: Payment, amount_minor: int, description: str, now: dt.datetime) -> Invoice:
    invoice.workspace_id = payment.workspace_id
    invoice.payment = payment
    invoice.amount_minor = amount_minor
    invoice.currency = payment.currency
    invoice.lines = [{"description": description, "amount_minor": amount_minor}]
    invoice.issued_at = now
    invoice.issued_on = local_date(now, payment.workspace.timezone)
    year = invoice.issued_on.year
    invoice.number = f"{year}-{_take_number(payment.workspace_id, year):06d}"
    invoice.save(force_insert=True)
    return invoice


def _take_number(workspace_id: int, year: int) -> int:
    """The next number, ours until the transaction ends: others wait for it."""
    with connection.cursor() as cursor:
        cursor.execute(_NEXT_NUMBER, [workspace_id, year])
        (number,) = cursor.fetchone()
    return int(number)


_NEXT_NUMBER = """
    INSERT INTO billing_invoiceseries (workspace_id, year, last_number) VALUES (%s, %s, 1)
    ON CONFLICT (workspace_id, year) DO UPDATE SET last_number = billing_invoiceseries.last_number + 1
    RETURNING last_number
"""


def _description(payment: Payment) -> str:
    if payment.checkout is not None:
        return payment.checkout.description
    label, _ = describe_subject(payment.purpose, payment.subject)
    return label
