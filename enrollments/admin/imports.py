"""Imports of candidates: how far each has come, what it would do or has done, and what is wrong with which line."""

from django.contrib import admin
from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from accounts.roles import Power
from backoffice.actions import StaffForm, staff_action
from backoffice.display import Card, Neighbor, json_column, link_column, neighbors_of, register_subject, status_badge
from backoffice.scoping import ScopedRelatedFilter, WorkspaceScopedAdmin, actor_of
from core.clock import utc_now

from ..imports.job import undo_import
from ..models import ImportJob
from ..states import ImportStage

register_subject("import", ImportJob)

FAULTS_SHOWN = 100


@admin.register(ImportJob)
class ImportJobAdmin(WorkspaceScopedAdmin):
    """The files of candidates of a workspace. They are sent on the page of the instance."""

    list_display = ("cuid", "instance", "stage", "status_label", "progress", "workspace", "created_at", "finished_at")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("stage", ChoicesDropdownFilter),
        ("workspace", ScopedRelatedFilter),
        ("instance", ScopedRelatedFilter),
    )
    list_select_related = ("instance", "workspace")
    search_fields = ("=cuid", "=instance__cuid")
    search_help_text = "CUID of the import or of its program instance"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("instance_link", "stage", "status_label", "progress"),
                    "notice",
                    ("counts_text", "options_text"),
                    ("cuid", "actor", "file_deleted_at"),
                    ("created_at", "started_at", "finished_at"),
                    ("attempts", "next_attempt_at", "last_error"),
                )
            },
        ),
    )
    actions_detail = ("undo",)
    status_label = status_badge("status")
    instance_link = link_column("instance", "program")
    counts_text = json_column("counts", "outcomes")
    options_text = json_column("options", "options")

    @display(description="progress", ordering="done")
    def progress(self, job: ImportJob) -> str:
        return f"{job.done:,} of {job.total:,}"

    @staff_action(
        description="Undo",
        power=Power.DECIDE,
        possible=lambda job: job.is_finished and job.stage == ImportStage.IMPORT,
        icon="undo",
        explanation="Deletes the enrollments that this import made, and changes back what it changed, as long as "
        "nothing was decided about them since.",
    )
    def undo(self, request: HttpRequest, job: ImportJob, form: StaffForm) -> str:
        undo_import(job_id=job.pk, actor=actor_of(request), now=utc_now())
        return "The import is being undone."


@neighbors_of(ImportJob)
def faults_of_import(request: HttpRequest, job: ImportJob) -> Card:
    faults = job.faults.order_by("line", "pk")[:FAULTS_SHOWN]
    rows = [Neighbor(title=f"Line {fault.line:,}, {fault.field}", note=fault.detail) for fault in faults]
    return Card("What is wrong with lines", rows, empty="Nothing.", wide=True)
