"""What this app knows of people, and what erasing one of them does to it (`core.personal`).

What the law requires to be kept about money stays: amounts, dates, numbers, and for some years the invoices as they
were issued (docs/decisions/0147-what-erasing-leaves.md).
"""

from collections.abc import Collection

from django.db.models import QuerySet

from core.personal import Fate, Kind, Person, Personal, kept, unless_empty, words

from .models import Checkout, Dispute, Invoice, Mismatch, Payment, Refund, Seller
from .states import LIVE_CHECKOUTS, OPEN_REFUNDS, UNDECIDED_DISPUTES


def _invoices(person: Person) -> QuerySet[Invoice]:
    return Invoice.objects.filter(payment__in=person.payments)


PERSONAL = (
    Personal(
        Checkout,
        {"customer_email": Kind.CONTACT, "payer_email": Kind.CONTACT, "url": Kind.ABOUT, "description": Kind.WORDS},
        Fate.REPLACED,
        lambda person: Checkout.objects.filter(pk__in=person.checkouts),
        {"customer_email": "", "payer_email": "", "url": ""},
    ),
    Personal(
        Payment,
        {"reference": Kind.WORDS, "note": Kind.WORDS},
        Fate.REPLACED,
        lambda person: Payment.objects.filter(pk__in=person.payments),
        {"note": unless_empty("note")},
    ),
    words(Refund, lambda person: Refund.objects.filter(payment__in=person.payments), "note"),
    words(Mismatch, lambda person: Mismatch.objects.filter(subject__in=person.subjects), "explanation"),
    kept(
        Invoice,
        "the law wants invoices as they were issued; `forget_invoices` takes the person out after INVOICES_KEPT_YEARS",
        buyer_name=Kind.NAME,
        buyer_tax_id=Kind.ABOUT,
        buyer_email=Kind.CONTACT,
        buyer_address=Kind.CONTACT,
        lines=Kind.NAME,
        reason=Kind.WORDS,
    ),
    kept(Seller, "of the workspace", name=Kind.STAFF, address=Kind.STAFF),
)


def obstacles(person: Person) -> list[str]:
    """Return the person's money that is still on its way: what it is, and what to do first."""
    open_checkouts = Checkout.objects.filter(pk__in=person.checkouts, status__in=LIVE_CHECKOUTS)
    refunds = Refund.objects.filter(payment__in=person.payments, status__in=OPEN_REFUNDS)
    disputes = Dispute.objects.filter(payment__in=person.payments, status__in=UNDECIDED_DISPUTES)
    unissued = _invoices(person).filter(next_attempt_at__isnull=False)
    return [
        *_said(open_checkouts, "{} can still be paid: end the hold, or wait until it is over."),
        *_said(refunds.select_related("payment"), "{} is on its way: wait until it has arrived."),
        *_said(disputes.select_related("payment"), "{} is not decided: wait for the bank."),
        *("An invoice is being issued: wait until it has its number." for _ in unissued[:1]),
    ]


def forget_buyers(payments: Collection[int]) -> int:
    """Remove the person from the invoices of these payments, once nobody has to keep them as they were."""
    changed = 0
    for invoice in Invoice.objects.filter(payment__in=payments).select_for_update(no_key=True):
        lines = [{key: value for key, value in line.items() if key != "service"} for line in invoice.lines]
        changed += Invoice.objects.filter(pk=invoice.pk).update(
            buyer_name="", buyer_tax_id="", buyer_email="", buyer_address="", lines=lines, reason=unless_empty("reason")
        )
    return changed


def _said(rows: QuerySet[Checkout] | QuerySet[Refund] | QuerySet[Dispute], text: str) -> list[str]:
    return [text.format(row) for row in rows.order_by("pk")]
