"""Candidate imports: how far each one is, what it would do or has done, and the faults by line."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.html import format_html
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from accounts.models import Workspace
from accounts.roles import Power
from backoffice.actions import StaffForm, staff_action, staff_list_action
from backoffice.display import (
    Card,
    Neighbor,
    admin_url,
    json_column,
    link,
    moment,
    neighbors_of,
    register_subject,
    status_badge,
)
from backoffice.previews import Preview
from backoffice.scoping import ScopedRelatedFilter, WorkspaceScopedAdmin, actor_of
from core.clock import utc_now

from ..imports.job import (
    carry_out_rehearsed,
    check_undoable,
    ends_too_many,
    is_half_undone,
    receive_roster,
    undo_import,
)
from ..imports.options import Options
from ..imports.rehearsal import describe
from ..imports.undo import describe_undo
from ..models import ImportFault, ImportJob
from ..states import DuplicatePolicy, ImportStage

register_subject("import", ImportJob)

FAULTS_SHOWN = 100
SECONDS_TO_NEXT_LOOK = 3


class ImportForm(StaffForm):
    file = forms.FileField(
        help_text="CSV or JSON lines of at most 17 MB, saved in UTF-8 if you can choose. The first line of a CSV names "
        "its columns: firstName, lastName, email, phone, city, tags, metadata.age and so on.",
        error_messages={"empty": "The file is empty. Choose one with a line of column names and a line per candidate."},
    )
    on_duplicate = forms.ChoiceField(
        label="People who are already enrolled", choices=DuplicatePolicy.choices, initial=DuplicatePolicy.SKIP
    )
    evaluate = forms.BooleanField(
        required=False, initial=True, label="Evaluate", help_text="Evaluate each candidate by the criteria."
    )
    tell_families = forms.BooleanField(
        required=False,
        initial=True,
        label="Tell families",
        help_text="Each family gets a mail with the result of its evaluation. The rehearsal sends no mail.",
    )


class RosterForm(ImportForm):
    workspace = forms.ModelChoiceField(queryset=Workspace.objects.none())
    file = forms.FileField(
        help_text="A OneRoster 1.2 CSV archive (ZIP) of at most 17 MB, in bulk or as a delta.",
        error_messages={"empty": "The file is empty. Choose the archive that the school's system has exported."},
    )
    field_order = ("workspace", "file")

    def prepare(self) -> None:
        self.offer_workspaces(Power.MANAGE)


class CarryOutForm(StaffForm):
    may_end_many = forms.BooleanField(
        label="Yes, end that many",
        help_text="More than a tenth of the current enrollments would end or become ineligible.",
    )

    def prepare(self) -> None:
        if not ends_too_many(self.row):
            del self.fields["may_end_many"]


def options_of(told: dict[str, Any]) -> Options:
    """Return the options of an upload, which is always rehearsed first."""
    return Options(
        is_rehearsal=True,
        evaluate=told["evaluate"],
        on_duplicate=told["on_duplicate"],
        tell_families=told["tell_families"],
    )


def _is_rehearsed(job: ImportJob) -> bool:
    is_here = job.is_finished and job.file_deleted_at is None
    return is_here and job.stage in (ImportStage.REHEARSAL, ImportStage.STOPPED)


def foresee_import(job: ImportJob, form: StaffForm) -> Preview:
    """Preview what the rehearsal found."""
    is_mailed = job.options["evaluate"] and job.options["tell_families"]
    return Preview(
        describe(job, now=utc_now()), mails="Families are mailed what was found." if is_mailed else "No mail is sent."
    )


def foresee_undo(job: ImportJob, form: StaffForm) -> Preview:
    """Preview what is deleted and what is reverted. Raises UndoTooLate."""
    check_undoable(job, now=utc_now())
    return Preview(describe_undo(job), mails="Families whose planned exit is withdrawn get a mail; others do not.")


@admin.register(ImportJob)
class ImportJobAdmin(WorkspaceScopedAdmin):
    """A workspace's rosters and its candidate files, which staff upload on the instance page."""

    list_display = ("file_for", "stage", "status_label", "progress", "workspace", "created_at", "finished_at")
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
                    ("about", "stage"),
                    ("status_label", "progress"),
                    "notice",
                    ("created_at", "started_at", "finished_at"),
                )
            },
        ),
        (
            "Details",
            {
                "fields": (
                    ("counts_text", "options_text"),
                    ("cuid", "actor", "file_deleted_at"),
                    ("attempts", "next_attempt_at", "last_error"),
                ),
                "classes": ("collapse",),
            },
        ),
    )
    actions_list = ("import_roster",)
    actions_detail = ("carry_out", "undo")
    status_label = status_badge("status")
    counts_text = json_column("counts", "outcomes")
    options_text = json_column("options", "options")

    def describe(self, row: ImportJob) -> str:
        return f"{row.instance or 'A roster'}, imported {moment(row.created_at)}"

    @display(description="file for", ordering="instance")
    def file_for(self, job: ImportJob) -> str:
        return str(job.instance or "A roster")

    @display(description="about", ordering="instance")
    def about(self, job: ImportJob) -> str:
        return link(job.instance) if job.instance else "A roster"

    @display(description="progress", ordering="done")
    def progress(self, job: ImportJob) -> str:
        bar = '<progress max="{}" value="{}" aria-hidden="true"></progress> {} of {}'
        return format_html(bar, max(job.total, 1), job.done, f"{job.done:,}", f"{job.total:,}")

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        """The page of a running job refreshes by itself, with or without scripts."""
        response = super().change_view(request, object_id, *args, **kwargs)
        job = self.get_visible(request, object_id)
        if job is not None and not job.is_finished:
            response["Refresh"] = str(SECONDS_TO_NEXT_LOOK)
        return response

    @staff_list_action(
        description="Import a roster",
        power=Power.MANAGE,
        form=RosterForm,
        icon="upload_file",
        explanation="Reads a OneRoster archive and rehearses the import: you see what it would do before anything is "
        "done.",
    )
    def import_roster(self, request: HttpRequest, form: StaffForm) -> HttpResponse:
        told = form.cleaned_data
        job = receive_roster(
            workspace_id=told["workspace"].pk,
            file=told["file"].file,
            options=options_of(told),
            actor=actor_of(request),
            now=utc_now(),
        )
        return HttpResponseRedirect(admin_url(job))

    @staff_action(
        description="Import",
        power=Power.DECIDE,
        possible=_is_rehearsed,
        form=CarryOutForm,
        preview=foresee_import,
        icon="play_arrow",
        explanation="Carries out what was rehearsed, in the background. You see it once more first.",
    )
    def carry_out(self, request: HttpRequest, job: ImportJob, form: StaffForm) -> str:
        may_end_many = form.cleaned_data.get("may_end_many", False)
        carry_out_rehearsed(job_id=job.pk, may_end_many=may_end_many, actor=actor_of(request), now=utc_now())
        return "The candidates are being imported."

    @staff_action(
        description="Undo",
        power=Power.DECIDE,
        possible=lambda job: is_half_undone(job) or (job.is_finished and job.stage == ImportStage.IMPORT),
        preview=foresee_undo,
        icon="undo",
        explanation="Deletes the enrollments that this import created, and reverts what it changed, unless something "
        "has been decided about them since.",
    )
    def undo(self, request: HttpRequest, job: ImportJob, form: StaffForm) -> str:
        undo_import(job_id=job.pk, actor=actor_of(request), now=utc_now())
        return "The import is being undone."


@neighbors_of(ImportJob, early=True)
def rehearsal_of_import(request: HttpRequest, job: ImportJob) -> Card:
    if job.stage not in (ImportStage.REHEARSAL, ImportStage.STOPPED):
        return Card(
            "What the import would do",
            empty="This was not a rehearsal: the outcome of its rows is shown above.",
            wide=True,
        )
    rows = [Neighbor(title=sentence) for sentence in describe(job, now=utc_now())] if job.is_finished else []
    return Card("What the import would do", rows, empty="The rehearsal is still running.", wide=True)


@neighbors_of(ImportJob)
def faults_of_import(request: HttpRequest, job: ImportJob) -> Card:
    faults = job.faults.order_by("file", "line", "pk")[:FAULTS_SHOWN]
    rows = [Neighbor(title=_place(fault), note=fault.detail) for fault in faults]
    return Card("What is wrong with lines", rows, empty="Nothing.", wide=True)


def _place(fault: ImportFault) -> str:
    where = f"Line {fault.line:,}, {fault.field}"
    return f"{fault.file}: {where}" if fault.file else where
