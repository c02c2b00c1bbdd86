"""The fields of the guided page for a new program, and the plan they produce."""

from typing import Any

from django import forms
from django.http import QueryDict

from accounts.models import Workspace
from backoffice.guided import GuidedForm, Rows, first
from backoffice.money import MoneyField
from billing.models import Price
from core.forms import WholeNumberField
from core.local_time import validate_date
from core.money import Money
from core.numbers import MAX_INT
from core.text import limit_of

from ..application.questions import QUESTIONS_IN_FORM
from ..eligibility.criteria import MAX_CRITERIA
from ..eligibility.expressions import MAX_LENGTH
from ..eligibility.plain import KINDS, PlainRule
from ..models import ApplicationQuestion, Criterion, District, Program, ProgramInstance
from ..program_setup import MAX_SEATS, ProgramPlan, QuestionPlan, SeatsPlan
from ..programs import propose_code
from ..states import QuestionKind, ReviewMode

ABOUT = ("title", "code", "description")
TERM = ("name", "start_date", "end_date", "review_mode", "capacity")
MONEY = ("amount", "currency")
RULES = ("kind", "value", "reason")
QUESTIONS = ("label", "kind", "options", "is_required")
SEATS = ("district", "total")
DAY = forms.DateInput(attrs={"type": "date"})
_OF_PLAN = {
    "priceMinor": "amount",
    "startDate": "start_date",
    "endDate": "end_date",
    "questions": "takes_applications",
}


