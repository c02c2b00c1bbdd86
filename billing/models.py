"""Money, without knowing what it buys: a checkout carries a `purpose` and an opaque `subject` that the apps above read."""

from django.db import models
from django_fsm import FSMField

from accounts.models import User, Workspace
from enrollment_project.core.clock import utc_now
from enrollment_project.core.money import Money

from .states import (
    LIVE_CHECKOUTS,
    CheckoutStatus,
    PaymentMethod,
    PaymentStatus,
    RefundReason,
    RefundStatus,
)


class Price(models.Model):
    """What something costs. An amount is never edited once it was charged: a new price replaces it."""

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="prices")
    name = models.CharField(max_length=200, help_text="What the payer sees on the payment page.")
    amount_minor = models.PositiveIntegerField(help_text="In minor units: 4900 is 49.00 USD.")
    currency = models.CharField(max_length=3, default="usd")
    stripe_price_id = models.CharField(max_length=100, blank=True, help_text="Optional: a price kept in Stripe.")
    active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=utc_now, editable=False)

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.CheckConstraint(condition=models.Q(amount_minor__gt=0), name="price_positive"),
            models.CheckConstraint(condition=models.Q(currency__regex=r"^[a-z]{3}$"), name="price_currency_lower"),
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.money}"

    @property
    def money(self) -> Money:
        return Money(self.amount_minor, self.currency)


class Checkout(models.Model):
    """One request to pay through Stripe.

    Invariant: at most one live checkout per purpose and subject. The row is committed before Stripe is called, and its
    id is the idempotency key of that call, so a lost answer never makes a second session.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="checkouts")
    purpose = models.CharField(max_length=32)  # which app reads `subject`
    subject = models.CharField(max_length=64)
    price = models.ForeignKey(Price, null=True, on_delete=models.PROTECT, related_name="checkouts")
    description = models.CharField(max_length=200)
    amount_minor = models.PositiveIntegerField()
    currency = models.CharField(max_length=3)
    status = FSMField(max_length=10, choices=CheckoutStatus.choices, default=CheckoutStatus.OPEN, protected=True)
    stripe_session_id = models.CharField(max_length=255, null=True, unique=True)
    url = models.TextField(blank=True)
    success_url = models.TextField()
    cancel_url = models.TextField()
    payer_email = models.EmailField(max_length=254, blank=True)
    created_at = models.DateTimeField(default=utc_now, editable=False)
    expires_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True, blank=True)  # when it left the live states
    next_check_at = models.DateTimeField()  # when the sweep asks Stripe about it

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["purpose", "subject"],
                condition=models.Q(status__in=LIVE_CHECKOUTS),
                name="checkout_one_live_per_subject",
            ),
            models.CheckConstraint(condition=models.Q(status__in=CheckoutStatus.values), name="checkout_status_known"),
            models.CheckConstraint(condition=models.Q(amount_minor__gt=0), name="checkout_amount_positive"),
        ]
        indexes = [
            models.Index(
                fields=["next_check_at"], condition=models.Q(status__in=LIVE_CHECKOUTS), name="checkout_to_check"
            ),
            models.Index(fields=["purpose", "subject"], name="checkout_by_subject"),
        ]

    def __str__(self) -> str:
        return f"Checkout {self.pk}: {self.money}"

    @property
    def money(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def is_live(self) -> bool:
        return self.status in LIVE_CHECKOUTS


class Payment(models.Model):
    """Money received (or on its way).

    Invariant: 0 <= refunded_minor <= amount_minor, one row per payment intent, and only Stripe or an audited offline
    action makes one `paid`.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="payments")
    checkout = models.ForeignKey(Checkout, null=True, blank=True, on_delete=models.PROTECT, related_name="payments")
    purpose = models.CharField(max_length=32)
    subject = models.CharField(max_length=64)
    method = models.CharField(max_length=7, choices=PaymentMethod.choices, default=PaymentMethod.STRIPE)
    payment_intent_id = models.CharField(max_length=255, null=True, blank=True, unique=True)
    amount_minor = models.PositiveIntegerField()
    refunded_minor = models.PositiveIntegerField(default=0)
    currency = models.CharField(max_length=3)
    status = FSMField(max_length=18, choices=PaymentStatus.choices, default=PaymentStatus.PENDING, protected=True)
    paid_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=utc_now, editable=False)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=models.Q(status__in=PaymentStatus.values), name="payment_status_known"),
            models.CheckConstraint(
                condition=models.Q(refunded_minor__lte=models.F("amount_minor")), name="payment_refunds_within_amount"
            ),
            models.CheckConstraint(
                condition=models.Q(method=PaymentMethod.OFFLINE) | models.Q(payment_intent_id__isnull=False),
                name="payment_stripe_has_intent",
            ),
        ]
        indexes = [models.Index(fields=["purpose", "subject"], name="payment_by_subject")]

    def __str__(self) -> str:
        return f"Payment {self.pk}: {self.money}"

    @property
    def money(self) -> Money:
        return Money(self.amount_minor, self.currency)


class Refund(models.Model):
    """Money going back. Committed as `requested` before Stripe is called; its id is the idempotency key of that call."""

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
    next_attempt_at = models.DateTimeField(default=utc_now)
    last_error = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=models.Q(status__in=RefundStatus.values), name="refund_status_known"),
            models.CheckConstraint(condition=models.Q(amount_minor__gt=0), name="refund_amount_positive"),
        ]

    def __str__(self) -> str:
        return f"Refund {self.pk} of payment {self.payment_id}"


class StripeEvent(models.Model):
    """The inbox: what Stripe told us, stored once by its event id before anything is done about it."""

    event_id = models.CharField(max_length=255, unique=True)
    type = models.CharField(max_length=100)
    payload = models.JSONField()
    stripe_created_at = models.DateTimeField()
    received_at = models.DateTimeField(default=utc_now, editable=False)
    source = models.CharField(max_length=14, default="webhook")  # webhook | reconciliation
    handled_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=100, blank=True)  # what handling it came to, e.g. "paid" or "ignored: type"
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(default=utc_now)
    last_error = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["next_attempt_at"], condition=models.Q(handled_at__isnull=True), name="stripe_event_due"
            )
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"
