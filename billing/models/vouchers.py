import datetime as dt

from django.db import models
from django_fsm import FSMField, transition

from accounts.models import Learner, Workspace
from core.clock import utc_now
from core.local_time import local_date, validate_date
from core.money import Money

from ..states import COUNTED_DISCOUNTS, DiscountSource, DiscountStatus, VoucherKind
from .checkouts import Checkout

# As they are stored: capitals and digits, so that a code is the same however it is typed.
CODE_PATTERN = r"^[A-Z0-9][A-Z0-9-]{3,31}$"


class VoucherQuerySet(models.QuerySet["Voucher"]):
    def with_uses_left(self) -> "VoucherQuerySet":
        """Select those whose limit, if any, is not reached."""
        return self.filter(models.Q(most_uses=None) | models.Q(uses__lt=models.F("most_uses")))


class Voucher(models.Model):
    """A code that takes something off a price.

    Invariant: `uses` counts its discounts that are reserved or used, and never exceeds `most_uses`.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="vouchers")
    code = models.CharField(max_length=32, help_text="Capitals, digits and hyphens. Families may type it in any case.")
    kind = models.CharField("takes off", max_length=10, choices=VoucherKind.choices, default=VoucherKind.PERCENTAGE)
    percent = models.DecimalField(
        max_digits=5, decimal_places=2, null=True, blank=True, help_text="Of a percentage: 25 takes a quarter off."
    )
    amount_minor = models.PositiveIntegerField(null=True, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    most_uses = models.PositiveIntegerField(
        "uses in all", null=True, blank=True, help_text="How often it can be used. Empty: no limit."
    )
    most_uses_per_family = models.PositiveSmallIntegerField(
        "uses per family", null=True, blank=True, help_text="Children who share a guardian are one family."
    )
    uses = models.PositiveIntegerField(default=0, editable=False)
    valid_from = models.DateField("first day", null=True, blank=True, validators=[validate_date])
    valid_until = models.DateField("last day", null=True, blank=True, validators=[validate_date])
    only_for = models.CharField(max_length=64, blank=True)  # an offer, as the app that sells it names it
    learner = models.ForeignKey(
        Learner,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="vouchers",
        help_text="Only this learner can use it. Empty: anybody.",
    )
    batch = models.CharField(
        max_length=80, blank=True, help_text="The name of a batch of codes that were made together."
    )
    note = models.CharField(max_length=200, blank=True, help_text="For colleagues: why it was given.")
    active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=utc_now, editable=False)

    objects = VoucherQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "code"], name="voucher_code_unique"),
            models.CheckConstraint(condition=models.Q(code__regex=CODE_PATTERN), name="voucher_code_canonical"),
            models.CheckConstraint(
                condition=models.Q(
                    kind=VoucherKind.PERCENTAGE, percent__gt=0, percent__lte=100, amount_minor=None, currency=""
                )
                | models.Q(kind=VoucherKind.AMOUNT, amount_minor__gt=0, currency__regex=r"^[a-z]{3}$", percent=None)
                | models.Q(kind=VoucherKind.FREE, percent=None, amount_minor=None, currency=""),
                name="voucher_takes_one_thing_off",
            ),
            models.CheckConstraint(
                condition=models.Q(most_uses=None) | models.Q(uses__lte=models.F("most_uses")),
                name="voucher_uses_within_limit",
            ),
            models.CheckConstraint(
                condition=models.Q(valid_from=None)
                | models.Q(valid_until=None)
                | models.Q(valid_until__gte=models.F("valid_from")),
                name="voucher_dates_in_order",
            ),
        ]

    def __str__(self) -> str:
        return self.code

    @property
    def label(self) -> str:
        """What documents, the payment page, and an enrollment's history call it."""
        return f"Voucher {self.code}"

    @property
    def takes_off(self) -> str:
        """What it takes off a price, in words."""
        if self.kind == VoucherKind.PERCENTAGE and self.percent is not None:
            return f"{self.percent.normalize():f} %"
        if self.kind == VoucherKind.AMOUNT and self.amount_minor is not None:
            return str(Money(self.amount_minor, self.currency))
        return VoucherKind.FREE.label

    def is_valid_on(self, now: dt.datetime) -> bool:
        """Return whether today, in its workspace's time zone, is one of its days."""
        today = local_date(now, self.workspace.timezone)
        return (self.valid_from or today) <= today <= (self.valid_until or today)


