"""The cards beside money: the person and the purchase, its payment and invoices; and the money beside a learner."""

from typing import Any

from django.db.models import Q
from django.http import HttpRequest

from accounts.models import Learner
from backoffice.display import Card, Neighbor, neighbor, neighbors_of

from ..models import Checkout, Dispute, Invoice, Payment, Refund
from ..purposes import Matter, find_learner_id, find_matters, find_subjects

SHOWN = 20


def about_money(money: Checkout | Payment, *paid: Payment) -> Card:
    """Return the learner, what they get, and the payment, unless that is the row itself."""
    named = (money.purpose, money.subject)
    matter: Matter | None = find_matters([named]).get(named)
    learner_id = find_learner_id(*named) if matter else None
    learner = Learner.objects.live().filter(pk=learner_id).first() if learner_id else None
    rows = [neighbor(learner, note="Learner")] if learner else []
    if matter is not None:
        rows.append(Neighbor(title=matter.what, url=matter.url, note="What is paid for"))
    rows += [neighbor(each, status="status", at=each.paid_at) for each in paid]
    return Card("What it is about", rows, empty="No longer known.")


@neighbors_of(Payment, early=True)
def matter_of_payment(request: HttpRequest, payment: Payment) -> Card:
    return about_money(payment)


@neighbors_of(Checkout, early=True)
def matter_of_checkout(request: HttpRequest, checkout: Checkout) -> Card:
    return about_money(checkout)


def _matter_of_part(request: HttpRequest, row: Any) -> Card:
    return about_money(row.payment, row.payment)


for part in (Refund, Dispute, Invoice):
    neighbors_of(part, early=True)(_matter_of_part)


@neighbors_of(Payment)
def invoices_of_payment(request: HttpRequest, payment: Payment) -> Card:
    rows = payment.invoices.order_by("-id")[:SHOWN]
    return Card(
        "Invoices",
        [neighbor(row, status="status", note=row.money, at=row.issued_at or row.requested_at) for row in rows],
        empty="None was issued.",
    )


@neighbors_of(Invoice)
def others_of_invoice(request: HttpRequest, invoice: Invoice) -> Card:
    """Return its corrections, and the document it replaces."""
    others = Invoice.objects.filter(payment=invoice.payment_id).exclude(pk=invoice.pk).order_by("-id")[:SHOWN]
    rows = [neighbor(row, status="status", note=row.money, at=row.issued_at) for row in others]
    return Card("Other invoices of the payment", rows)


@neighbors_of(Learner)
def money_of_learner(request: HttpRequest, learner: Learner) -> Card:
    named = find_subjects([learner.pk])
    theirs = Q(pk__in=[])
    for purpose, subjects in named.items():
        theirs |= Q(purpose=purpose, subject__in=subjects)
    payments = list(Payment.objects.filter(theirs).order_by("-id")[:SHOWN])
    matters = find_matters({(payment.purpose, payment.subject) for payment in payments})
    rows = [
        neighbor(
            payment,
            title=payment.money,
            status="status",
            note=matters[payment.purpose, payment.subject].what,
            at=payment.paid_at or payment.created_at,
        )
        for payment in payments
    ]
    return Card("Payments", rows, empty="Nothing was paid for them.")
