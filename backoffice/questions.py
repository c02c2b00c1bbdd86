"""The page on which a button asks before it acts, with a preview of what it will do."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from core.errors import DomainError

from .previews import Preview

ROWS_FORESEEN = 3
CONFIRM = "_confirm"
CHANGE = "_change"
Foresee = Callable[[Any, Any], Preview]  # for a row, or for None if there is none yet, and the valid form
ForeseeAll = Callable[[Sequence[Any], Any], Preview]  # for the rows for which it is possible


def _field_named(name: str) -> str:
    """Return how forms write the name of a field in the API: `course_id` for `courseId`."""
    return re.sub(r"[A-Z]", lambda capital: f"_{capital[0].lower()}", name)


@dataclass(frozen=True, slots=True)
class OfOne:
    """Previews one row with the function that previews many. For many rows, it adds nothing to the preview of all."""

    foresee_all: ForeseeAll

    def __call__(self, row: Any, form: Any) -> Preview:
        return self.foresee_all([row], form)


@dataclass(kw_only=True)
class Question:
    """The question: shown on the first request, asked again if there are errors, and answered by calling `perform`."""

    model_admin: Any
    request: HttpRequest
    title: str
    explanation: str
    form_class: type[Any]
    row: Any
    cancel_url: str
    preview: Foresee | None = None
    selected: list[Any] | None = None
    possible: Callable[[Any], bool] = lambda row: True
    preview_all: ForeseeAll | None = None

    def ask(self, perform: Callable[[Any], str | HttpResponse]) -> str | HttpResponse:
        # A bulk action already arrives by POST before its question was shown.
        answered = self.request.method == "POST" and (self.selected is None or "_confirmed" in self.request.POST)
        told = (self.request.POST, self.request.FILES) if answered else ()
        form = self.form_class(*told, request=self.request, row=self.row)
        if not answered and self._is_foreseen and not form.fields:
            return self._foresee_at_once()
        if not (answered and form.is_valid()) or CHANGE in self.request.POST:
            return self._render(form)
        try:
            if self._is_foreseen and CONFIRM not in self.request.POST:
                return self._render(form, previews=self._foresee(form))
            return perform(form)
        except DomainError as refusal:
            return self._refuse(form, refusal)

    @property
    def _is_foreseen(self) -> bool:
        """Return whether the consequences are shown before the action."""
        return self.preview is not None or self.preview_all is not None

    def _foresee_at_once(self) -> HttpResponse:
        """Show what will happen and the button that does it on a single page, because nothing is to be filled in."""
        form = self.form_class({}, request=self.request, row=self.row)
        form.full_clean()
        try:
            return self._render(form, previews=self._foresee(form))
        except DomainError as refusal:
            return self._refuse(form, refusal)

    def _refuse(self, form: Any, refusal: DomainError) -> HttpResponse:
        named = {_field_named(fault.field): fault.detail for fault in refusal.errors}
        faults = {name: detail for name, detail in named.items() if name in form.fields}
        for name, detail in faults.items():
            form.add_error(name, detail)
        if not faults:
            form.add_error(None, refusal.detail)
        return self._render(form)

    def _foresee(self, form: Any) -> list[tuple[str, Preview]]:
        """Return what will happen to the row; for many rows, to the first few, after the summary of all."""
        if self.selected is None:
            return [(self._described, self.preview(self.row, form) if self.preview is not None else Preview())]
        rows = self._possible_rows
        examples = rows[:ROWS_FORESEEN] if self._are_rows_told else []
        return [
            (f"All {len(self.selected)}", self._foresee_all(rows, form)),
            *((self.model_admin.describe(row), self.preview(row, form)) for row in examples if self.preview),
        ]

    @property
    def _are_rows_told(self) -> bool:
        return self.preview is not None and not isinstance(self.preview, OfOne)

    @cached_property
    def _possible_rows(self) -> list[Any]:
        """Return the selected rows for which it is possible, as they were read."""
        return [row for row in self.selected or [] if self.possible(row)]

    @property
    def _described(self) -> str:
        return self.model_admin.describe(self.row) if self.row is not None else ""

    def _foresee_all(self, rows: Sequence[Any], form: Any) -> Preview:
        """Return how many can be done, why others stay, and the consequences of all, in as many queries as for one."""
        told = self.preview_all(rows, form) if self.preview_all is not None and rows else Preview(mails="")
        return Preview((*self._count(rows, told.refused), *told.sentences), told.letters, told.mails)

    def _count(self, rows: Sequence[Any], refused: Sequence[str] = ()) -> list[str]:
        selected = self.selected or []
        done = len(rows) - len(refused)
        if done == len(selected):
            return [f"{done} can be done."]
        possible = {id(row) for row in rows}
        states = Counter(self.model_admin.tell_state(row) for row in selected if id(row) not in possible)
        told = ", ".join(f"{number} {state}" for state, number in states.most_common() if state)
        return [
            f"{done} can be done; {len(selected) - done} can't.",
            *([f"Left as they are: {told}."] if told else []),
            *(f"{number} stay: {reason}" for reason, number in Counter(refused).most_common()),
        ]

    def _render(self, form: Any, *, previews: list[tuple[str, Preview]] | None = None) -> TemplateResponse:
        opts = self.model_admin.opts
        possible = self._possible_rows
        context = {
            **self.model_admin.admin_site.each_context(self.request),
            "title": self.title,
            "subtitle": self._described or None,
            "explanation": self.explanation,
            "form": form,
            "opts": opts,
            "original": self.row,
            "described": self._described,
            "selected": [(row.pk, self.model_admin.describe(row)) for row in self.selected or []],
            "is_bulk": self.selected is not None,
            "counted": self._count(possible) if self.selected else [],
            "can_be_done": self.selected is None or bool(possible),
            "previews": previews,
            "has_more": self._are_rows_told and len(possible) > ROWS_FORESEEN,
            "can_change": previews is not None and bool(form.fields),
            "needs_confirmation": self._is_foreseen and previews is None,
            "action_name": self.request.POST.get("action", ""),
            "select_across": self.request.POST.get("select_across", "0"),
            "cancel_url": self.cancel_url,
            "media": self.model_admin.media + form.media,
        }
        return TemplateResponse(self.request, "admin/staff_action.html", context)
