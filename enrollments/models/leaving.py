from django.db import models
from django.db.models import F, Q

from accounts.models import Workspace
from billing.models import Payment, Refund
from core.ids import new_cuid
from core.money import Money

from ..states import Settlement
from .enrollments import Enrollment


class CancellationQuote(models.Model):
    """What leaving would bring, frozen until `expires_at` by the database's clock: a confirmation before then brings
    exactly that. Confirmed once, by one conditional UPDATE.
    """

    cuid = models.CharField(max_length=32, unique=True, default=new_cuid, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="cancellation_quotes")
    actor = models.CharField(max_length=64)  # who requested it; nobody else can confirm it
    created_at = models.DateTimeField(editable=False)
    expires_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(confirmed_at__isnull=True) | Q(confirmed_at__lt=F("expires_at")),
                name="cancellation_quote_confirmed_in_time",
            ),
        ]

    def __str__(self) -> str:
        return f"Quote {self.cuid}"


class QuotedExit(models.Model):
    """One enrollment of a quote: what was paid, refunded before, is kept, and is refunded now, and what ends."""

    quote = models.ForeignKey(CancellationQuote, on_delete=models.CASCADE, related_name="exits")
    enrollment = models.ForeignKey(Enrollment, on_delete=models.PROTECT, related_name="quoted_exits")
    settlement = models.CharField(max_length=8, choices=Settlement.choices)
    payment = models.ForeignKey(Payment, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    refund = models.OneToOneField(Refund, null=True, blank=True, on_delete=models.PROTECT, related_name="quoted_exit")
    currency = models.CharField(max_length=3, blank=True)
    paid_minor = models.PositiveIntegerField(default=0)
    back_minor = models.PositiveIntegerField(default=0)  # already refunded, or on its way
    kept_minor = models.PositiveIntegerField(default=0)
    returned_minor = models.PositiveIntegerField(default=0)
    place = models.CharField(max_length=200, blank=True)  # the name of what an app above holds for it
    sessions = models.PositiveSmallIntegerField(default=0)  # booked ones that end
    frees_seat = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["quote", "enrollment"], name="quoted_exit_once"),
            models.CheckConstraint(condition=Q(settlement__in=Settlement.values), name="quoted_exit_settlement_known"),
            models.CheckConstraint(
                condition=Q(paid_minor__gte=F("back_minor") + F("returned_minor")), name="quoted_exit_within_payment"
            ),
            models.CheckConstraint(
                condition=Q(settlement=Settlement.BY_RULE, payment__isnull=False) | Q(returned_minor=0),
                name="quoted_exit_returns_by_rule",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.enrollment_id} of {self.quote_id}"

    @property
    def paid(self) -> Money:
        return Money(self.paid_minor, self.currency)

    @property
    def back(self) -> Money:
        return Money(self.back_minor, self.currency)

    @property
    def kept(self) -> Money:
        return Money(self.kept_minor, self.currency)

    @property
    def returned(self) -> Money:
        return Money(self.returned_minor, self.currency)

    @property
    def is_by_rule(self) -> bool:
        return self.settlement == Settlement.BY_RULE

    @property
    def is_by_staff(self) -> bool:
        return self.settlement == Settlement.BY_STAFF
