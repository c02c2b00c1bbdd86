from typing import Any, NoReturn

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models

from accounts.models import User, Workspace
from core.clock import utc_now
from core.errors import DomainError
from core.jobs import UNFINISHED, Job, JobStatus


class ExportFormat(models.TextChoices):
    CSV = "csv", "CSV"
    XLSX = "xlsx", "Excel"


class Export(Job):
    """A list that is written to a file, which is kept for a day.

    Invariant: a staff member or an API key of its workspace requested it, and only they are told where its file is.
    `position` is the last row that was written, `written` the length of the unfinished file at that point.
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


class AuditLogIsKept(DomainError):
    code = "audit_log_is_kept"
    title = "The audit log is only added to"


class AuditEntries(models.QuerySet["AuditEntry"]):
    def update(self, **values: Any) -> NoReturn:
        raise AuditLogIsKept("Entries never change.")

    def delete(self) -> NoReturn:
        raise AuditLogIsKept("Entries are deleted by age alone: see auditing/keeping.py.")


class AuditEntry(models.Model):
    """One action of a staff member: who, where, to which row, what changed, and why. Or an export of everything about a
    learner by a family or an operator ("system").

    Invariant: written in the transaction of the action, never changed, and deleted only after a year or more; only its
    reason is blanked when the person it may name is erased. A trigger in the database enforces this. It refers to rows
    and people by id and stores no other text about a person.
    """

    at = models.DateTimeField()
    actor = models.CharField(max_length=40)  # "user:7", "system"
    # None: the platform
    workspace = models.ForeignKey(Workspace, null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    model = models.CharField(max_length=100)  # "billing.payment"
    object_id = models.CharField(max_length=40, blank=True)  # empty if it is about no single row
    action = models.CharField(max_length=200)
    changes = models.JSONField(default=dict, encoder=DjangoJSONEncoder)  # field -> [before, after]; null: not stored
    reason = models.CharField(max_length=300, blank=True)
    request_id = models.CharField(max_length=64, blank=True)

    objects = AuditEntries.as_manager()

    class Meta:
        verbose_name = "audit entry"
        verbose_name_plural = "audit log"
        indexes = [
            models.Index(fields=["workspace", "-id"], name="audit_of_workspace"),
            models.Index(fields=["actor", "-id"], name="audit_of_actor"),
            models.Index(fields=["model", "object_id", "-id"], name="audit_of_object"),
            models.Index(fields=["at"], name="audit_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.action} by {self.actor}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.pk is not None:
            raise AuditLogIsKept("Entries never change.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AuditLogIsKept("Entries are deleted by age alone: see auditing/keeping.py.")


class SavedList(models.Model):
    """How a staff member wants one list shown. The row without a name says which columns are hidden for them; each row
    with a name is a filter, for them alone or for everybody in a workspace.

    Invariant: a person uses a name only once per list, and only filters with a name are shared. It stores filters and
    order, never search words, and grants nothing: the list shows each person only what they may see.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="saved_lists", db_index=False)
    workspace = models.ForeignKey(Workspace, null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    model = models.CharField(max_length=100)  # "billing.payment"
    name = models.CharField(max_length=60, blank=True)
    query = models.CharField(max_length=1000, blank=True)
    hidden = models.JSONField(default=list)  # column names
    created_at = models.DateTimeField(default=utc_now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "model", "name"], name="saved_list_name_unique"),
            models.CheckConstraint(
                condition=models.Q(name="", query="", workspace__isnull=True)
                | ~models.Q(name="") & ~models.Q(query=""),
                name="saved_list_named_iff_filter",
            ),
        ]
        indexes = [models.Index(fields=["model", "workspace"], name="saved_list_of_workspace")]

    def __str__(self) -> str:
        return self.name or f"Columns of {self.model}"
