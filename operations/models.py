from django.db import models

from core.clock import utc_now

from .states import ExaminationStatus


class Examination(models.Model):
    """One run of the doctor over all workspaces, and how much it found.

    Invariant: one runs at a time. Its results are `Finding` rows, which outlive it.
    """

    status = models.CharField(
        max_length=11, choices=ExaminationStatus.choices, default=ExaminationStatus.RUNNING, editable=False
    )
    began_at = models.DateTimeField(default=utc_now, editable=False)
    ended_at = models.DateTimeField(null=True, blank=True)
    checked = models.PositiveSmallIntegerField(default=0)  # how many invariants
    broken = models.JSONField(default=dict, blank=True)  # invariant -> how many rows break it

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=ExaminationStatus.values), name="examination_status_known"
            ),
            models.UniqueConstraint(
                fields=["status"],
                condition=models.Q(status=ExaminationStatus.RUNNING),
                name="examination_one_at_a_time",
            ),
        ]
        indexes = [models.Index(fields=["began_at"], name="examination_by_age")]

    def __str__(self) -> str:
        return f"Examination of {self.began_at:%Y-%m-%d %H:%M}"


class Backup(models.Model):
    """A backup that was read again when it was made, and was whole.

    Invariant: one per folder, whose name it has; the row is deleted with the folder. It holds counts only, nothing of
    the content. A restored backup has no row of itself.
    """

    name = models.CharField(max_length=17, unique=True)  # 2026-11-29-031700
    made_at = models.DateTimeField()  # its rows are as they were then
    rows = models.PositiveBigIntegerField()
    files = models.PositiveIntegerField()
    size_bytes = models.PositiveBigIntegerField()

    def __str__(self) -> str:
        return f"Backup {self.name}"


class FindingQuerySet(models.QuerySet["Finding"]):
    def open(self) -> "FindingQuerySet":
        """Select those that the last examination named."""
        return self.filter(gone_at__isnull=True)

    def confirmed(self) -> "FindingQuerySet":
        """Select the open ones that two examinations named: a row named by one may have been changing at the time."""
        return self.open().filter(times_seen__gt=1)


class Finding(models.Model):
    """One row that breaks an invariant, from the first examination that named it to the one that no longer did.

    Invariant: one open finding per invariant and row. Ids and numbers only: no text about a person.
    """

    invariant = models.CharField(max_length=100)
    row = models.CharField(max_length=100)  # "seat allocation 12"
    fact = models.CharField(max_length=500)
    found_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    times_seen = models.PositiveIntegerField(default=1)
    gone_at = models.DateTimeField(null=True, blank=True)

    objects = FindingQuerySet.as_manager()

    class Meta:
        verbose_name = "doctor's finding"
        constraints = [
            models.UniqueConstraint(
                fields=["invariant", "row"],
                condition=models.Q(gone_at__isnull=True),
                name="finding_one_open_per_row",
            ),
        ]
        indexes = [
            models.Index(fields=["gone_at"], condition=models.Q(gone_at__isnull=False), name="finding_gone"),
        ]

    def __str__(self) -> str:
        return f"{self.row} breaks {self.invariant}"
