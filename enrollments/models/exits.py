from django.db import models

from core.clock import utc_now

from ..states import ExitStatus
from .enrollments import Enrollment


class PlannedExit(models.Model):
    """The end of an enrollment, decided now for a later day; a sweep carries it out once that day has begun.

    Invariant: an enrollment has at most one that waits for its day, and only while it is approved and not deleted. Rows
    are never deleted: each records its outcome, when and by whom.
    """

    enrollment = models.ForeignKey(Enrollment, on_delete=models.PROTECT, related_name="planned_exits")
    effective_date = models.DateField()  # the first day without the learner, in the workspace's time zone
    reason = models.CharField(max_length=300)  # the family reads it
    note = models.CharField(max_length=300, blank=True)  # for colleagues only
    metadata = models.JSONField(default=dict, blank=True)
    status = models.CharField(max_length=11, choices=ExitStatus.choices, default=ExitStatus.PLANNED)
    planned_by = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=utc_now, editable=False)
    settled_by = models.CharField(max_length=64, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(default=utc_now)  # the day takes precedence; this postpones a failed attempt
    last_error = models.CharField(max_length=100, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["enrollment"], condition=models.Q(status=ExitStatus.PLANNED), name="planned_exit_one_open"
            ),
            models.CheckConstraint(condition=models.Q(status__in=ExitStatus.values), name="planned_exit_status_known"),
            models.CheckConstraint(
                condition=models.Q(status=ExitStatus.PLANNED) | models.Q(settled_at__isnull=False),
                name="planned_exit_settled_at_some_time",
            ),
        ]
        indexes = [
            models.Index(
                fields=["effective_date"], condition=models.Q(status=ExitStatus.PLANNED), name="planned_exit_due"
            ),
        ]

    def __str__(self) -> str:
        return f"Exit on {self.effective_date}"