class ProgramTexts:
    """The contents of the page as raw text: the plain fields and the three lists, valid or not."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.plain: dict[str, Any] = {}
        self.rules = Rows("rules", RULES, MAX_CRITERIA)
        self.questions = Rows("questions", QUESTIONS, QUESTIONS_IN_FORM)
        self.seats = Rows("seats", SEATS, MAX_SEATS)

    @classmethod
    def blank(cls, workspace: Workspace) -> "ProgramTexts":
        """A free program with a form, open to everybody, without review."""
        made = cls(workspace)
        last = Price.objects.filter(workspace=workspace).order_by("-pk").values_list("currency", flat=True).first()
        made.plain = {
            "review_mode": ReviewMode.AUTOMATIC.value,
            "takes_applications": "on",
            "currency": (last or "usd").upper(),
        }
        return made

    @classmethod
    def read(cls, workspace: Workspace, data: QueryDict) -> "ProgramTexts":
        made = cls(workspace)
        made.plain = {name: data.get(name, "") for name in (*ABOUT, *TERM, *MONEY, "takes_applications")}
        for rows in made.lists.values():
            rows.read(data)
        return made

    @property
    def lists(self) -> dict[str, Rows]:
        return {rows.name: rows for rows in (self.rules, self.questions, self.seats)}

    def change(self, verb: str, name: str, number: int) -> None:
        rows = self.lists.get(name)
        if rows is None:
            return
        if verb == "add":
            rows.add(kind=QuestionKind.SHORT_TEXT.value, is_required="on")
        else:
            rows.change(verb, number)


class ProgramForm(GuidedForm):
    """`row` is the workspace."""

    title = forms.CharField(max_length=limit_of(Program, "title"))
    code = forms.CharField(
        required=False,
        max_length=limit_of(Program, "code"),
        help_text="Part of the form's address, and its name for integrators. Empty: derived from the title.",
    )
    description = forms.CharField(
        required=False, widget=forms.Textarea(attrs={"rows": 4}), help_text="Families read it above the form."
    )
    name = forms.CharField(
        label="Term",
        max_length=limit_of(ProgramInstance, "name"),
        help_text="What tells this run apart from the next: Fall 2027.",
    )
    start_date = forms.DateField(label="First day", required=False, widget=DAY, validators=[validate_date])
    end_date = forms.DateField(label="Last day", required=False, widget=DAY, validators=[validate_date])
    review_mode = forms.ChoiceField(
        label="Who decides",
        help_text="Automatic: approved once it is paid for or has a seat.",
        choices=[
            (ReviewMode.AUTOMATIC, "Automatic"),
            (ReviewMode.MANUAL, "Staff"),
        ],
    )
    capacity = WholeNumberField(
        label="Places", required=False, min_value=1, max_value=MAX_INT, help_text="Empty: no limit."
    )
    takes_applications = forms.BooleanField(
        label="Families apply on a public form",
        required=False,
        help_text="Without it, they come by import or API, or staff enroll them.",
    )
    amount = MoneyField(label="Price", required=False, help_text="Empty: it is free for families.")
    currency = forms.CharField(max_length=3, required=False, help_text="Three letters, like USD.")

    def __init__(self, *args: Any, texts: ProgramTexts, **kwargs: Any) -> None:
        self.texts = texts
        super().__init__(*args, lists=texts.lists.values(), initial=texts.plain, **kwargs)

    def prepare(self) -> None:
        amount = self.fields["amount"]
        assert isinstance(amount, MoneyField)
        amount.currency = str(self.texts.plain.get("currency", "")).strip().lower()
        districts = District.objects.filter(workspace=self.row).order_by("name", "pk")
        self.districts = [(str(each.pk), str(each)) for each in districts]
        makers = {"rules": _rule_fields, "questions": _question_fields, "seats": self._seat_fields}
        for rows in self.texts.lists.values():
            for number, row in enumerate(rows.rows):
                for name, bound in makers[rows.name]().items():
                    bound.initial = first(row, name)
                    self.fields[rows.field_name(number, name)] = bound

    def _seat_fields(self) -> dict[str, forms.Field]:
        return {
            "district": forms.ChoiceField(label="District", choices=[("", "Choose a district"), *self.districts]),
            "total": WholeNumberField(label="Seats", min_value=1, max_value=MAX_INT),
        }

    @property
    def sections(self) -> dict[str, list[dict[str, Any]]]:
        """Return what the page shows for each list."""
        return {
            name: [
                {"number": number, "fields": [self[rows.field_name(number, each)] for each in rows.fields]}
                for number in range(len(rows.rows))
            ]
            for name, rows in self.texts.lists.items()
        }

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if cleaned.get("amount") and not cleaned.get("currency"):
            self.add_error("currency", "Give the currency of the price, as in USD.")
        return cleaned

    def plan(self) -> ProgramPlan:
        """Return the plan that the valid form describes."""
        told = self.cleaned_data
        price = Money(told["amount"], told["currency"].lower()) if told["amount"] else None
        return ProgramPlan(
            code=told["code"] or propose_code(workspace_id=self.row.pk, title=told["title"]),
            title=told["title"],
            description=told["description"],
            name=told["name"],
            start_date=told["start_date"],
            end_date=told["end_date"],
            review_mode=told["review_mode"],
            capacity=told["capacity"],
            rules=tuple(PlainRule(**row) for row in self._rows("rules")),
            takes_applications=told["takes_applications"],
            questions=tuple(QuestionPlan(**row) for row in self._rows("questions")),
            price=price,
            seats=tuple(SeatsPlan(int(row["district"]), row["total"]) for row in self._rows("seats")),
        )

    def _rows(self, name: str) -> list[dict[str, Any]]:
        return [self.in_row(name, number) for number in range(len(self.lists[name].rows))]

    def _field_of(self, told: str) -> str | None:
        return super()._field_of(_OF_PLAN.get(told, told))


def _rule_fields() -> dict[str, forms.Field]:
    kinds = [(name, kind.label) for name, kind in KINDS.items()]
    return {
        "kind": forms.ChoiceField(label="Who can enroll", choices=[("", "Choose what has to hold"), *kinds]),
        "value": forms.CharField(label="Which", required=False, max_length=MAX_LENGTH),
        "reason": forms.CharField(
            label="Explanation for others",
            required=False,
            max_length=limit_of(Criterion, "otherwise"),
            help_text="Empty: a standard text.",
        ),
    }


def _question_fields() -> dict[str, forms.Field]:
    return {
        "label": forms.CharField(label="Question", max_length=limit_of(ApplicationQuestion, "label")),
        "kind": forms.ChoiceField(label="Answer", choices=QuestionKind.choices),
        "options": forms.CharField(
            label="Options, one in each line",
            required=False,
            max_length=limit_of(ApplicationQuestion, "options"),
            widget=forms.Textarea(attrs={"rows": 2}),
        ),
        "is_required": forms.BooleanField(label="Required", required=False),
    }
