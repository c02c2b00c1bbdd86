"""Guided pages: everything about a new object on one page that grows and shrinks row by row.

They work without JavaScript and lose nothing that was typed: each button submits the whole page. Adding, moving, and
removing happen here, on texts that need not be valid yet.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.enums import ActionVariant
from unfold.widgets import CHECKBOX_CLASSES

from accounts.models import Workspace
from accounts.roles import Power
from core.errors import DomainError, read_item
from core.numbers import parse_whole_number

from .actions import ListButton, RowButton, StaffForm
from .scoping import access_of

PREVIEW = "preview"
CREATE = "create"
Row = dict[str, list[str]]


@dataclass(slots=True)
class Rows:
    """A list on a guided page: rows with the same fields, as they were typed."""

    name: str
    fields: tuple[str, ...]
    at_most: int
    rows: list[Row] = field(default_factory=list)

    def read(self, data: QueryDict) -> None:
        """Adopt what was submitted, as far as the list allows it."""
        count = min(parse_whole_number(data.get(f"{self.name}-count", "")) or 0, self.at_most)
        self.rows = [
            {each: data.getlist(self.field_name(number, each)) for each in self.fields} for number in range(count)
        ]

    def field_name(self, number: int, field_name: str) -> str:
        return f"{self.name}-{number}-{field_name}"

    def add(self, **values: str | list[str]) -> None:
        """Append a row with these values, unless the list is full."""
        if not self.is_full:
            told = {name: [value] if isinstance(value, str) else value for name, value in values.items()}
            self.rows.append({each: told.get(each, []) for each in self.fields})

    def change(self, verb: str, number: int) -> None:
        """Move a row `up` or `down`, or `remove` it. Impossible changes do nothing."""
        if not 0 <= number < len(self.rows):
            return
        other = {"up": number - 1, "down": number + 1}.get(verb, number)
        if verb == "remove":
            del self.rows[number]
        elif 0 <= other < len(self.rows):
            self.rows[number], self.rows[other] = self.rows[other], self.rows[number]

    @property
    def is_full(self) -> bool:
        return len(self.rows) >= self.at_most


def first(row: Row, name: str) -> str:
    """Return a field's single value."""
    return next(iter(row.get(name, [])), "")


def read_act(act: str) -> tuple[str, str, int]:
    """Parse a button's value: `remove:classes:2` is a verb, a list, and a row number, -1 without one."""
    verb, _, rest = act.partition(":")
    name, _, told = rest.partition(":")
    number = parse_whole_number(told)
    return verb, name, -1 if number is None else number


def seal(plan: object) -> str:
    """Return the fingerprint of what a preview showed: a plan is carried out only as it was shown."""
    return hashlib.sha256(repr(plan).encode()).hexdigest()[:16]


def find_workspace(request: HttpRequest, *, power: Power) -> Workspace | None:
    """Return the workspace named by the URL or, if the person has the power in only one, that one; None if they have to
    choose. Raises Http404, and PermissionDenied for people without the power anywhere."""
    access = access_of(request)
    if not access.may_anywhere(power):
        raise PermissionDenied
    mine = offered_workspaces(request, power=power)
    told = request.GET.get("workspace")
    if told is None:
        few = list(mine[:2])
        return few[0] if len(few) == 1 else None
    key = parse_whole_number(told)
    found = mine.filter(pk=key).first() if key else None
    if found is None:
        raise Http404("There is no such workspace.")
    return found


def guided_url(name: str, **query: object) -> str:
    """Return the URL of a guided page, with its initial values."""
    pairs = urlencode(query)
    return f"{reverse(name)}?{pairs}" if pairs else reverse(name)


def choose_workspace(
    model_admin: Any, request: HttpRequest, *, title: str, power: Power, to: Callable[..., str]
) -> HttpResponse:
    """Ask people who work for several organizations to choose one."""
    context = {
        **model_admin.admin_site.each_context(request),
        "title": title,
        "opts": model_admin.opts,
        "choices": [(each.name, to(workspace=each.pk)) for each in offered_workspaces(request, power=power)],
        "media": model_admin.media,
    }
    return TemplateResponse(request, "admin/guided_workspace.html", context)


def offered_workspaces(request: HttpRequest, *, power: Power) -> QuerySet[Workspace]:
    """Return the workspaces in which the person may set something up, by name."""
    return access_of(request).limit(Workspace.objects.order_by("name", "pk"), path="id", power=power)


class GuidedForm(StaffForm):
    """A form with lists. `row` is the workspace. The page creates the `lists` before the form."""

    def __init__(self, *args: Any, lists: Iterable[Rows], **kwargs: Any) -> None:
        self.lists = {each.name: each for each in lists}
        super().__init__(*args, **kwargs)
        for bound in self.fields.values():
            if isinstance(bound.widget, forms.CheckboxSelectMultiple):
                bound.widget.attrs["class"] = " ".join(CHECKBOX_CLASSES)

    def in_row(self, name: str, number: int) -> dict[str, Any]:
        """Return a row's cleaned values by field, without the invalid ones."""
        rows = self.lists[name]
        found = {each: rows.field_name(number, each) for each in rows.fields}
        return {each: self.cleaned_data[key] for each, key in found.items() if key in self.cleaned_data}

    def show(self, refusal: DomainError) -> None:
        """Show each error next to its field."""
        for fault in refusal.errors:
            name = self._field_of(fault.field)
            self.add_error(name, fault.detail)
        if not refusal.errors:
            self.add_error(None, refusal.detail)

    def _field_of(self, told: str) -> str | None:
        item = read_item(told)
        if item is not None and item[0] in self.lists:
            rows = self.lists[item[0]]
            names = [rows.field_name(item[1], item[2]), rows.field_name(item[1], rows.fields[0])]
        else:
            names = [told]
        return next((name for name in names if name in self.fields), None)


