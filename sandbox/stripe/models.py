from typing import Any

from django.db import models
from django.utils.crypto import get_random_string

from sandbox.knobs import clock


class StripeObject(models.Model):
    """The fields of every object: Stripe's id (`ref` here, as Django keeps `id`), creation second, metadata."""

    PREFIX = ""
    OBJECT = ""

    ref = models.CharField(max_length=80, unique=True)
    created = models.BigIntegerField(db_index=True)
    metadata = models.JSONField(default=dict)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.ref

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.ref = self.ref or self.PREFIX + get_random_string(24)
        self.created = self.created or clock.now()
        super().save(*args, **kwargs)


class Product(StripeObject):
    PREFIX = "prod_"
    OBJECT = "product"

    name = models.CharField(max_length=250)
    description = models.TextField(null=True)
    images = models.JSONField(default=list)
    active = models.BooleanField(default=True)


class Price(StripeObject):
    """A one-time price. Inline prices of a session are stored inactive, as Stripe does."""

    PREFIX = "price_1"
    OBJECT = "price"

    product = models.ForeignKey(Product, on_delete=models.CASCADE)
    currency = models.CharField(max_length=3)
    unit_amount = models.BigIntegerField()
    nickname = models.CharField(max_length=250, null=True)
    lookup_key = models.CharField(max_length=200, null=True)
    active = models.BooleanField(default=True)


class PaymentIntent(StripeObject):
    """processing | requires_payment_method | succeeded; its latest charge says why."""

    PREFIX = "pi_3"
    OBJECT = "payment_intent"

    amount = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=30)
    description = models.TextField(null=True)
    receipt_email = models.CharField(max_length=500, null=True)
    payment_method_type = models.CharField(max_length=30)

    @property
    def latest_charge(self) -> "Charge | None":
        return self.charge_set.order_by("-pk").first()


class CheckoutSession(StripeObject):
    """open -> complete | expired, decided by one conditional UPDATE; complete may still be unpaid (bank debits)."""

    PREFIX = "cs_test_a1"
    OBJECT = "checkout.session"

    status = models.CharField(max_length=10, default="open")
    payment_status = models.CharField(max_length=20, default="unpaid")
    currency = models.CharField(max_length=3)
    amount_total = models.BigIntegerField()
    expires_at = models.BigIntegerField(db_index=True)
    success_url = models.TextField()
    cancel_url = models.TextField(null=True)
    client_reference_id = models.CharField(max_length=200, null=True)
    customer_email = models.CharField(max_length=500, null=True)
    customer_creation = models.CharField(max_length=20, default="if_required")
    locale = models.CharField(max_length=10, null=True)
    submit_type = models.CharField(max_length=10, null=True)
    payment_method_types = models.JSONField()
    payment_intent_data = models.JSONField(default=dict)
    tax_id_collection = models.JSONField(default=dict)
    payer_email = models.CharField(max_length=500, null=True)
    payer_name = models.CharField(max_length=200, blank=True)
    payer_tax_id = models.CharField(max_length=50, blank=True)
    # Created by the first attempt to pay; the API shows it once the session is complete.
    payment_intent = models.OneToOneField(PaymentIntent, on_delete=models.CASCADE, null=True)

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.ref = self.ref or self.PREFIX + get_random_string(56)
        super().save(*args, **kwargs)


class LineItem(models.Model):
    ref = models.CharField(max_length=40, unique=True)
    session = models.ForeignKey(CheckoutSession, on_delete=models.CASCADE, related_name="line_items")
    price = models.ForeignKey(Price, on_delete=models.CASCADE)
    quantity = models.PositiveIntegerField()

    def __str__(self) -> str:
        return self.ref

    @property
    def amount(self) -> int:
        """Return the amount in minor units."""
        return self.price.unit_amount * self.quantity


INQUIRIES = ("warning_needs_response", "warning_under_review")
DECIDING = ("needs_response", "under_review")
TAKING = (*DECIDING, "lost", "appeal_needs_response", "appeal_under_review")


