"""The page on which staff choose a list's columns, and save and share its filters.

A filter is stored in the form it has in the list's URL, and only with parameters that the list offers. It grants
nothing: the list shows each person only what they may see.
"""

from typing import Any

from django import forms
from django.apps import apps
from django.contrib import admin, messages
from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import label_for_field
from django.contrib.admin.views.main import ALL_VAR, ORDER_VAR, PAGE_VAR, SEARCH_VAR
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.text import capfirst
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from accounts.models import Workspace
from accounts.roles import Power
from core.numbers import parse_whole_number

from .actions import StaffForm
from .auditing.recording import one_deed, record
from .models import SavedList
from .saved_lists import find_kept, own_or_shared, settings_url, tell_sharing
from .scoping import WorkspaceScopedAdmin, access_of, staff_of

FILTERS_AT_MOST = 50  # per person and list
NOT_KEPT = (PAGE_VAR, SEARCH_VAR, ALL_VAR)  # the position in the list, and the search words


class ColumnsForm(StaffForm):
    """`row` is the list's page."""

    shown = forms.MultipleChoiceField(label="Columns that are shown", widget=UnfoldAdminCheckboxSelectMultipleWidget)

    def prepare(self) -> None:
        columns = every_column(self.row, self.request)
        bound = self.fields["shown"]
        assert isinstance(bound, forms.MultipleChoiceField)
        bound.choices = [(name, capfirst(str(label_for_field(name, self.row.model, self.row)))) for name in columns]
        self.initial["shown"] = self.row.get_list_display(self.request)


class FilterForm(StaffForm):
    """`row` is the list's page."""

    name = forms.CharField(max_length=60, help_text="The name under which you and your colleagues find it.")
    workspace = forms.ModelChoiceField(
        Workspace.objects.none(),
        label="Share with",
        required=False,
        empty_label="Nobody: only I can see it",
        help_text="Everybody in the workspace sees it above the list.",
    )
    query = forms.CharField(max_length=1000, required=False, widget=forms.HiddenInput)

    def prepare(self) -> None:
        self.offer_workspaces(Power.ASSIST)
        self.fields["workspace"].initial = None

    def clean_query(self) -> str:
        return keep_known(self.row, self.request, self.cleaned_data["query"])

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        mine = SavedList.objects.filter(user=staff_of(self.request), model=self.row.opts.label_lower)
        if mine.filter(name=name).exists():
            raise ValidationError(
                "You already have a filter with this name for the list. Choose another name, or delete that one."
            )
        if mine.count() > FILTERS_AT_MOST:
            raise ValidationError(f"You have {FILTERS_AT_MOST} filters for this list. Delete one first.")
        return name


def show_list_settings(request: HttpRequest, label: str) -> HttpResponse:
    """Show a list's columns and filters to people who may see it. Raises Http404 for others and for an unknown list."""
    page = _page_of(label)
    if page is None or not page.has_view_permission(request):
        raise Http404("There is no such list.")
    told = request.POST if request.method == "POST" else None
    wanted = told.get("do", "") if told is not None else ""
    if wanted == "forget":
        return _forget(page, request)
    columns = ColumnsForm(told if wanted == "columns" else None, request=request, row=page)
    begun = {"query": request.GET.get("query", "")}
    saved = FilterForm(told if wanted == "save" else None, request=request, row=page, initial=begun)
    if wanted == "columns" and columns.is_valid():
        return _choose_columns(page, request, columns.cleaned_data["shown"])
    if wanted == "save" and saved.is_valid():
        return _save_filter(page, request, saved)
    context = {
        **admin.site.each_context(request),
        "title": f"Columns and filters: {page.opts.verbose_name_plural}",
        "content_title": "Columns and filters",
        "model_admin": page,
        "columns": columns,
        "saved": saved,
        "is_filtered": bool(saved["query"].value()),
        "query_faults": saved.errors.get("query", []),
        "filters": [
            (each, _list_of(page, each.query), tell_sharing(each), _may_forget(request, each))
            for each in find_kept(request, page.model, access_of(request)).filters
        ],
        "list_url": _list_of(page, saved["query"].value() or ""),
        "here": settings_url(page.model),
    }
    return TemplateResponse(request, "admin/list_settings.html", context)


def every_column(page: WorkspaceScopedAdmin, request: HttpRequest) -> list[str]:
    """Return the names of all columns the list has when none are hidden."""
    return [name for name in page.every_column(request) if isinstance(name, str)]