class DiscountQuerySet(models.QuerySet["Discount"]):
    def counted(self) -> "DiscountQuerySet":
        """Select those that take up a use of their voucher."""
        return self.filter(status__in=COUNTED_DISCOUNTS)


class Discount(models.Model):
    """The reduction of one purchase's list price, by a voucher or because a sibling takes part.

    Invariants: the purchase is charged the list price minus the discount, never less than nothing; one counts per
    subject; one without a checkout covers the whole price.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="discounts")
    source = models.CharField(max_length=7, choices=DiscountSource.choices)
    voucher = models.ForeignKey(Voucher, null=True, blank=True, on_delete=models.PROTECT, related_name="discounts")
    percent = models.DecimalField(max_digits=5, decimal_places=2, null=True, blank=True)  # of a sibling discount
    purpose = models.CharField(max_length=32)
    subject = models.CharField(max_length=64)
    checkout = models.ForeignKey(Checkout, null=True, blank=True, on_delete=models.PROTECT, related_name="discounts")
    list_minor = models.PositiveIntegerField()
    discount_minor = models.PositiveIntegerField()
    currency = models.CharField(max_length=3)
    status = FSMField(max_length=8, choices=DiscountStatus.choices, default=DiscountStatus.RESERVED, protected=True)
    created_at = models.DateTimeField(default=utc_now, editable=False)
    settled_at = models.DateTimeField(null=True, blank=True)

    objects = DiscountQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(status__in=DiscountStatus.values), name="discount_status_known"),
            models.CheckConstraint(
                condition=models.Q(source=DiscountSource.VOUCHER, voucher__isnull=False, percent=None)
                | models.Q(source=DiscountSource.SIBLING, voucher=None, percent__gt=0, percent__lte=100),
                name="discount_has_its_source",
            ),
            models.CheckConstraint(
                condition=models.Q(discount_minor__gt=0, discount_minor__lte=models.F("list_minor")),
                name="discount_within_list_price",
            ),
            models.CheckConstraint(
                condition=models.Q(checkout__isnull=False, discount_minor__lt=models.F("list_minor"))
                | models.Q(checkout=None, discount_minor=models.F("list_minor")),
                name="discount_free_iff_no_checkout",
            ),
            models.UniqueConstraint(
                fields=["purpose", "subject"],
                condition=models.Q(status__in=COUNTED_DISCOUNTS),
                name="discount_one_per_subject",
            ),
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def label(self) -> str:
        """What documents, the payment page, and an enrollment's history call it."""
        return self.voucher.label if self.voucher else DiscountSource.SIBLING.label

    @property
    def list_money(self) -> Money:
        return Money(self.list_minor, self.currency)

    @property
    def money(self) -> Money:
        """What it takes off."""
        return Money(self.discount_minor, self.currency)

    @property
    def charged(self) -> Money:
        return Money(self.list_minor - self.discount_minor, self.currency)

    @transition(field=status, source=[DiscountStatus.RESERVED, DiscountStatus.RELEASED], target=DiscountStatus.USED)
    def use(self) -> None:
        """The purchase is paid, or costs nothing."""

    @transition(field=status, source=[DiscountStatus.RESERVED, DiscountStatus.USED], target=DiscountStatus.RELEASED)
    def release(self) -> None:
        """The checkout ended unpaid, or the purchase brought nothing."""

    @transition(field=status, source=DiscountStatus.RELEASED, target=DiscountStatus.HONORED)
    def honor(self) -> None:
        """The money came late, and somebody else has the last use by now: the discount is honored without a use."""
