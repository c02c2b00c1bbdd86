from django.db import models

from accounts.models import User, Workspace
from core.jobs import UNFINISHED, Job, JobStatus


class ExportFormat(models.TextChoices):
    CSV = "csv", "CSV"
    XLSX = "xlsx", "Excel"


class Export(Job):
    """A list that is written into a file, which is kept for a day.

    Invariant: it was asked for by a member of staff or by an API key of its workspace, and only they are told where its
    file is. `position` is the last row that was written, `written` how long the unfinished file was then.
    """

    source = models.CharField(max_length=100)  # which list it is: see exporting/sources.py
    format = models.CharField(max_length=4, choices=ExportFormat.choices)
    workspace = models.ForeignKey(Workspace, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    requested_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    written = models.BigIntegerField(default=0)
    file_deleted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(status__in=JobStatus.values), name="export_status_known"),
            models.CheckConstraint(condition=models.Q(format__in=ExportFormat.values), name="export_format_known"),
            models.CheckConstraint(
                condition=models.Q(requested_by__isnull=False) | models.Q(workspace__isnull=False),
                name="export_asked_for_by_somebody",
            ),
        ]
        indexes = [
            models.Index(fields=["next_attempt_at"], condition=models.Q(status__in=UNFINISHED), name="export_due"),
            models.Index(fields=["finished_at"], condition=models.Q(file_deleted_at__isnull=True), name="export_kept"),
        ]

    def __str__(self) -> str:
        return f"Export {self.cuid}"
