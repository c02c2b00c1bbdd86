"""Imports of candidates from files: the job itself, the outcome of its rows, and the faults."""

from django.db import models

from accounts.models import Workspace
from core.clock import utc_now
from core.jobs import UNFINISHED, Job, JobStatus

from ..states import ImportStage
from .enrollments import Enrollment
from .programs import ProgramInstance


class ImportJob(Job):
    """A file of candidates for one instance, or a roster, which names its instances itself and so has none.

    Invariant: `position` is where in the file the next batch begins, `done` how many records precede it. The file is
    stored under the job's CUID until `file_deleted_at`. `stage` says what the job does, or, once it is completed, its
    outcome.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="+")
    instance = models.ForeignKey(
        ProgramInstance, null=True, blank=True, on_delete=models.PROTECT, related_name="imports"
    )
    stage = models.CharField(max_length=9, choices=ImportStage.choices)
    notice = models.CharField(max_length=300, blank=True)  # what the sender should know about how the file was read
    file_deleted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "import"
        constraints = [
            models.CheckConstraint(condition=models.Q(status__in=JobStatus.values), name="import_status_known"),
            models.CheckConstraint(condition=models.Q(stage__in=ImportStage.values), name="import_stage_known"),
        ]
        indexes = [
            models.Index(fields=["next_attempt_at"], condition=models.Q(status__in=UNFINISHED), name="import_due"),
            models.Index(
                fields=["created_at"], condition=models.Q(file_deleted_at__isnull=True), name="import_file_kept"
            ),
        ]

    def __str__(self) -> str:
        return f"Import {self.cuid}"

    @property
    def is_roster(self) -> bool:
        """Return whether its file is a OneRoster archive."""
        return self.instance_id is None


class ImportedRow(models.Model):
    """What an import did with a line: a new enrollment, or an enrollment that it changed. A roster's row may have
    created or changed a district, a guardian, or a learner instead, which `subject` names, as in `learner:12`.

    Invariant: at most one per line of a file of an import, and one per enrollment that it made or changed, whose first
    line it names, besides the exits that it planned; only the files of a roster have names. `before` holds the previous
    values of the details that it changed; it is empty for a new enrollment. The import can be undone as long as
    `written_at` is when the enrollment last changed. A rehearsal has no enrollment to refer to, and stores `person` so
    that nobody is counted twice.
    """

    job = models.ForeignKey(ImportJob, on_delete=models.PROTECT, related_name="rows", db_index=False)
    file = models.CharField(max_length=30, blank=True, default="", db_default="")
    line = models.PositiveIntegerField()
    enrollment = models.ForeignKey(
        Enrollment, null=True, blank=True, on_delete=models.PROTECT, related_name="imported_rows"
    )
    subject = models.CharField(max_length=40, blank=True, default="", db_default="")
    person = models.CharField(max_length=64, blank=True)
    before = models.JSONField(null=True, blank=True)
    written_at = models.DateTimeField(default=utc_now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "file", "line"], name="imported_row_once")]
        indexes = [
            models.Index(fields=["job", "person"], condition=~models.Q(person=""), name="imported_row_by_person"),
            models.Index(fields=["subject"], condition=~models.Q(subject=""), name="imported_row_by_subject"),
        ]

    def __str__(self) -> str:
        return f"Line {self.line}"


class ImportFault(models.Model):
    """What is wrong with a line, and what would be right. It never quotes the line."""

    job = models.ForeignKey(ImportJob, on_delete=models.PROTECT, related_name="faults", db_index=False)
    file = models.CharField(max_length=30, blank=True, default="", db_default="")
    line = models.PositiveIntegerField()
    field = models.CharField(max_length=100)
    code = models.CharField(max_length=50)
    detail = models.CharField(max_length=300)

    class Meta:
        indexes = [models.Index(fields=["job", "line"], name="import_fault_by_line")]

    def __str__(self) -> str:
        return f"Line {self.line}: {self.field}"
