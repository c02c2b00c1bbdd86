"""Buttons that ask before they act: a page with a form, then one use case, and refusals explained in words.

A decorated method receives the request, the row, and the valid form, calls its use case, and returns the sentence to
show (or its own response). Scope, power, and state are checked here before it runs.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import OperationalError, models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
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

from .auditing.recording import one_deed, record, remember
from .display import admin_url
from .questions import Foresee, ForeseeAll, Question
from .scoping import access_of
from .seen import refuse_overtaken, tell_seen

BULK_LIMIT = 500
REFUSALS_TOLD = 10
Perform = Callable[..., str | HttpResponse]


class StaffForm(forms.Form):
    """A back-office form: it knows who uses it and for which row, and looks like the rest of the back office."""

    edits_the_row: ClassVar[bool] = False  # it shows what the row has, and replaces that

    def __init__(self, *args: Any, request: HttpRequest, row: Any = None, **kwargs: Any) -> None:
        self.request = request
        self.row = row
        super().__init__(*args, **kwargs)
        self.prepare()
        for bound in self.fields.values():
            if isinstance(bound, forms.FileField):
                bound.widget = _ChosenFile(bound.widget.attrs)
                bound.widget.is_required = bound.required
            classes = _classes_for(bound.widget)
            if classes:
                bound.widget.attrs["class"] = " ".join(classes)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        check_texts(self)
        if self.edits_the_row and self.row is not None:
            refuse_overtaken(self)
        return cleaned

    @property
    def seen(self) -> str:
        """Return what the page tells about itself when it is sent back; nothing if it does not show the row."""
        return tell_seen(self) if self.edits_the_row and self.row is not None else ""

    def prepare(self) -> None:
        """Fill in choices and initial values that depend on the person or the row."""

    @property
    def workspace_id(self) -> int | None:
        """Return the workspace of the selected object: itself, or the one its district, program, etc. belongs to."""
        chosen = [value for value in self.cleaned_data.values() if isinstance(value, models.Model)]
        for value in chosen:
            if isinstance(value, Workspace):
                return value.pk
        return next((value.workspace_id for value in chosen if hasattr(value, "workspace_id")), None)

    def offer_workspaces(self, power: Power) -> None:
        """Offer in the `workspace` field the workspaces where the person has the power. If there is only one, the field
        is not shown.
        """
        bound = self.fields["workspace"]
        assert isinstance(bound, forms.ModelChoiceField)
        bound.queryset = access_of(self.request).limit(Workspace.objects.order_by("slug"), path="id", power=power)
        if len(bound.queryset) == 1:
            bound.initial = bound.queryset[0]
            if bound.required:
                bound.widget = forms.HiddenInput()


class _ChosenFile(forms.FileInput):
    """The browser's own file field, which shows the file's name. Unfold's script also writes the name into a nearby
    text field, and fails where there is none."""

    def render(self, *args: Any, **kwargs: Any) -> SafeString:
        field = super().render(*args, **kwargs)
        return format_html('<div><div><div>{}</div></div><input type="text" hidden disabled></div>', field)


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
    """A form with nothing to fill in: pressing the button is the answer."""


class NoteForm(StaffForm):
    """A note for colleagues, which nobody else reads."""

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
    """What the family is told and, separately, what only colleagues read."""

    reason = forms.CharField(
        label="Reason for the family",
        max_length=300,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="The family reads it word for word, in the mail and on its page.",
    )
    field_order: tuple[str, ...] = ("reason", "note")


@dataclass(kw_only=True)
class RowButton:
    """A button on a row's page, shown to people with the power while `possible(row)` is true. With a `preview`, it
    shows what it will do, and does it after confirmation."""

    perform: Perform
    description: str
    power: Power
    possible: Callable[[Any], bool]
    form: type[StaffForm]
    preview: Foresee | None
    explanation: str
    icon: str
    variant: ActionVariant
    reaches_out: bool = False  # calls a vendor or sends a mail by itself, which no transaction may span

    def __get__(self, model_admin: Any, owner: type) -> Any:
        return self if model_admin is None else OnPage(self, model_admin)

    def find_row(self, model_admin: Any, request: HttpRequest, object_id: str) -> Any:
        """Return the row whose button was pressed. Raises Http404, or PermissionDenied for people without the power."""
        row = model_admin.get_visible(request, object_id)
        if row is None:
            raise Http404(f"There is no such {model_admin.opts.verbose_name}.")
        if not model_admin.may(request, self.power, row):
            raise PermissionDenied
        return row

    def carry_out(self, model_admin: Any, request: HttpRequest, row: Any, form: StaffForm) -> str | HttpResponse:
        """Do it and record it, both or neither. A request to another system is recorded first: it can't be undone."""
        if self.reaches_out:
            with one_deed(request, form):
                model_admin.log_change(request, row, self.description)
            with one_deed(request, form, in_transaction=False):
                return self.perform(model_admin, request, row, form)
        with one_deed(request, form) as deed:
            remember(request, row)
            answer = self.perform(model_admin, request, row, form)
            if isinstance(answer, str) or not deed.entries:
                model_admin.log_change(request, row, self.description)
        return answer

    def press(self, model_admin: Any, request: HttpRequest, object_id: str) -> HttpResponse:
        row = self.find_row(model_admin, request, object_id)
        back = HttpResponseRedirect(admin_url(row))
        if not self.possible(row):
            changed = f"{self.description} is no longer possible: {model_admin.describe(row)} has changed."
            messages.error(request, f"{changed} {model_admin.tell_latest_change(row)}".strip())
            return back
        page = Question(
            model_admin=model_admin,
            request=request,
            title=self.description,
            explanation=self.explanation,
            form_class=self.form,
            row=row,
            preview=self.preview,
            cancel_url=admin_url(row),
        )
        answer = page.ask(lambda form: self.carry_out(model_admin, request, row, form))
        if isinstance(answer, str):
            messages.success(request, answer)
            return back
        return answer


