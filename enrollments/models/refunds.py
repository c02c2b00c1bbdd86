import datetime as dt
from typing import ClassVar

from django.db import models
from django.db.models import Q

from billing.refund_policy import RefundTier
from core.clock import utc_now

from .programs import Program, ProgramInstance


class RefundPolicy(models.Model):
    """What families that leave get back: for a program, or for one instance if that differs.

    Invariant: never changed, only replaced, so that a purchase keeps the policy under which it was made. At most one is
    in force for a program, and one for an instance.
    """

    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="refund_policies")
    instance = models.ForeignKey(
        ProgramInstance, null=True, blank=True, on_delete=models.PROTECT, related_name="refund_policies"
    )
    currency = models.CharField(max_length=3, blank=True, default="", db_default="")  # of its fees; empty without any
    actor = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=utc_now, editable=False)
    replaced_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "refund policies"
        constraints = [
            models.UniqueConstraint(
                fields=["program"],
                condition=Q(instance__isnull=True, replaced_at__isnull=True),
                name="refund_policy_one_of_program",
            ),
            models.UniqueConstraint(
                fields=["instance"], condition=Q(replaced_at__isnull=True), name="refund_policy_one_of_instance"
            ),
        ]

    def __str__(self) -> str:
        return f"Refund policy {self.pk} of {self.instance or self.program}"

    @property
    def rules(self) -> list[RefundTier]:
        """Return its tiers, in the order in which they apply."""
        tiers = [tier.rule for tier in self.tiers.all()]
        return sorted(tiers, key=lambda tier: (-(tier.days_before_start or 0), tier.until_date or dt.date.min))


class RefundPolicyTier(models.Model):
    """One tier of a refund policy: how long it applies, and what the program keeps."""

    LAST_DAYS: ClassVar = (-3650, 3650)  # the widest range of days before the start that anybody could mean

    policy = models.ForeignKey(RefundPolicy, on_delete=models.CASCADE, related_name="tiers")
    days_before_start = models.SmallIntegerField(null=True, blank=True)
    until_date = models.DateField(null=True, blank=True)
    kept_percent = models.PositiveSmallIntegerField(default=0)
    kept_fee_minor = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["policy", "days_before_start"], name="refund_tier_days_unique"),
            models.UniqueConstraint(fields=["policy", "until_date"], name="refund_tier_date_unique"),
            models.CheckConstraint(
                condition=Q(days_before_start__isnull=False, until_date__isnull=True)
                | Q(days_before_start__isnull=True, until_date__isnull=False),
                name="refund_tier_by_days_or_date",
            ),
            models.CheckConstraint(condition=Q(kept_percent__lte=100), name="refund_tier_within_price"),
        ]

    def __str__(self) -> str:
        return f"Tier {self.pk} of refund policy {self.policy_id}"

    @property
    def rule(self) -> RefundTier:
        return RefundTier(self.days_before_start, self.until_date, self.kept_percent, self.kept_fee_minor)
