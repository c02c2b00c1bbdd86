"""What payments contribute to every page about them: the money, its way back, invoices, disputes, and mails."""

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet

from accounts.models import StaffTask
from backoffice.admin.story import tell_task
from backoffice.display import admin_url, badge
from backoffice.stories import Happening, register_chapter, register_thread
from core.money import Money
from notifications.models import Notification
from notifications.story import tell_mail

from ..models import Checkout, Dispute, Invoice, Payment, Refund


def tell_payment(row: Payment) -> Happening:
    return Happening(
        title=f"Payment of {row.money}",
        icon="payments",
        badge=badge(row.status, row.get_status_display()),
        note=row.note,
        by=row.recorded_by,
        url=admin_url(row),
    )


def tell_refund(row: Refund) -> Happening:
    noted = [row.get_reason_display(), row.note and f"Note: {row.note}", row.failure_reason]
    return Happening(
        title=f"Refund of {Money(row.amount_minor, row.payment.currency)}",
        icon="undo",
        badge=badge(row.status, row.get_status_display()),
        note=". ".join(part for part in noted if part),
        by=row.actor,
        url=admin_url(row),
    )


def tell_dispute(row: Dispute) -> Happening:
    return Happening(
        title=f"Dispute about {row.money}",
        icon="gavel",
        badge=badge(row.status, row.get_status_display()),
        note=row.reason.replace("_", " "),
        url=admin_url(row),
    )


def tell_invoice(row: Invoice) -> Happening:
    return Happening(
        title=f"{row}, {row.money}",
        icon="receipt_long",
        badge=badge(row.status, row.get_status_display()),
        note=row.reason,
        url=admin_url(row),
    )


def _mails_of(ids: Sequence[int]) -> QuerySet[Notification]:
    refunds = Refund.objects.filter(payment__in=ids).values_list("pk", flat=True)
    subjects = [*(f"payment:{key}" for key in ids), *(f"refund:{key}" for key in refunds)]
    return Notification.objects.about(subjects)


register_chapter(Payment, lambda ids: Payment.objects.filter(pk__in=ids), at="created_at", tell=tell_payment)
register_chapter(
    Payment,
    lambda ids: Refund.objects.filter(payment__in=ids).select_related("payment"),
    at="created_at",
    tell=tell_refund,
)
register_chapter(
    Payment,
    lambda ids: Dispute.objects.filter(payment__in=ids).select_related("payment"),
    at="opened_at",
    tell=tell_dispute,
)
register_chapter(Payment, lambda ids: Invoice.objects.filter(payment__in=ids), at="requested_at", tell=tell_invoice)
register_chapter(Payment, _mails_of, at="created_at", tell=tell_mail)
register_chapter(
    Payment,
    lambda ids: StaffTask.objects.filter(subject__in=[f"payment:{key}" for key in ids]),
    at="created_at",
    tell=tell_task,
)


def _own_payment(row: Any) -> list[int]:
    return [row.payment_id]


register_thread(Payment, Payment, lambda payment: [payment.pk])
register_thread(Checkout, Payment, lambda checkout: checkout.payments.values_list("pk", flat=True))
for part in (Refund, Dispute, Invoice):
    register_thread(part, Payment, _own_payment)