@dataclass(kw_only=True)
class ListButton:
    """A button above a list that creates something through its use case. With `preview`, it only describes the form."""

    perform: Perform
    description: str
    power: Power
    form: type[StaffForm]
    preview: Foresee | None = None
    explanation: str
    icon: str
    variant: ActionVariant = ActionVariant.PRIMARY
    reaches_out: bool = False

    def __get__(self, model_admin: Any, owner: type) -> Any:
        return self if model_admin is None else OnPage(self, model_admin)

    def carry_out(self, model_admin: Any, request: HttpRequest, form: StaffForm) -> str | HttpResponse:
        """Do it and record it, as a row's button does. If the form has no workspace, the result is the platform's."""
        entry: dict[str, Any] = {
            "action": self.description,
            "model": model_admin.opts.label_lower,
            "workspace_id": form.workspace_id,
        }
        if self.reaches_out:
            with one_deed(request, form):
                record(request, **entry)
            with one_deed(request, form, in_transaction=False):
                return self.perform(model_admin, request, form)
        with one_deed(request, form) as deed:
            answer = self.perform(model_admin, request, form)
            if not deed.entries:
                record(request, **entry)
        return answer

    def press(self, model_admin: Any, request: HttpRequest) -> HttpResponse:
        if not model_admin.may(request, self.power):
            raise PermissionDenied
        page = Question(
            model_admin=model_admin,
            request=request,
            title=self.description,
            explanation=self.explanation,
            form_class=self.form,
            row=None,
            preview=self.preview,
            cancel_url=_list_of(model_admin),
        )
        answer = page.ask(lambda form: self.carry_out(model_admin, request, form))
        if isinstance(answer, str):
            messages.success(request, answer)
            return HttpResponseRedirect(_list_of(model_admin))
        return answer


@dataclass(frozen=True)
class OnPage:
    """A button on the pages of one admin: unfold calls it when it is pressed, and reads it to draw it."""

    button: RowButton | ListButton
    model_admin: Any
    attrs: dict[str, str] = field(default_factory=dict)  # of the HTML link

    def __call__(self, request: HttpRequest, **row: str) -> HttpResponse:
        return self.button.press(self.model_admin, request, **row)

    @property
    def short_description(self) -> str:
        return self.button.description

    @property
    def icon(self) -> str | None:
        return self.button.icon or None

    @property
    def variant(self) -> ActionVariant:
        return self.button.variant


