"""The playground: staff edit an instance's criteria, try them on a sample and on everybody enrolled, then save them."""

import json
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from unfold.enums import ActionVariant

from accounts.roles import Power
from backoffice.actions import RowButton, StaffForm
from backoffice.auditing.recording import one_deed
from backoffice.display import Neighbor, admin_url, badge
from backoffice.scoping import actor_of
from core.clock import utc_now
from core.errors import DomainError, read_item
from core.forms import WholeNumberField
from core.numbers import parse_whole_number
from core.text import limit_of

from ..eligibility.criteria import MAX_CRITERIA, CriterionDraft, as_draft, change_criteria, list_criteria
from ..eligibility.expressions import MAX_LENGTH
from ..eligibility.guide import EXAMPLES, SAMPLE
from ..eligibility.trial import Prospect, Trial, try_criteria, try_sample
from ..eligibility.variables import VARIABLES
from ..eligibility.verdicts import Verdict
from ..models import Criterion, ProgramInstance

SPARE_ROWS = 2
FIELDS = ("name", "expression", "otherwise", "because")
ON_PAGE = ("name", "order", "expression", "otherwise", "because")
SAVE = "_save_criteria"
_TONES = {True: ("eligible", "holds"), False: ("ineligible", "does not hold"), None: ("pending", "not evaluated")}
_LABELS = {"eligible": "eligible", "ineligible": "not eligible", "undecided": "could not be evaluated"}


class SampleField(forms.JSONField):
    """One JSON object, which stays on the page exactly as it was typed."""

    def to_python(self, value: Any) -> Any:
        if not value or not str(value).strip():
            return None
        try:
            sample = json.loads(value)
        except (ValueError, RecursionError) as fault:
            raise forms.ValidationError(f"This is not JSON: {fault}.") from fault
        if not isinstance(sample, dict):
            raise forms.ValidationError("Give one JSON object, in curly brackets.")
        return sample

    def bound_data(self, data: Any, initial: Any) -> Any:
        return data

    def prepare_value(self, value: Any) -> Any:
        return value


class CriteriaForm(StaffForm):
    """A row of fields for each criterion, plus a few empty rows. An emptied row is dropped; `order` moves rows."""

    edits_the_row = True
    sample = SampleField(
        label="A person to try them with",
        required=False,
        initial=SAMPLE,
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false"}),
        help_text="JSON with any of the variables. What you leave out is unknown.",
    )

    def prepare(self) -> None:
        stored = [as_draft(criterion) for criterion in list_criteria(self.row.pk, self.row.criteria_version)]
        asked = parse_whole_number(str(self.data.get("rows", ""))) if self.is_bound else None
        self.row_count = min(len(stored) + SPARE_ROWS if asked is None else asked, MAX_CRITERIA)
        for index in range(self.row_count):
            draft = stored[index] if index < len(stored) else None
            for name in FIELDS:
                self.fields[f"{name}_{index}"] = self._field(name, getattr(draft, name, ""))
            self.fields[f"order_{index}"] = WholeNumberField(
                label="Order", required=False, max_value=999, initial=index + 1 if draft else None
            )

    def _field(self, name: str, initial: str) -> forms.CharField:
        labels = {
            "name": "Name",
            "expression": "Holds if",
            "otherwise": "Reason if it does not hold",
            "because": "Reason if it holds (optional)",
        }
        if name == "expression":
            widget: forms.Widget = forms.Textarea(attrs={"rows": 2, "spellcheck": "false"})
            return forms.CharField(
                label=labels[name], required=False, initial=initial, max_length=MAX_LENGTH, widget=widget
            )
        limit = limit_of(Criterion, name)
        return forms.CharField(label=labels[name], required=False, initial=initial, max_length=limit)

    @property
    def rows(self) -> list[list[forms.BoundField]]:
        return [[self[f"{name}_{index}"] for name in ON_PAGE] for index in range(self.row_count)]

    def drafts(self) -> list[tuple[int, CriterionDraft]]:
        """Return the filled-in rows in their order, each with its number on the page."""
        filled = []
        for index in range(self.row_count):
            texts = {name: self.cleaned_data.get(f"{name}_{index}", "") for name in FIELDS}
            if any(text.strip() for text in texts.values()):
                order = self.cleaned_data.get(f"order_{index}")
                filled.append((999 if order is None else order, index, CriterionDraft(**texts)))
        return [(index, draft) for _, index, draft in sorted(filled, key=lambda row: row[:2])]

    def show(self, refusal: DomainError, drafts: list[tuple[int, CriterionDraft]]) -> None:
        """Put each fault next to the field it concerns."""
        for fault in refusal.errors:
            item = read_item(fault.field)
            if item is not None and item[2] in FIELDS:
                self.add_error(f"{item[2]}_{drafts[item[1]][0]}", fault.detail)
            else:
                self.add_error("sample" if fault.field.startswith("sample") else None, fault.detail)
        if not refusal.errors:
            self.add_error(None, refusal.detail)


