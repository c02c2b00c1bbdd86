from typing import Any

from django.db import models
from django.db.models import F, Sum
from django.db.models.functions import Coalesce

from accounts.models import Workspace
from core.clock import utc_now
from core.money import Money

from ..states import RETURNED_PAYOUTS, PayoutLineKind, PayoutStatus
from .payments import Payment


class PayoutQuerySet(models.QuerySet["Payout"]):
    def standing_read(self) -> "PayoutQuerySet":
        """Select those whose lines have all been read, and that did not come back."""
        return self.exclude(lines_read_at=None).exclude(status__in=RETURNED_PAYOUTS)

    def differing(self) -> "models.QuerySet[Any]":
        """Select those of them that differ from their lines' total after fees, which is `net`."""
        net = Coalesce(Sum(F("lines__amount_minor") - F("lines__fee_minor")), 0)
        return self.standing_read().annotate(net=net).exclude(amount_minor=F("net"))


class Payout(models.Model):
    """Money that Stripe sent to our bank, as Stripe reports it. One account holds the money of all workspaces, so a
    payout belongs to none; its lines do. `lines_read_at` is when the last of its lines was read."""

    stripe_id = models.CharField(max_length=255, unique=True)
    amount_minor = models.BigIntegerField()  # negative if Stripe took money from our bank
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=10, choices=PayoutStatus.choices)
    is_automatic = models.BooleanField()  # Stripe lists the lines of automatic payouts only
    made_at = models.DateTimeField()
    arrival_date = models.DateField()  # Stripe reports days in UTC
    read_through = models.CharField(
        max_length=255, blank=True, default="", db_default=""
    )  # the last line that was stored
    lines_read_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0, db_default=0)
    next_attempt_at = models.DateTimeField(null=True, blank=True)  # null: nothing left to read
    last_error = models.CharField(max_length=300, blank=True, default="", db_default="")

    objects = PayoutQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(status__in=PayoutStatus.values), name="payout_status_known")
        ]
        indexes = [
            models.Index(
                fields=["next_attempt_at"], condition=models.Q(next_attempt_at__isnull=False), name="payout_due"
            ),
            models.Index(fields=["made_at"], name="payout_by_time"),
        ]

    def __str__(self) -> str:
        return f"Payout of {self.money}, arriving {self.arrival_date:%Y-%m-%d}"

    @property
    def money(self) -> Money:
        return Money(self.amount_minor, self.currency)


class PayoutLine(models.Model):
    """What one movement on our balance at Stripe added or took before its fee; stored once, as Stripe reports it.

    `payment` is our payment that it belongs to. Without one, nobody here knows it yet: it is searched again.
    `workspace` is the payment's, or the one named in our metadata at Stripe.
    """

    payout = models.ForeignKey(Payout, on_delete=models.PROTECT, related_name="lines")
    workspace = models.ForeignKey(Workspace, null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    payment = models.ForeignKey(Payment, null=True, on_delete=models.PROTECT, related_name="payout_lines")
    stripe_id = models.CharField(max_length=255, unique=True)
    kind = models.CharField(max_length=14, choices=PayoutLineKind.choices)
    source_id = models.CharField(max_length=255, blank=True)  # Stripe's charge, refund, or dispute
    payment_intent_id = models.CharField(max_length=255, blank=True)
    amount_minor = models.BigIntegerField()  # negative for outgoing money
    fee_minor = models.BigIntegerField(default=0)
    currency = models.CharField(max_length=3)
    moved_at = models.DateTimeField()
    recorded_at = models.DateTimeField(default=utc_now, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(kind__in=PayoutLineKind.values), name="payout_line_kind_known")
        ]
        indexes = [
            models.Index(fields=["workspace", "moved_at"], name="payout_line_of_workspace"),
            models.Index(fields=["-moved_at", "-id"], name="payout_line_by_moment"),
            models.Index(
                fields=["payment_intent_id"],
                condition=models.Q(payment__isnull=True) & ~models.Q(payment_intent_id=""),
                name="payout_line_of_nobody",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}, {self.money}"

    @property
    def money(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def net_minor(self) -> int:
        """How much of it went to the bank."""
        return self.amount_minor - self.fee_minor
