"""What reviewers fill in at the desk: which part of the line they look at, and why they reject."""

from typing import Any, cast

from django import forms
from django.db.models import Model, QuerySet

from accounts.roles import Power
from backoffice.actions import NoteForm, StaffForm
from backoffice.scoping import FILTER_CAP, access_of

from ...models import District, Program, ReviewReason
from ...review.inquiries import QUESTION_LENGTH

FAMILY = "family"
REASONS_OFFERED = 9  # so many have a key


class LineForm(StaffForm):
    """Narrows the line down. What is left empty narrows nothing."""

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
        """Any of the rows is taken, the first of them are offered, and the one that was chosen."""
        field = cast(forms.ModelChoiceField, self.fields[name])
        field.queryset = rows
        offered: list[Model] = list(rows[:FILTER_CAP])
        field.choices = [("", field.empty_label), *((row.pk, str(row)) for row in offered)]

    @property
    def chosen(self) -> dict[str, Any]:
        """What the line is narrowed down by; nothing of what can't be read."""
        told = self.cleaned_data if self.is_valid() else {}
        return {
            "program_id": getattr(told.get("program"), "pk", None),
            "district_id": getattr(told.get("district"), "pk", None),
            "name": told.get("q", ""),
            "is_for_families": told.get("waits") == FAMILY,
        }


class RejectForm(NoteForm):
    """Why, for the family: one of the workspace's reasons, or words of one's own, which come first."""

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
        """The workspace's, in its order."""
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
            self.add_error("reason", "Choose a reason, or say why in words of your own.")
        return cleaned


class AskForm(StaffForm):
    """What the family is asked before the case is decided."""

    question = forms.CharField(
        max_length=QUESTION_LENGTH,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="The family reads it word for word, and your organization's name below it.",
    )