@dataclass(kw_only=True)
class Playground(RowButton):
    """A button whose page also tries the criteria, shows the result, and saves on request."""

    def press(self, model_admin: Any, request: HttpRequest, object_id: str) -> HttpResponse:
        instance = self.find_row(model_admin, request, object_id)
        is_answer = request.method == "POST"
        form = CriteriaForm(request.POST if is_answer else None, request=request, row=instance)
        found: dict[str, Any] = {}
        if is_answer and form.is_valid():
            drafts = form.drafts()
            try:
                if SAVE in request.POST:
                    return _save(model_admin, request, instance, [draft for _, draft in drafts])
                found = _try(instance, [draft for _, draft in drafts], form.cleaned_data["sample"])
            except DomainError as refusal:
                form.show(refusal, drafts)
        return _render(model_admin, request, instance, form, found)


def edit_criteria(*_: Any) -> str:
    """Do nothing: the button's own page has two submit actions, which `Playground.press` handles."""
    return ""


PLAYGROUND = Playground(
    perform=edit_criteria,
    description="Criteria",
    power=Power.MANAGE,
    possible=lambda instance: True,
    form=CriteriaForm,
    preview=None,
    explanation="",
    icon="science",
    variant=ActionVariant.PRIMARY,
)


def _save(
    model_admin: Any, request: HttpRequest, instance: ProgramInstance, drafts: list[CriterionDraft]
) -> HttpResponse:
    with one_deed(request):
        changed = change_criteria(instance_id=instance.pk, drafts=drafts, actor=actor_of(request), now=utc_now())
        is_new = changed.criteria_version != instance.criteria_version
        if is_new:
            model_admin.log_change(request, instance, f"Criteria, version {changed.criteria_version}")
    if not is_new:
        messages.info(request, "The criteria are the same as before; nothing was changed.")
    else:
        messages.success(
            request,
            (
                f"Saved as version {changed.criteria_version}. No enrollment has changed: evaluate the "
                "candidates, and reconsider those who were refused."
            ),
        )
    return HttpResponseRedirect(admin_url(instance))


def _try(instance: ProgramInstance, drafts: list[CriterionDraft], sample: dict[str, Any] | None) -> dict[str, Any]:
    now = utc_now()
    found: dict[str, Any] = {}
    if sample is not None:
        found["sample_rows"] = _of_sample(try_sample(instance=instance, drafts=drafts, sample=sample, now=now))
    trial = try_criteria(instance=instance, drafts=drafts, now=now)
    return found | {"trial": trial, "outcomes": _outcomes(trial), "people": [*map(_row, trial.prospects)]}


def _of_sample(verdict: Verdict) -> list[Neighbor]:
    headline = Neighbor("The person", badge=badge(_tone(verdict), _LABELS[verdict.outcome]), note=verdict.reason)
    return [
        headline,
        *(Neighbor(one["name"], badge=badge(*_TONES[one["answer"]]), note=one["reason"]) for one in verdict.answers),
    ]


def _outcomes(trial: Trial) -> list[Neighbor]:
    counted = [
        Neighbor(f"{count:,}", badge=badge("pending" if name == "undecided" else name, _LABELS[name]))
        for name, count in trial.counts.items()
    ]
    moves = [
        Neighbor(f"{count:,} would change", note=f"from {before} to {after}")
        for (before, after), count in sorted(trial.changed.items())
    ]
    return [*counted, *(moves or [Neighbor("Nobody would change")])]


def _row(prospect: Prospect) -> Neighbor:
    person = prospect.enrollment.learner or prospect.enrollment.lead
    after = badge(prospect.would_be) if prospect.changes else badge(prospect.status, f"stays {prospect.status}")
    return Neighbor(person, url=admin_url(prospect.enrollment), badge=after, note=prospect.verdict.reason)


def _tone(verdict: Verdict) -> str:
    return str(verdict.outcome) if verdict.is_decided else "pending"


def _render(
    model_admin: Any, request: HttpRequest, instance: ProgramInstance, form: CriteriaForm, found: dict[str, Any]
) -> HttpResponse:
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "Criteria",
        "opts": model_admin.opts,
        "original": instance,
        "instance": instance,
        "described": model_admin.describe(instance),
        "form": form,
        "variables": VARIABLES.values(),
        "examples": EXAMPLES,
        "cancel_url": admin_url(instance),
        "media": model_admin.media + form.media,
        "save_name": SAVE,
        **found,
    }
    return TemplateResponse(request, "admin/enrollments/playground.html", context)
