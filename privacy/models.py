import datetime as dt

from django.core.validators import MinValueValidator
from django.db import models
from django.utils.deconstruct import deconstructible

from accounts.models import Workspace
from core.clock import utc_now

from .states import LEAST_DAYS, ErasureReason, RetentionKind

# The delay between a settings change and the sweep following it: time to see what would be removed, and to take it
# back.
DELAY = dt.timedelta(days=1)


class Erasure(models.Model):
    """The record that somebody was erased. It contains nothing about them except ids that no longer lead to anything:
    with it, an erasure can be repeated after an older backup was restored.

    Invariant: one per learner. `papers_until` is when the invoices that the law requires stop naming them; empty once
    they have, or if there were none.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="erasures")
    learner_cuid = models.CharField(max_length=32, unique=True)
    reason = models.CharField(max_length=9, choices=ErasureReason.choices)
    actor = models.CharField(max_length=64)
    erased_at = models.DateTimeField()
    rows = models.PositiveIntegerField(default=0)  # how many rows held something of theirs
    payments = models.JSONField(default=list)  # those whose invoices still name them
    papers_until = models.DateField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(reason__in=ErasureReason.values), name="erasure_reason_known"),
        ]
        indexes = [
            models.Index(
                fields=["papers_until"], condition=models.Q(papers_until__isnull=False), name="erasure_papers_due"
            ),
        ]

    def __str__(self) -> str:
        return f"Erasure {self.pk}"


@deconstructible
class LongEnough(MinValueValidator):
    """A validator with its own code: Django's text for `min_value` is that of a form field, which knows no reason."""

    code = "too_short"


def _days(kind: RetentionKind) -> "models.SmallIntegerField[int | None, int | None]":
    least = LEAST_DAYS[kind]
    return models.SmallIntegerField(
        kind.label.lower(),
        null=True,
        blank=True,
        validators=[LongEnough(least, f"Keep them for {least} days at least, or leave it empty to keep them.")],
        help_text=f"Days, {least} at least. Empty: they are kept.",
    )


def _long_enough(kind: RetentionKind) -> models.CheckConstraint:
    column = f"{kind}_days"
    is_kept = models.Q(**{f"{column}__isnull": True})
    return models.CheckConstraint(
        condition=is_kept | models.Q(**{f"{column}__gte": LEAST_DAYS[kind]}), name=f"retention_{kind}_long_enough"
    )


class RetentionQuerySet(models.QuerySet["Retention"]):
    def in_force(self, *, now: dt.datetime) -> "RetentionQuerySet":
        """Select those whose last change is old enough to take effect."""
        return self.filter(changed_at__lte=now - DELAY)


class Retention(models.Model):
    """For how many days a workspace keeps what, counted from the last activity. Empty means that it stays.

    Invariant: at most one row per workspace; without one, everything stays. No time is shorter than LEAST_DAYS.
    """

    workspace = models.OneToOneField(Workspace, on_delete=models.PROTECT, related_name="retention")
    applications_days = _days(RetentionKind.APPLICATIONS)
    candidates_days = _days(RetentionKind.CANDIDATES)
    prospects_days = _days(RetentionKind.PROSPECTS)
    mails_days = _days(RetentionKind.MAILS)
    consents_days = _days(RetentionKind.CONSENTS)
    tasks_days = _days(RetentionKind.TASKS)
    changed_at = models.DateTimeField(default=utc_now, editable=False)
    swept_at = models.DateTimeField(null=True, editable=False)  # when the sweep last checked

    objects = RetentionQuerySet.as_manager()

    class Meta:
        verbose_name = "retention settings"
        verbose_name_plural = "data retention"
        constraints = [_long_enough(kind) for kind in RetentionKind]

    def __str__(self) -> str:
        return f"Retention settings {self.pk}"

    @property
    def days(self) -> dict[RetentionKind, int]:
        """The number of days for each kind that is not kept forever."""
        set_days = {kind: getattr(self, f"{kind}_days") for kind in RetentionKind}
        return {kind: days for kind, days in set_days.items() if days is not None}


class Forgotten(models.Model):
    """How many rows of a kind a workspace's retention rules removed on a day. Invariant: one row per kind and day."""

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="+", db_index=False)
    kind = models.CharField(max_length=12, choices=RetentionKind.choices)
    date = models.DateField()  # in the workspace's time zone
    rows = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "kind", "date"], name="forgotten_once_a_day"),
            models.CheckConstraint(condition=models.Q(kind__in=RetentionKind.values), name="forgotten_kind_known"),
        ]

    def __str__(self) -> str:
        return f"{self.rows} {self.kind} on {self.date}"
