from django.db import models
from django_fsm import FSMField, transition

from accounts.models import User, Workspace
from core.clock import utc_now
from core.money import Money

from ..states import (
    OPEN_REFUNDS,
    DisputeStatus,
    OfflineMeans,
    PaymentMethod,
    PaymentStatus,
    RefundReason,
    RefundStatus,
)
from .checkouts import Checkout


class Payment(models.Model):
    """Money received (or on its way).

    Invariant: 0 <= refunded_minor <= amount_minor, one row per payment intent, and only Stripe or an audited offline
    action makes one `paid`. Pending with a `paid_at` is money that came but does not match what was asked: staff
    decide.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="payments")
    checkout = models.ForeignKey(Checkout, null=True, blank=True, on_delete=models.PROTECT, related_name="payments")
    purpose = models.CharField(max_length=32)
    subject = models.CharField(max_length=64)
    method = models.CharField(max_length=7, choices=PaymentMethod.choices, default=PaymentMethod.STRIPE)
    # For money that came outside of Stripe: how, with which reference, and who vouches for it.
    means = models.CharField(max_length=13, choices=OfflineMeans.choices, blank=True, default="", db_default="")
    reference = models.CharField(max_length=200, blank=True, default="", db_default="")
    note = models.CharField(max_length=300, blank=True, default="", db_default="")  # for colleagues only
    recorded_by = models.CharField(max_length=64, blank=True, default="", db_default="")
    payment_intent_id = models.CharField(max_length=255, null=True, blank=True, unique=True)
    amount_minor = models.PositiveIntegerField()
    refunded_minor = models.PositiveIntegerField(default=0)
    currency = models.CharField(max_length=3)
    status = FSMField(max_length=18, choices=PaymentStatus.choices, default=PaymentStatus.PENDING, protected=True)
    paid_at = models.DateTimeField(null=True, blank=True)
    invoice_link = models.PositiveIntegerField(default=1, db_default=1)  # the number of the URL that works now
    created_at = models.DateTimeField(default=utc_now, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(status__in=PaymentStatus.values), name="payment_status_known"),
            models.UniqueConstraint(
                fields=["purpose", "subject"],
                condition=models.Q(method=PaymentMethod.OFFLINE) & ~models.Q(status=PaymentStatus.REFUNDED),
                name="payment_one_offline_per_subject",
            ),
            models.CheckConstraint(
                condition=models.Q(method=PaymentMethod.STRIPE)
                | (models.Q(means__in=OfflineMeans.values) & ~models.Q(recorded_by="")),
                name="payment_offline_is_vouched_for",
            ),
            models.CheckConstraint(
                condition=models.Q(refunded_minor__lte=models.F("amount_minor")), name="payment_refunds_within_amount"
            ),
            models.CheckConstraint(
                condition=models.Q(method=PaymentMethod.OFFLINE) | models.Q(payment_intent_id__isnull=False),
                name="payment_stripe_has_intent",
            ),
        ]
        indexes = [
            models.Index(fields=["purpose", "subject"], name="payment_by_subject"),
            models.Index(fields=["workspace", "paid_at"], name="payment_by_day"),
        ]

    def __str__(self) -> str:
        return f"Payment of {self.money}"

    @property
    def money(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def is_mismatch(self) -> bool:
        """Whether money came that does not match what was asked; it counts for nothing until staff give it back."""
        return self.status == PaymentStatus.PENDING and self.paid_at is not None

    @transition(field=status, source=[PaymentStatus.PENDING, PaymentStatus.FAILED], target=PaymentStatus.PAID)
    def receive(self) -> None:
        """Stripe says that the money is there, and it matches what was asked."""

    @transition(field=status, source=PaymentStatus.PENDING, target=PaymentStatus.FAILED)
    def fail(self) -> None:
        """The bank refused."""

    @transition(
        field=status,
        source=[PaymentStatus.PAID, PaymentStatus.REFUNDED, PaymentStatus.DISPUTED],
        target=PaymentStatus.PARTIALLY_REFUNDED,
    )
    def refund_partly(self) -> None:
        """Part of the money is back with the payer."""

    @transition(
        field=status,
        source=[
            PaymentStatus.PENDING,
            PaymentStatus.FAILED,
            PaymentStatus.PAID,
            PaymentStatus.PARTIALLY_REFUNDED,
            PaymentStatus.DISPUTED,
        ],
        target=PaymentStatus.REFUNDED,
    )
    def refund_fully(self) -> None:
        """All of the money is back with the payer."""

    @transition(
        field=status,
        source=[PaymentStatus.PAID, PaymentStatus.PARTIALLY_REFUNDED, PaymentStatus.REFUNDED],
        target=PaymentStatus.DISPUTED,
    )
    def contest(self) -> None:
        """The payer's bank contests the payment."""

    @transition(
        field=status,
        source=[PaymentStatus.PARTIALLY_REFUNDED, PaymentStatus.REFUNDED, PaymentStatus.DISPUTED],
        target=PaymentStatus.PAID,
    )
    def restore(self) -> None:
        """The money is ours after all: a dispute was won, or a refund came back from the bank."""