def keep_known(page: WorkspaceScopedAdmin, request: HttpRequest, query: str) -> str:
    """Return the filters and the order in a list's URL. Raises ValidationError for parameters the list lacks."""
    told = QueryDict(query, mutable=True)
    for name in NOT_KEPT:
        told.pop(name, None)
    asked = HttpRequest()
    asked.method = "GET"
    asked.GET = QueryDict(told.urlencode())
    asked.user = request.user
    asked.staff_access = access_of(request)  # type: ignore[attr-defined]
    try:
        shown = page.get_changelist_instance(asked)
    except (IncorrectLookupParameters, DisallowedModelAdminLookup) as error:
        raise ValidationError("The list can't be filtered like this. Filter it again, and save that.") from error
    known = {ORDER_VAR, *(str(name) for spec in shown.filter_specs for name in spec.expected_parameters())}
    if page.date_hierarchy:
        known |= {f"{page.date_hierarchy}__{part}" for part in ("year", "month", "day")}
    if strange := sorted(set(told) - known):
        raise ValidationError(f"The list has no filter by {', '.join(strange)}. Choose from its own filters.")
    kept = {name: values for name, values in told.lists() if any(values)}
    if not kept:
        raise ValidationError("Filter or sort the list first, and save that. Search terms are not saved.")
    answer = QueryDict(mutable=True)
    for name, values in kept.items():
        answer.setlist(name, values)
    return answer.urlencode()


def _page_of(label: str) -> WorkspaceScopedAdmin | None:
    try:
        page = admin.site._registry.get(apps.get_model(label))
    except (LookupError, ValueError):
        return None
    return page if isinstance(page, WorkspaceScopedAdmin) else None


def _list_of(page: WorkspaceScopedAdmin, query: str) -> str:
    address = reverse(f"admin:{page.opts.app_label}_{page.opts.model_name}_changelist")
    return f"{address}?{query}" if query else address


def _choose_columns(page: WorkspaceScopedAdmin, request: HttpRequest, shown: list[str]) -> HttpResponse:
    hidden = [name for name in every_column(page, request) if name not in shown]
    SavedList.objects.update_or_create(
        user=staff_of(request), model=page.opts.label_lower, name="", defaults={"hidden": hidden}
    )
    messages.success(request, "The list shows the columns that you chose.")
    return HttpResponseRedirect(_list_of(page, ""))


def _save_filter(page: WorkspaceScopedAdmin, request: HttpRequest, form: FilterForm) -> HttpResponse:
    told = form.cleaned_data
    with one_deed(request, form):
        saved, is_new = SavedList.objects.get_or_create(
            user=staff_of(request),
            model=page.opts.label_lower,
            name=told["name"],
            defaults={"workspace": told["workspace"], "query": told["query"]},
        )
        if is_new:  # otherwise the button was pressed twice at once
            _record(request, "Share a filter", saved)
    messages.success(request, f"{saved.name}: saved.")
    return HttpResponseRedirect(_list_of(page, saved.query))


def _forget(page: WorkspaceScopedAdmin, request: HttpRequest) -> HttpResponse:
    """Delete a filter: one's own, or a shared one if one manages the workspace."""
    filters = own_or_shared(staff_of(request), access_of(request)).filter(model=page.opts.label_lower).exclude(name="")
    saved = filters.filter(pk=parse_whole_number(request.POST.get("filter", "")) or 0).first()
    if saved is None or not _may_forget(request, saved):
        raise Http404("There is no such filter of yours.")
    with one_deed(request):
        _record(request, "Delete a filter", saved)
        saved.delete()
    messages.success(request, f"{saved.name}: deleted.")
    return HttpResponseRedirect(settings_url(page.model))


def _may_forget(request: HttpRequest, saved: SavedList) -> bool:
    is_mine = saved.user_id == staff_of(request).pk
    return is_mine or (saved.workspace_id is not None and access_of(request).may(Power.MANAGE, saved.workspace_id))


def _record(request: HttpRequest, action: str, saved: SavedList) -> None:
    """Record what colleagues will find above their lists in the audit log; private filters concern nobody else."""
    if saved.workspace_id is None:
        return
    changes: dict[str, Any] = {"query": [None, saved.query]}
    record(
        request,
        action=action,
        model=saved._meta.label_lower,
        object_id=saved.pk,
        workspace_id=saved.workspace_id,
        changes=changes,
    )