@dataclass(kw_only=True)
class BulkButton:
    """A row's button for the selected rows: one question, a transaction per row, and refusals counted and reported.

    Django finds it on the admin class and calls it like a function.
    """

    button: RowButton
    short_description: str
    explanation: str
    preview_all: ForeseeAll | None = None
    possible: Callable[[Any], bool]

    @property
    def power(self) -> Power:
        return self.button.power

    def __call__(self, model_admin: Any, request: HttpRequest, rows: models.QuerySet[Any]) -> HttpResponse | None:
        if not model_admin.may(request, self.power):
            raise PermissionDenied
        selected = list(rows[: BULK_LIMIT + 1])
        if len(selected) > BULK_LIMIT:
            messages.error(request, f"Select at most {BULK_LIMIT} at a time.")
            return None
        page = Question(
            model_admin=model_admin,
            request=request,
            title=self.short_description,
            explanation=self.explanation if len(selected) > 1 else self.button.explanation,
            form_class=self.button.form,
            row=None,
            preview=self.button.preview,
            preview_all=self.preview_all,
            possible=lambda row: model_admin.may(request, self.power, row) and self.possible(row),
            cancel_url=request.get_full_path(),
            selected=selected,
        )
        answer = page.ask(lambda form: _for_each(model_admin, request, self, selected, form))
        return None if isinstance(answer, str) else answer


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
    reaches_out: bool = False,
) -> Callable[[Perform], RowButton]:
    """Make a method a row's button. It receives the request, the row, and the form, in one transaction with its audit
    log entry unless it `reaches_out`."""

    def decorate(perform: Perform) -> RowButton:
        return RowButton(
            perform=perform,
            description=description,
            power=power,
            possible=possible,
            form=form,
            preview=preview,
            explanation=explanation,
            icon=icon,
            variant=variant,
            reaches_out=reaches_out,
        )

    return decorate


def staff_list_action(
    *,
    description: str,
    power: Power,
    form: type[StaffForm],
    preview: Foresee | None = None,
    explanation: str = "",
    icon: str = "add",
    reaches_out: bool = False,
) -> Callable[[Perform], ListButton]:
    """Make a method a list's button. It receives the request and the form; its `preview` receives None and the form."""

    def decorate(perform: Perform) -> ListButton:
        return ListButton(
            perform=perform,
            description=description,
            power=power,
            form=form,
            preview=preview,
            explanation=explanation,
            icon=icon,
            reaches_out=reaches_out,
        )

    return decorate


def in_bulk(
    button: RowButton,
    *,
    description: str,
    explanation: str,
    preview: ForeseeAll | None = None,
    possible: Callable[[Any], bool] | None = None,
) -> BulkButton:
    """Return the same action for the selected rows. The `explanation` is about many rows; `preview` says in a few
    queries what happens to all of them: numbers, sums in each currency, and why some are refused. `possible` replaces
    the button's own where that would query the database for each row."""
    return BulkButton(
        button=button,
        short_description=description,
        explanation=explanation,
        preview_all=preview,
        possible=possible or button.possible,
    )


def _for_each(model_admin: Any, request: HttpRequest, bulk: BulkButton, rows: list[Any], form: StaffForm) -> str:
    button = bulk.button
    done = 0
    refusals: list[str] = []
    for row in rows:
        if not (model_admin.may(request, bulk.power, row) and bulk.possible(row)):
            told = model_admin.tell_latest_change(row) if len(refusals) < REFUSALS_TOLD else ""
            refusals.append(f"{model_admin.describe(row)}: not possible. {told}".strip())
            continue
        try:
            button.carry_out(model_admin, request, row, form)
        except DomainError as refusal:
            refusals.append(f"{model_admin.describe(row)}: {refusal.detail}")
        except OperationalError:
            refusals.append(f"{model_admin.describe(row)}: somebody else was changing it. Try it again.")
        else:
            done += 1
    if done:
        messages.success(request, f"{button.description}: {done} done.")
    for text in refusals[:REFUSALS_TOLD]:
        messages.warning(request, text)
    if len(refusals) > REFUSALS_TOLD:
        messages.warning(request, f"… and {len(refusals) - REFUSALS_TOLD} more were refused.")
    return "done"


def _list_of(model_admin: Any) -> str:
    return reverse(f"admin:{model_admin.opts.app_label}_{model_admin.opts.model_name}_changelist")
