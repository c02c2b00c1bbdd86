"""Metrics about money. Amounts are in the smallest unit of their currency."""

from django.db.models import F

from core.metrics import Figure, Kind, Work, count_by, sum_by

from .models import Checkout, Dispute, Invoice, Payment, Refund, StripeEvent
from .states import NO_MONEY_YET, OPEN_REFUNDS, UNDECIDED_DISPUTES, InvoiceStatus, RefundStatus

WORK = (
    Work("stripe_events", lambda now: StripeEvent.objects.filter(handled_at=None), since="received_at"),
    Work("checkouts", lambda now: Checkout.objects.live(), due="next_check_at", attempts=""),
    Work(
        "refunds",
        lambda now: Refund.objects.filter(status__in=OPEN_REFUNDS),
        lambda: Refund.objects.filter(status=RefundStatus.FAILED),
    ),
    Work(
        "invoices",
        lambda now: Invoice.objects.to_issue(),
        lambda: Invoice.objects.filter(status=InvoiceStatus.FAILED),
        since="requested_at",
    ),
)
FIGURES = (
    Figure(
        "checkouts", "Checkouts by their state.", ("status",), lambda now: count_by(Checkout.objects.all(), "status")
    ),
    Figure(
        "payments",
        "Payments by how they came and their state.",
        ("method", "status"),
        lambda now: count_by(Payment.objects.all(), "method", "status"),
    ),
    Figure(
        "received_minor_total",
        "Money that came.",
        ("currency",),
        lambda now: sum_by(Payment.objects.exclude(status__in=NO_MONEY_YET), "amount_minor", "currency"),
        Kind.COUNTER,
    ),
    Figure(
        "refunds",
        "Refunds by why and their state.",
        ("reason", "status"),
        lambda now: count_by(Refund.objects.all(), "reason", "status"),
    ),
    Figure(
        "refunded_minor_total",
        "Money that went back.",
        ("currency",),
        lambda now: sum_by(
            Refund.objects.filter(status=RefundStatus.SUCCEEDED).annotate(currency=F("payment__currency")),
            "amount_minor",
            "currency",
        ),
        Kind.COUNTER,
    ),
    Figure(
        "disputes_undecided",
        "Disputes that a bank has not decided, by their state.",
        ("status",),
        lambda now: count_by(Dispute.objects.filter(status__in=UNDECIDED_DISPUTES), "status"),
    ),
)
