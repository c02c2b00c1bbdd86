import datetime as dt

from django.db import models
from django_fsm import FSMField, transition

from accounts.models import Workspace
from core.addresses import AddressField
from core.clock import utc_now
from core.money import Money

from ..states import LIVE_CHECKOUTS, CheckoutStatus


class Price(models.Model):
    """What something costs. An amount is never edited once it was charged: a new price replaces it."""

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="prices")
    name = models.CharField(max_length=200, help_text="What the payer sees on the payment page.")
    amount_minor = models.PositiveIntegerField(help_text="In minor units: 4900 is 49.00 USD.")
    currency = models.CharField(max_length=3, default="usd")
    tax_rate = models.DecimalField(
        max_digits=5,
        decimal_places=2,
        null=True,
        blank=True,
        help_text="Optional: the tax that the amount includes, in percent.",
    )
    stripe_price_id = models.CharField(max_length=100, blank=True, help_text="Optional: a price kept in Stripe.")
    active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=utc_now, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(amount_minor__gt=0), name="price_positive"),
            models.CheckConstraint(condition=models.Q(currency__regex=r"^[a-z]{3}$"), name="price_currency_lower"),
            models.CheckConstraint(
                condition=models.Q(tax_rate__isnull=True) | models.Q(tax_rate__gte=0, tax_rate__lte=100),
                name="price_tax_rate_in_percent",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.money}"

    @property
    def money(self) -> Money:
        return Money(self.amount_minor, self.currency)


class CheckoutQuerySet(models.QuerySet["Checkout"]):
    def live(self) -> "CheckoutQuerySet":
        """Select checkouts that may still bring money."""
        return self.filter(status__in=LIVE_CHECKOUTS)

    def due(self, *, now: dt.datetime) -> "CheckoutQuerySet":
        """Select the live ones that the sweep asks Stripe about by `now`."""
        return self.live().filter(next_check_at__lte=now)


class Checkout(models.Model):
    """One request to pay through Stripe.

    Invariant: at most one live checkout per purpose and subject. The row is committed before Stripe is called, and its
    idempotency key is sent with every try of that call, so a lost answer never creates a second session.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="checkouts")
    purpose = models.CharField(max_length=32)  # which app reads `subject`
    subject = models.CharField(max_length=64)
    price = models.ForeignKey(Price, null=True, on_delete=models.PROTECT, related_name="checkouts")
    description = models.CharField(max_length=200)
    amount_minor = models.PositiveIntegerField()
    discount_minor = models.PositiveIntegerField(default=0, db_default=0)  # the discount off the list price
    currency = models.CharField(max_length=3)
    stripe_price_id = models.CharField(max_length=100, blank=True, db_default="")  # from the price when this was opened
    status = FSMField(max_length=10, choices=CheckoutStatus.choices, default=CheckoutStatus.OPEN, protected=True)
    metadata = models.JSONField(default=dict)  # what Stripe shows and returns with the session: ids, no people
    stripe_session_id = models.CharField(max_length=255, null=True, unique=True)
    url = models.TextField(blank=True)
    success_url = models.TextField()
    cancel_url = models.TextField()
    # the person sent to the payment page
    customer_email = AddressField(max_length=254, blank=True, default="", db_default="")
    payer_email = AddressField(max_length=254, blank=True)
    created_at = models.DateTimeField(default=utc_now, editable=False)
    expires_at = models.DateTimeField()
    cancel_requested_at = models.DateTimeField(null=True, blank=True)  # we want it ended; Stripe decides
    is_outdated = models.BooleanField(
        default=False, db_default=False
    )  # ended because its price changed: one at the new price follows
    settled_at = models.DateTimeField(null=True, blank=True)  # when it left the live states
    next_check_at = models.DateTimeField()  # when the sweep asks Stripe about it

    objects = CheckoutQuerySet.as_manager()

    class Meta:
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
            models.Index(fields=["payer_email"], condition=~models.Q(payer_email=""), name="checkout_by_payer"),
        ]

    def __str__(self) -> str:
        return f"Checkout of {self.money}"

    @property
    def money(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def list_money(self) -> Money:
        """Its price before the discount."""
        return Money(self.amount_minor + self.discount_minor, self.currency)

    @property
    def is_live(self) -> bool:
        return self.status in LIVE_CHECKOUTS

    @property
    def reference(self) -> str:
        """The name of this row at Stripe: the idempotency key of its creation and the session's client reference.

        The time distinguishes two installations (or a recreated database) that share one Stripe account and have the
        same ids.
        """
        return f"checkout-{self.pk}-{int(self.created_at.timestamp())}"

    @transition(
        field=status,
        source=[
            CheckoutStatus.OPEN,
            CheckoutStatus.PROCESSING,
            CheckoutStatus.EXPIRED,
            CheckoutStatus.CANCELLED,
            CheckoutStatus.REFUSED,
            CheckoutStatus.FAILED,
        ],
        target=CheckoutStatus.PAID,
    )
    def pay(self) -> None:
        """The whole amount is there. Money is recorded whatever was believed before."""

    @transition(field=status, source=CheckoutStatus.OPEN, target=CheckoutStatus.PROCESSING)
    def await_bank(self) -> None:
        """The payer chose a method whose bank answers later."""

    @transition(field=status, source=[CheckoutStatus.OPEN, CheckoutStatus.PROCESSING], target=CheckoutStatus.FAILED)
    def fail(self) -> None:
        """The bank refused, or the money that came was sent back because it did not match."""

    @transition(field=status, source=CheckoutStatus.OPEN, target=CheckoutStatus.EXPIRED)
    def expire(self) -> None:
        """Stripe says that it ended unpaid."""

    @transition(field=status, source=CheckoutStatus.OPEN, target=CheckoutStatus.CANCELLED)
    def cancel(self) -> None:
        """Stripe says that it ended unpaid, as we had requested."""

    @transition(field=status, source=CheckoutStatus.OPEN, target=CheckoutStatus.REFUSED)
    def refuse(self) -> None:
        """Stripe will not create a session for it, however often it is asked."""
