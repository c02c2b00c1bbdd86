"""The back-office lists as sources: the rows, columns, and filters that the person who asked sees on the page."""

import datetime as dt
import html
from collections.abc import Sequence
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.admin.utils import display_for_field, label_for_field, lookup_field
from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Model, QuerySet
from django.http import HttpRequest, QueryDict
from django.utils.html import strip_tags

from accounts.roles import Power, get_staff_access
from core.errors import require

from ..models import Export
from ..saved_lists import find_kept
from ..scoping import WorkspaceScopedAdmin, access_of

NAME = "list"


def source_name(model: type[Model]) -> str:
    return f"{NAME}:{model._meta.label_lower}"


class ListSource:
    """`options` contain the `query` of the page's URL, the `keys` of the rows if some were selected, and the
    `workspaces` of the person who asked, None for all of them."""

    def columns(self, export: Export) -> list[str]:
        page, request = _page_of(export)
        return [str(label_for_field(name, page.model, page)).capitalize() for name in _names(page, request)]

    def rows(self, export: Export) -> QuerySet[Any]:
        page, request = _page_of(export)
        rows: QuerySet[Any] = page.model._default_manager.none()
        if page.has_view_permission(request):
            rows = page.get_changelist_instance(request).get_queryset(request)
        keys = export.options.get("keys")
        return rows if keys is None else rows.filter(pk__in=keys)

    def totals(self, export: Export) -> list[list[str]]:
        page, request = _page_of(export)
        names = _names(page, request)
        return [[told.get(name, "") for name in names] for told in page.exported_totals(self.rows(export))]

    def is_open_still(self, export: Export) -> bool:
        page, request = _page_of(export)
        access = get_staff_access(require(export.requested_by, "an export of a list was asked for by staff"))
        wanted = export.options.get("workspaces")
        held = access.everywhere or (wanted is not None and set(wanted) <= set(access.workspace_ids(Power.VIEW)))
        return held and page.has_view_permission(request)

    def cells(self, export: Export, rows: Sequence[Any]) -> list[list[str]]:
        page, request = _page_of(export)
        names = _names(page, request)
        page.look_up(request, rows)
        return [[_cell(name, row, page) for name in names] for row in rows]


def _page_of(export: Export) -> tuple[WorkspaceScopedAdmin, HttpRequest]:
    """Return the list's page, and a request from the person who asked, with the powers they have now."""
    page = admin.site.get_model_admin(apps.get_model(export.source.partition(":")[2]))
    user = require(export.requested_by, "an export of a list was asked for by staff")
    request = HttpRequest()
    request.method = "GET"
    request.GET = QueryDict(export.options.get("query", ""))
    request.user = user
    request.staff_access = get_staff_access(user)  # type: ignore[attr-defined]  # what access_of looks up
    if not isinstance(page, WorkspaceScopedAdmin):
        raise TypeError(f"{page} does not say who may see its rows.")
    return page, request


def _names(page: WorkspaceScopedAdmin, request: HttpRequest) -> list[str]:
    """Return the columns that the person has not hidden. Those hidden at first are among them: a file has room."""
    shown = find_kept(request, page.model, access_of(request)).shown(page.every_column(request))
    return [name for name in shown if name != "action_checkbox"]


def _cell(name: str, row: Any, page: WorkspaceScopedAdmin) -> str:
    try:
        field, _, value = lookup_field(name, row, page)
    except ObjectDoesNotExist:
        return ""
    if field is not None and field.is_relation:
        return text_of(getattr(row, field.name))
    if field is not None and getattr(field, "flatchoices", None):
        return text_of(display_for_field(value, field, ""))
    return text_of(value)


def text_of(value: Any) -> str:
    """Return a cell's content as plain text; times in ISO 8601, in UTC."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return " ".join(text_of(each) for each in value if isinstance(each, str))
    return " ".join(html.unescape(strip_tags(str(value))).split())