class Refund(models.Model):
    """Money going back. Committed as `requested` before Stripe is called, with the idempotency key of that call."""

    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="refunds")
    amount_minor = models.PositiveIntegerField()
    reason = models.CharField(max_length=10, choices=RefundReason.choices)
    note = models.CharField(max_length=300, blank=True)
    status = FSMField(max_length=9, choices=RefundStatus.choices, default=RefundStatus.REQUESTED, protected=True)
    stripe_refund_id = models.CharField(max_length=255, null=True, blank=True, unique=True)
    failure_reason = models.CharField(max_length=100, blank=True)
    actor = models.CharField(max_length=64)
    requested_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=utc_now, editable=False)
    settled_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(default=utc_now)  # when the sweep submits it, or checks its progress
    last_error = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(status__in=RefundStatus.values), name="refund_status_known"),
            models.CheckConstraint(condition=models.Q(amount_minor__gt=0), name="refund_amount_positive"),
        ]
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                condition=models.Q(status__in=OPEN_REFUNDS),
                name="refund_due",
            ),
            models.Index(fields=["settled_at"], condition=models.Q(settled_at__isnull=False), name="refund_by_day"),
        ]

    def __str__(self) -> str:
        return f"Refund of {self.money}"

    @property
    def money(self) -> Money:
        return Money(self.amount_minor, self.payment.currency)

    @property
    def source(self) -> str:
        """The name of this row in corrections and in the ledger."""
        return f"refund:{self.pk}"

    @property
    def returned_minor(self) -> int:
        """How much of it is with the payer."""
        return self.amount_minor if self.status == RefundStatus.SUCCEEDED else 0

    @property
    def reference(self) -> str:
        """This row's name at Stripe, like `Checkout.reference`: the idempotency key, and in the refund's metadata."""
        return f"refund-{self.pk}-{int(self.created_at.timestamp())}"

    @transition(field=status, source=RefundStatus.REQUESTED, target=RefundStatus.PENDING)
    def await_bank(self) -> None:
        """Stripe has it; the bank is still processing it."""

    @transition(field=status, source=[RefundStatus.REQUESTED, RefundStatus.PENDING], target=RefundStatus.SUCCEEDED)
    def succeed(self) -> None:
        """The money is on its way to the payer."""

    @transition(
        field=status,
        source=[RefundStatus.REQUESTED, RefundStatus.PENDING, RefundStatus.SUCCEEDED],
        target=RefundStatus.FAILED,
    )
    def fail(self) -> None:
        """Stripe refused it, or the payer's bank sent the money back, which can happen after a success."""

    @transition(
        field=status,
        source=[RefundStatus.REQUESTED, RefundStatus.PENDING, RefundStatus.SUCCEEDED],
        target=RefundStatus.CANCELED,
    )
    def call_off(self) -> None:
        """Somebody canceled it at Stripe."""


class Dispute(models.Model):
    """A payer's bank inquires about a payment, or contests it. It is never reopened: a decision can only be replaced by
    another decision. `withdrawn_minor` is what the bank has taken because of it and not given back."""

    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="disputes")
    stripe_dispute_id = models.CharField(max_length=255, unique=True)
    amount_minor = models.PositiveIntegerField()
    withdrawn_minor = models.PositiveIntegerField(default=0, db_default=0)
    blocks_refunds = models.BooleanField(
        default=False, db_default=False
    )  # while it is open, Stripe refunds nothing of the payment
    reason = models.CharField(max_length=50, blank=True)
    status = FSMField(max_length=7, choices=DisputeStatus.choices, default=DisputeStatus.OPEN, protected=True)
    opened_at = models.DateTimeField(default=utc_now, editable=False)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(status__in=DisputeStatus.values), name="dispute_status_known")
        ]

    def __str__(self) -> str:
        return f"Dispute over {self.money}"

    @property
    def money(self) -> Money:
        return Money(self.amount_minor, self.payment.currency)

    @property
    def source(self) -> str:
        """The name of this row in corrections and in the ledger."""
        return f"dispute:{self.pk}"

    @property
    def returned_minor(self) -> int:
        """How much of it is with the payer."""
        return self.withdrawn_minor if self.status == DisputeStatus.LOST else 0

    @transition(field=status, source=[DisputeStatus.INQUIRY, DisputeStatus.CLOSED], target=DisputeStatus.OPEN)
    def escalate(self) -> None:
        """The inquiry became a dispute: the bank takes the money."""

    @transition(field=status, source=[DisputeStatus.INQUIRY, DisputeStatus.OPEN], target=DisputeStatus.CLOSED)
    def close(self) -> None:
        """It came to nothing."""

    @transition(
        field=status,
        source=[DisputeStatus.INQUIRY, DisputeStatus.CLOSED, DisputeStatus.OPEN, DisputeStatus.LOST],
        target=DisputeStatus.WON,
    )
    def win(self) -> None:
        """The money stays with us, or is ours again."""

    @transition(
        field=status,
        source=[DisputeStatus.INQUIRY, DisputeStatus.CLOSED, DisputeStatus.OPEN, DisputeStatus.WON],
        target=DisputeStatus.LOST,
    )
    def lose(self) -> None:
        """The bank gave the money back to the payer."""
