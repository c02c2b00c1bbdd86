"""The forms at the desk: the filters of the line, and the reasons for a rejection."""

from typing import Any, cast

from django import forms
from django.db.models import Model, QuerySet

from accounts.roles import Power
from backoffice.actions import NoteForm, StaffForm
from backoffice.scoping import FILTER_CAP, access_of

from ...models import District, Program, ReviewReason
from ...review.inquiries import QUESTION_LENGTH

FAMILY = "family"
REASONS_OFFERED = 9  # this many have a keyboard shortcut


class LineForm(StaffForm):
    """Narrows the line. Empty fields narrow nothing."""

    q = forms.CharField(label="Learner", required=False, max_length=100)
    program = forms.ModelChoiceField(Program.objects.none(), required=False, empty_label="All programs")
    district = forms.ModelChoiceField(District.objects.none(), required=False, empty_label="All districts")
    waits = forms.ChoiceField(
        label="Waiting for", required=False, choices=[("", "A reviewer"), (FAMILY, "The family's answer")]
    )

    def prepare(self) -> None:
        access = access_of(self.request)
        self._offer(
            "program", access.limit(Program.objects.order_by("title", "pk"), path="workspace", power=Power.VIEW)
        )
        self._offer(
            "district", access.limit(District.objects.order_by("name", "pk"), path="workspace", power=Power.VIEW)
        )

    def _offer(self, name: str, rows: QuerySet[Any]) -> None:
        """Accept any of the rows, but offer only the first ones and the one that was chosen."""
        field = cast(forms.ModelChoiceField, self.fields[name])
        field.queryset = rows
        offered: list[Model] = list(rows[:FILTER_CAP])
        field.choices = [("", field.empty_label), *((row.pk, str(row)) for row in offered)]

    @property
    def chosen(self) -> dict[str, Any]:
        """Return the chosen filters, without those that can't be parsed."""
        told = self.cleaned_data if self.is_valid() else {}
        return {
            "program_id": getattr(told.get("program"), "pk", None),
            "district_id": getattr(told.get("district"), "pk", None),
            "name": told.get("q", ""),
            "is_for_families": told.get("waits") == FAMILY,
        }


class RejectForm(NoteForm):
    """The reason that the family reads: the reviewer's own words if there are any, otherwise one of the workspace's."""

    chosen = forms.ModelChoiceField(ReviewReason.objects.none(), required=False)
    reason = forms.CharField(
        label="Reason for the family",
        max_length=300,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="The family reads it word for word, in the mail and on its page.",
    )
    field_order = ("chosen", "reason", "note")

    def prepare(self) -> None:
        chosen = cast(forms.ModelChoiceField, self.fields["chosen"])
        chosen.queryset = self._offered()

    @property
    def reasons(self) -> list[ReviewReason]:
        """Return the workspace's reasons, in its order."""
        return list(self._offered()[:REASONS_OFFERED])

    def _offered(self) -> QuerySet[ReviewReason]:
        offered = ReviewReason.objects.filter(workspace=self.row.workspace_id, is_offered=True)
        return offered.order_by("position", "pk")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        template = cleaned.get("chosen")
        if not cleaned.get("reason") and template is not None:
            cleaned["reason"] = template.text
        if not cleaned.get("reason") and not self.errors:
            self.add_error("reason", "Choose a reason, or say why in your own words.")
        return cleaned


class AskForm(StaffForm):
    """A question to the family before the case is decided."""

    question = forms.CharField(
        max_length=QUESTION_LENGTH,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="The family reads it word for word, and your organization's name below it.",
    )
