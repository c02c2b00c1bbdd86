"""The export button of every list, and the page where staff fetch their exports."""

from collections.abc import Callable
from typing import Any

from django.apps import apps
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseRedirect
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from accounts.roles import Power
from core.clock import utc_now
from core.jobs import JobStatus

from ..auditing.recording import one_deed
from ..display import NOTHING, admin_url, moment, register_subject, status_badge
from ..exporting.jobs import request_export
from ..exporting.links import export_url
from ..exporting.lists import NAME, ListSource, source_name
from ..exporting.sources import register_source
from ..models import Export, ExportFormat
from ..scoping import WorkspaceScopedAdmin, access_of, actor_of, staff_of

register_source(NAME, ListSource())
register_subject("export", Export)


def _workspaces(request: HttpRequest) -> list[int] | None:
    """Return the workspaces whose rows somebody sees; None for all of them."""
    access = access_of(request)
    return None if access.everywhere else sorted(access.workspace_ids(Power.VIEW))


def _single_workspace(request: HttpRequest) -> int | None:
    """Return where colleagues see that it was made; None for somebody who works in several workspaces."""
    held = _workspaces(request)
    return held[0] if held is not None and len(held) == 1 else None


def _export_as(format: ExportFormat) -> Callable[..., HttpResponseRedirect]:
    def export(page: Any, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponseRedirect:
        return ask_for_file(page, request, rows, format)

    export.power = Power.VIEW  # type: ignore[attr-defined]  # what get_actions asks each action for
    export.short_description = f"Export as {format.label}"  # type: ignore[attr-defined]
    return export


def ask_for_file(page: Any, request: HttpRequest, rows: QuerySet[Any], format: ExportFormat) -> HttpResponseRedirect:
    """Request a file of the rows. Raises PermissionDenied for people who may not see the list."""
    if not page.has_view_permission(request):
        raise PermissionDenied
    is_whole_list = request.POST.get("select_across") == "1"
    with one_deed(request):
        made = request_export(
            source=source_name(page.model),
            format=format,
            options={
                "query": request.GET.urlencode(),
                "keys": None if is_whole_list else list(rows.values_list("pk", flat=True)),
                "workspaces": _workspaces(request),
            },
            workspace_id=_single_workspace(request),
            requested_by=staff_of(request),
            actor=actor_of(request),
            now=utc_now(),
        )
        admin.site.get_model_admin(Export).log_addition(request, made, f"Export of {page.opts.verbose_name_plural}")
    messages.success(request, "The file is being written. Reload this page to see how far it is.")
    return HttpResponseRedirect(admin_url(made))


for each in ExportFormat:
    admin.site.add_action(_export_as(each), f"export_{each.value}")


@admin.register(Export)
class ExportAdmin(WorkspaceScopedAdmin):
    """Who exported what. Only the person who asked gets the file: it was written with their powers."""

    list_display = ("name", "format", "state", "progress", "requested_by", "workspace", "created_at")
    list_select_related = ("requested_by", "workspace")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("name", "format", "state"),
                    ("progress", "file", "requested_by"),
                    ("created_at", "finished_at"),
                    "last_error",
                )
            },
        ),
    )
    readonly_fields = ("name", "state", "progress", "file")

    state = status_badge("status")

    def limit(self, rows: QuerySet[Any], request: HttpRequest) -> QuerySet[Any]:
        """Return the exports of one's workspaces, and one's own, which may cover several."""
        return super().limit(rows, request) | rows.filter(requested_by=staff_of(request))

    def may(self, request: HttpRequest, power: Power | None, row: Any = None) -> bool:
        is_own = row is not None and row.pk is not None and row.requested_by_id == staff_of(request).pk
        return super().may(request, power, None if is_own else row)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        export = super().get_object(request, object_id, from_field)
        if export is not None:
            export.is_own = export.requested_by_id == staff_of(request).pk
        return export

    def describe(self, row: Export) -> str:
        return f"{self.name(row)}, exported {moment(row.created_at)}"

    @display(description="list")
    def name(self, export: Export) -> str:
        label = export.source.partition(":")[2]
        return str(apps.get_model(label)._meta.verbose_name_plural if label else export.source).capitalize()

    @display(description="progress")
    def progress(self, export: Export) -> str:
        return f"{export.done:,} of {export.total:,} rows"

    @display(description="file")
    def file(self, export: Export) -> SafeString | str:
        address = export_url(export, now=utc_now())
        if not getattr(export, "is_own", False):
            return NOTHING
        if address is None:
            return "deleted after a day" if export.status == JobStatus.COMPLETED else NOTHING
        return format_html('<a href="{}" class="text-primary-600 underline">Download</a>', address)