class Charge(StripeObject):
    """One attempt to take the money: pending | succeeded | failed. 0 <= amount_refunded <= amount."""

    PREFIX = "ch_3"
    OBJECT = "charge"

    payment_intent = models.ForeignKey(PaymentIntent, on_delete=models.CASCADE)
    amount = models.BigIntegerField()
    amount_refunded = models.BigIntegerField(default=0)
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=10)
    failure_code = models.CharField(max_length=40, null=True)
    failure_message = models.CharField(max_length=200, null=True)
    email = models.CharField(max_length=500, null=True)
    disputed = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(amount_refunded__gte=0, amount_refunded__lte=models.F("amount")),
                name="charge_refunded_at_most_its_amount",
            )
        ]


class Refund(StripeObject):
    """pending -> succeeded | failed, and succeeded -> failed when the bank sends the money back."""

    PREFIX = "re_3"
    OBJECT = "refund"

    charge = models.ForeignKey(Charge, on_delete=models.CASCADE)
    amount = models.BigIntegerField()
    status = models.CharField(max_length=20)
    reason = models.CharField(max_length=40, null=True)
    failure_reason = models.CharField(max_length=60, null=True)


class Dispute(StripeObject):
    """An inquiry: warning_needs_response -> warning_under_review -> warning_closed, or it becomes a dispute, whose
    amount is taken at once: needs_response -> under_review -> won | lost. A lost one may be appealed, and won after
    all. A `prevented` one never took place. `given_back` is what a bank returned of a lost dispute.
    """

    PREFIX = "du_1"
    OBJECT = "dispute"

    charge = models.ForeignKey(Charge, on_delete=models.CASCADE)
    given_back = models.BigIntegerField(default=0)
    amount = models.BigIntegerField()
    reason = models.CharField(max_length=40)
    status = models.CharField(max_length=30, default="needs_response")

    @property
    def has_taken(self) -> bool:
        """Return whether its amount has left the account, temporarily or permanently."""
        return self.status in TAKING

    @property
    def kept_away(self) -> int:
        """Return how much of it is currently not in the account."""
        return self.amount - self.given_back if self.has_taken else 0


class Payout(StripeObject):
    """A transfer to the bank, in one currency."""

    PREFIX = "po_1"
    OBJECT = "payout"

    amount = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=10, default="paid")
    arrival_date = models.BigIntegerField()


class BalanceTransaction(StripeObject):
    """What one object moved on the balance, with the fee that was deducted; `source` is that object's id."""

    PREFIX = "txn_1"
    OBJECT = "balance_transaction"

    type = models.CharField(max_length=30)
    reporting_category = models.CharField(max_length=30)
    amount = models.BigIntegerField()
    fee = models.BigIntegerField(default=0)
    currency = models.CharField(max_length=3)
    source = models.CharField(max_length=80)
    payout = models.ForeignKey(Payout, on_delete=models.CASCADE, null=True)


class Event(StripeObject):
    """Something that happened, with the object as it was at that moment. Never changed."""

    PREFIX = "evt_1"
    OBJECT = "event"

    type = models.CharField(max_length=60, db_index=True)
    snapshot = models.JSONField()
    request_ref = models.CharField(max_length=40, null=True)
    idempotency_key = models.CharField(max_length=255, null=True)


class Delivery(models.Model):
    """One copy of an event on its way to the webhook endpoint: pending | held | dropped | delivered | failed.

    Times are real ones, in seconds; the sandbox's clock does not affect them. While a copy is being sent,
    next_attempt_at is its lease: if the process dies, the copy is resent after that.
    """

    event = models.ForeignKey(Event, on_delete=models.CASCADE)
    state = models.CharField(max_length=10)
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.FloatField()
    answer_status = models.PositiveIntegerField(null=True)
    answer = models.CharField(max_length=300, default="")

    class Meta:
        indexes = [models.Index(fields=["state", "next_attempt_at"], name="delivery_due")]

    def __str__(self) -> str:
        return f"{self.event} {self.state}"


class IdempotentAnswer(models.Model):
    """The first response given under an idempotency key, and its request."""

    key = models.CharField(max_length=255, unique=True)
    fingerprint = models.CharField(max_length=64)
    status = models.PositiveIntegerField()
    body = models.TextField()
    created = models.BigIntegerField()

    def __str__(self) -> str:
        return self.key
