"""Buttons that ask before they act: a page with a form, then one use case, and refusals said in words.

A decorated method gets the request, the row and the valid form, calls its use case and returns the sentence to show (or
a response of its own). Scope, power and state are checked here, before it runs.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.decorators import action
from unfold.enums import ActionVariant
from unfold.widgets import (
    CHECKBOX_CLASSES,
    INPUT_CLASSES,
    SELECT_CLASSES,
    TEXTAREA_CLASSES,
    UnfoldAdminCheckboxSelectMultipleWidget,
)

from accounts.models import Workspace
from accounts.roles import Power
from core.errors import DomainError
from core.forms import check_texts

from .display import admin_url
from .previews import Preview
from .scoping import access_of

BULK_LIMIT = 500
ROWS_FORESEEN = 3
CONFIRM, CHANGE = "_confirm", "_change"
Perform = Callable[..., str | HttpResponse]
Foresee = Callable[[Any, Any], Preview]  # of a row and the valid form


class StaffForm(forms.Form):
    """A form of the back office: knows who asks and about which row, and looks like the rest of it."""

    def __init__(self, *args: Any, request: HttpRequest, row: Any = None, **kwargs: Any) -> None:
        self.request = request
        self.row = row
        super().__init__(*args, **kwargs)
        self.prepare()
        for bound in self.fields.values():
            classes = _classes_for(bound.widget)
            if classes:
                bound.widget.attrs["class"] = " ".join(classes)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        check_texts(self)
        return cleaned

    def prepare(self) -> None:
        """Fill in choices and initial values that depend on the person or the row."""

    def offer_workspaces(self, power: Power) -> None:
        """Let the `workspace` field offer those where the power is held; a single one is preselected."""
        bound = self.fields["workspace"]
        assert isinstance(bound, forms.ModelChoiceField)
        bound.queryset = access_of(self.request).limit(Workspace.objects.all(), path="id", power=power)
        if len(bound.queryset) == 1:
            bound.initial = bound.queryset[0]


def _classes_for(widget: forms.Widget) -> list[str]:
    if isinstance(widget, UnfoldAdminCheckboxSelectMultipleWidget):
        return []
    if isinstance(widget, forms.CheckboxInput):
        return CHECKBOX_CLASSES
    if isinstance(widget, forms.Select):
        return SELECT_CLASSES
    if isinstance(widget, forms.Textarea):
        return TEXTAREA_CLASSES
    return INPUT_CLASSES


class ConfirmForm(StaffForm):
    """Nothing to fill in: the button is the answer."""


class NoteForm(StaffForm):
    """A word for colleagues, which nobody else reads."""

    note = forms.CharField(
        label="Note for colleagues",
        max_length=300,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Kept in the history. The family never reads it.",
    )


class RequiredNoteForm(NoteForm):
    def prepare(self) -> None:
        self.fields["note"].required = True


class ReasonForm(NoteForm):
    """What the family is told, and apart from it what only colleagues read."""

    reason = forms.CharField(
        label="Reason for the family",
        max_length=300,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="The family reads it word for word, in the mail and on its page.",
    )
    field_order = ("reason", "note")


def staff_action(
    *,
    description: str,
    power: Power,
    possible: Callable[[Any], bool] = lambda row: True,
    form: type[StaffForm] = ConfirmForm,
    preview: Foresee | None = None,
    explanation: str = "",
    icon: str = "",
    variant: ActionVariant = ActionVariant.DEFAULT,
) -> Callable[[Perform], Any]:
    """A button on a row's page, shown to those with the power while it is `possible(row)`. With a `preview` it tells
    what it will do, and does it when that was confirmed."""

    def decorate(perform: Perform) -> Any:
        @wraps(perform)
        def run(model_admin: Any, request: HttpRequest, object_id: str) -> HttpResponse:
            row = model_admin.get_visible(request, object_id)
            if row is None:
                raise Http404(f"There is no such {model_admin.opts.verbose_name}.")
            if not model_admin.may(request, power, row):
                raise PermissionDenied
            back = HttpResponseRedirect(admin_url(row))
            if not possible(row):
                messages.error(
                    request, f"{description} is no longer possible: {model_admin.describe(row)} has changed."
                )
                return back
            page = _Page(
                model_admin, request, description, explanation, form, row, preview=preview, cancel_url=admin_url(row)
            )
            answer = page.ask(lambda bound: perform(model_admin, request, row, bound))
            if isinstance(answer, str):
                model_admin.log_change(request, row, description)
                messages.success(request, answer)
                return back
            return answer

        button = action(description=description, icon=icon or None, variant=variant)(run)
        button.power, button.possible, button.perform, button.form_class = power, possible, perform, form
        button.explanation, button.preview = explanation, preview
        return button

    return decorate


def staff_list_action(
    *, description: str, power: Power, form: type[StaffForm], explanation: str = "", icon: str = "add"
) -> Callable[[Perform], Any]:
    """A button above a list, to make something through its use case. The method gets the request and the form."""

    def decorate(perform: Perform) -> Any:
        @wraps(perform)
        def run(model_admin: Any, request: HttpRequest) -> HttpResponse:
            if not model_admin.may(request, power):
                raise PermissionDenied
            page = _Page(model_admin, request, description, explanation, form, None, cancel_url=_list_of(model_admin))
            answer = page.ask(lambda bound: perform(model_admin, request, bound))
            if isinstance(answer, str):
                messages.success(request, answer)
                return HttpResponseRedirect(_list_of(model_admin))
            return answer

        button = action(description=description, icon=icon, variant=ActionVariant.PRIMARY)(run)
        button.power = power
        return button

    return decorate


def in_bulk(button: Any, *, description: str) -> Any:
    """The same action for the selected rows: asked once, each row its own transaction, refusals counted and told."""

    @admin.action(description=description)
    def run(model_admin: Any, request: HttpRequest, queryset: models.QuerySet[Any]) -> HttpResponse | None:
        if not model_admin.may(request, button.power):
            raise PermissionDenied
        rows = list(queryset[: BULK_LIMIT + 1])
        if len(rows) > BULK_LIMIT:
            messages.error(request, f"Select at most {BULK_LIMIT} at a time.")
            return None
        page = _Page(
            model_admin,
            request,
            description,
            button.explanation,
            button.form_class,
            None,
            preview=button.preview,
            cancel_url=request.get_full_path(),
            selected=rows,
        )
        answer = page.ask(lambda bound: _for_each(model_admin, request, button, rows, bound))
        return None if isinstance(answer, str) else answer

    run.power = button.power  # type: ignore[attr-defined]
    return run


def _for_each(model_admin: Any, request: HttpRequest, button: Any, rows: list[Any], form: StaffForm) -> str:
    done, refusals = 0, []
    for row in rows:
        if not (model_admin.may(request, button.power, row) and button.possible(row)):
            refusals.append(f"{model_admin.describe(row)}: not possible.")
            continue
        try:
            button.perform(model_admin, request, row, form)
        except DomainError as refusal:
            refusals.append(f"{model_admin.describe(row)}: {refusal.detail}")
        else:
            model_admin.log_change(request, row, button.short_description)
            done += 1
    if done:
        messages.success(request, f"{button.short_description}: {done} done.")
    for text in refusals[:10]:
        messages.warning(request, text)
    if len(refusals) > 10:
        messages.warning(request, f"… and {len(refusals) - 10} more were refused.")
    return "done"


class _Page:
    """The question: shown on the first request, asked again with errors, answered by calling `perform`."""

    def __init__(
        self,
        model_admin: Any,
        request: HttpRequest,
        title: str,
        explanation: str,
        form: type[StaffForm],
        row: Any,
        *,
        cancel_url: str,
        preview: Foresee | None = None,
        selected: list[Any] | None = None,
    ) -> None:
        self.model_admin, self.request, self.title, self.explanation = model_admin, request, title, explanation
        self.form_class, self.row, self.cancel_url, self.selected = form, row, cancel_url, selected
        self.preview = preview

    def ask(self, perform: Callable[[StaffForm], str | HttpResponse]) -> str | HttpResponse:
        # A bulk action arrives by POST already, before its question was shown.
        answered = self.request.method == "POST" and (self.selected is None or "_confirmed" in self.request.POST)
        form = self.form_class(self.request.POST if answered else None, request=self.request, row=self.row)
        if not (answered and form.is_valid()) or CHANGE in self.request.POST:
            return self._render(form)
        try:
            if self.preview is not None and CONFIRM not in self.request.POST:
                return self._render(form, previews=self._foresee(form))
            return perform(form)
        except DomainError as refusal:
            faults = {fault.field: fault.detail for fault in refusal.errors if fault.field in form.fields}
            for name, detail in faults.items():
                form.add_error(name, detail)
            if not faults:
                form.add_error(None, refusal.detail)
            return self._render(form)

    def _foresee(self, form: StaffForm) -> list[tuple[str, Preview]]:
        """What each row is in for; of many, the first few."""
        assert self.preview is not None
        rows = self.selected[:ROWS_FORESEEN] if self.selected is not None else [self.row]
        return [(self.model_admin.describe(row), self.preview(row, form)) for row in rows]

    def _render(self, form: StaffForm, *, previews: list[tuple[str, Preview]] | None = None) -> TemplateResponse:
        opts = self.model_admin.opts
        context = {
            **self.model_admin.admin_site.each_context(self.request),
            "title": self.title,
            "subtitle": str(self.row) if self.row is not None else None,
            "explanation": self.explanation,
            "form": form,
            "opts": opts,
            "described": self.model_admin.describe(self.row) if self.row is not None else "",
            "selected": [(row.pk, self.model_admin.describe(row)) for row in self.selected or []],
            "is_bulk": self.selected is not None,
            "previews": previews,
            "needs_confirmation": self.preview is not None and previews is None,
            "action_name": self.request.POST.get("action", ""),
            "select_across": self.request.POST.get("select_across", "0"),
            "cancel_url": self.cancel_url,
            "media": self.model_admin.media + form.media,
        }
        return TemplateResponse(self.request, "admin/staff_action.html", context)


def _list_of(model_admin: Any) -> str:
    return reverse(f"admin:{model_admin.opts.app_label}_{model_admin.opts.model_name}_changelist")