class GuidedPage:
    """The flow of a guided page: it asks for the workspace, edits the texts as the buttons say, previews what it would
    create, and creates only what staff have seen and not edited since.

    Each page's methods define how texts are read and changed, and what the page previews, creates, and shows.
    """

    noun = ""  # what is set up: "course"
    template = ""
    fields_of: Mapping[type[DomainError], str] = {}  # where a refusal is shown that names no field

    def __init__(self, model_admin: Any, request: HttpRequest) -> None:
        self.model_admin = model_admin
        self.request = request

    def answer(self) -> HttpResponse:
        """Return the page, or redirect to what its button has created."""
        workspace = self.find_workspace()
        if workspace is None:
            return choose_workspace(
                self.model_admin, self.request, title=self.title, power=Power.MANAGE, to=self.address
            )
        if self.request.method != "POST":
            return self._show(self.ask(workspace, self.begin(workspace)))
        texts = self.read(workspace)
        act = self.request.POST.get("act", PREVIEW)
        if act not in (PREVIEW, CREATE) and not self.change(texts, *read_act(act)):
            return self._show(self.ask(workspace, texts))
        return self._carry_out(workspace, texts, is_wanted=act == CREATE)

    @property
    def title(self) -> str:
        return f"New {self.noun}"

    def find_workspace(self) -> Workspace | None:
        """Return where it is set up, or None if the person has to choose."""
        return find_workspace(self.request, power=Power.MANAGE)

    def address(self, **query: object) -> str:
        """Return the address of this page for a workspace."""
        raise NotImplementedError

    def begin(self, workspace: Workspace) -> Any:
        """Return the texts that the page starts with."""
        raise NotImplementedError

    def read(self, workspace: Workspace) -> Any:
        """Return the texts that were sent."""
        raise NotImplementedError

    def change(self, texts: Any, verb: str, name: str, number: int) -> bool:
        """Change the texts as a button says; True if the preview is to follow at once."""
        raise NotImplementedError

    def ask(self, workspace: Workspace, texts: Any, *, is_sent: bool = False) -> Any:
        """Return the form for the texts, filled in with what was submitted."""
        raise NotImplementedError

    def foresee(self, workspace: Workspace, plan: Any) -> Any:
        """Return a preview of what would be created. Raises what `create` raises."""
        raise NotImplementedError

    def create(self, workspace: Workspace, plan: Any) -> HttpResponse:
        """Create it, and redirect to its page."""
        raise NotImplementedError

    def describe(self, form: Any) -> dict[str, Any]:
        """Return what the page's template needs beyond the context of every guided page."""
        raise NotImplementedError

    def _carry_out(self, workspace: Workspace, texts: Any, *, is_wanted: bool) -> HttpResponse:
        form = self.ask(workspace, texts, is_sent=True)
        if not form.is_valid():
            return self._show(form)
        plan = form.plan()
        foreseen = None
        try:
            if is_wanted and self.request.POST.get("seen") == seal(plan):
                return self.create(workspace, plan)
            foreseen = self.foresee(workspace, plan)
        except DomainError as refusal:
            if type(refusal) in self.fields_of:
                form.add_error(self.fields_of[type(refusal)], refusal.detail)
            else:
                form.show(refusal)
        else:
            if is_wanted:
                changed = "Something has changed since the preview."
                form.add_error(None, f"{changed} Look at it again, then create the {self.noun}.")
        return self._show(form, foreseen=foreseen, seen=seal(plan))

    def _show(self, form: Any, *, foreseen: Any = None, seen: str = "") -> HttpResponse:
        context = {
            **self.model_admin.admin_site.each_context(self.request),
            "title": self.title,
            "opts": self.model_admin.opts,
            "workspace": form.row,
            "form": form,
            "sections": form.sections,
            "foreseen": foreseen,
            "seen": seen,
            "here": self.request.get_full_path(),
            "media": self.model_admin.media + form.media,
            **self.describe(form),
        }
        status = 422 if form.is_bound and form.errors else 200
        return TemplateResponse(self.request, self.template, context, status=status)


# --- The buttons that lead there --------------------------------------------------------------------------------------


@dataclass(kw_only=True)
class ListLink(ListButton):
    """A button above a list that leads to its own page."""

    to: Callable[[], str]

    def press(self, model_admin: Any, request: HttpRequest) -> HttpResponse:
        if not model_admin.may(request, self.power):
            raise PermissionDenied
        return HttpResponseRedirect(self.to())


@dataclass(kw_only=True)
class RowLink(RowButton):
    """A button on a row's page that leads to its own page."""

    to: Callable[[Any], str]

    def press(self, model_admin: Any, request: HttpRequest, object_id: str) -> HttpResponse:
        return HttpResponseRedirect(self.to(self.find_row(model_admin, request, object_id)))


def list_link(*, description: str, power: Power, icon: str, to: Callable[[], str]) -> ListLink:
    return ListLink(
        perform=_nothing, description=description, power=power, form=StaffForm, explanation="", icon=icon, to=to
    )


def row_link(
    *,
    description: str,
    power: Power,
    icon: str,
    to: Callable[[Any], str],
    possible: Callable[[Any], bool] = lambda row: True,
) -> RowLink:
    return RowLink(
        perform=_nothing,
        description=description,
        power=power,
        possible=possible,
        form=StaffForm,
        preview=None,
        explanation="",
        icon=icon,
        variant=ActionVariant.DEFAULT,
        to=to,
    )


def _nothing(*_: Any) -> str:
    """Do nothing: the page acts."""
    return ""
