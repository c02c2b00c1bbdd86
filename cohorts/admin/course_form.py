"""The fields of the guided page for a new course, and the plan they produce."""

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any

from django import forms
from django.http import QueryDict

from accounts.models import Workspace
from backoffice.guided import GuidedForm, Row, Rows, first
from backoffice.money import MoneyField
from backoffice.timezones import zone_choices
from billing.models import Price
from core.forms import WholeNumberField
from core.local_time import known_zones, local_date, validate_date
from core.money import Money
from core.numbers import parse_whole_number
from core.text import limit_of
from core.time_words import clock
from enrollments.models import Program
from enrollments.programs import propose_code

from ..course.setup import MAX_CLASSES, MAX_STEPS, ClassPlan, CoursePlan, StepPlan
from ..models import Cohort, CourseStep, GroupClass
from ..states import DayOfWeek
from .cohort_forms import DAY, MAX_PLACES
from .display import weekly_time

CLASS_FIELDS = ("day_of_week", "start_time", "end_time", "timezone", "seats", "teacher", "meeting_url", "name")
CLASSES = ("key", "known", *CLASS_FIELDS)
STEPS = ("title", "label", "required", "classes")
COURSE = ("title", "description", "provider", "audience", "code", "listed")
COHORT = ("cohort", "start_date", "end_date", "deadline_date", "zone", "location", "places")
MONEY = ("amount", "currency")
WEEKS = 4
TIME = forms.TimeInput(attrs={"type": "time"}, format="%H:%M")
_WEEK = re.compile(r"Week [0-9]+")
_OF_PLAN = {"name": "cohort", "timezone": "zone", "priceMinor": "amount"}


class CourseTexts:
    """The contents of the page as raw text: the plain fields and the two lists, valid or not."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.plain: dict[str, Any] = {}
        self.classes = Rows("classes", CLASSES, MAX_CLASSES)
        self.steps = Rows("steps", STEPS, MAX_STEPS)
        self.off: list[str] = []  # the first days of the weeks without classes

    @classmethod
    def blank(cls, workspace: Workspace, *, now: dt.datetime) -> "CourseTexts":
        """A course of four weeks with one class, which starts on a Monday in two weeks."""
        made = cls(workspace)
        today = local_date(now, workspace.timezone)
        monday = today + dt.timedelta(days=14 - today.weekday())
        last = Price.objects.filter(workspace=workspace).order_by("-pk").values_list("currency", flat=True).first()
        made.plain = {
            "listed": "on",
            "start_date": monday.isoformat(),
            "zone": workspace.timezone,
            "currency": (last or "usd").upper(),
        }
        made.add_class()
        for _ in range(WEEKS):
            made.add_step()
        return made

    @classmethod
    def like(cls, model: Cohort, *, now: dt.datetime) -> "CourseTexts":
        """A copy of a course, taught in the same classes; its first cohort starts a week after the other one ends."""
        course = model.instance.program
        made = cls.blank(course.workspace, now=now)
        made.classes.rows.clear()
        made.steps.rows.clear()
        start = max(model.end_date + dt.timedelta(days=7), dt.date.fromisoformat(made.plain["start_date"]))
        made.plain |= {
            "title": course.title,
            "description": course.description,
            "provider": course.provider,
            "audience": course.audience,
            "location": model.location,
            "start_date": (start - dt.timedelta(days=start.weekday())).isoformat(),
            "zone": model.timezone,
            "places": str(model.max_enrollment),
        }
        price = model.price_asked
        if price is not None:
            made.plain |= {"amount": f"{price.units:.{price.decimals}f}", "currency": price.currency.upper()}
        for step in course.steps.prefetch_related("options__group_class").order_by("order"):
            options = [option.group_class for option in step.options.all()]
            for known in options:
                made.use(known.pk)
            keys = [f"k{known.pk}" for known in options]
            required = "on" if step.required else ""
            made.steps.add(title=step.title, label=step.label, required=required, classes=keys)
        return made

    @classmethod
    def read(cls, workspace: Workspace, data: QueryDict) -> "CourseTexts":
        made = cls(workspace)
        made.plain = {name: data.get(name, "") for name in (*COURSE, *COHORT, *MONEY)}
        made.classes.read(data)
        made.steps.read(data)
        days = [_read_day(told) for told in data.getlist("off")[:MAX_STEPS]]
        made.off = [day.isoformat() for day in days if day]
        for row in made.classes.rows:
            if parse_whole_number(first(row, "known")) is None:
                row["known"] = []
        return made

    def add_class(self) -> None:
        """Add an empty class, in which every step can be taken."""
        numbers = [parse_whole_number(first(row, "key")[1:]) or 0 for row in self.classes.rows]
        key = f"n{max(numbers, default=0) + 1}"
        self._offer(key, known="", seats="10", timezone=self.workspace.timezone)

    def use(self, known_id: int) -> None:
        """Add an existing class, unless it is already in the list."""
        key = f"k{known_id}"
        if all(first(row, "key") != key for row in self.classes.rows):
            self._offer(key, known=str(known_id))

    def add_step(self) -> None:
        number = len(self.steps.rows) + 1
        self.steps.add(label=f"Week {number}", required="on", classes=self.keys)

    def set_weeks(self, told: str) -> None:
        """Set the number of steps: add new ones at the end, or remove untitled ones from the end."""
        wanted = parse_whole_number(told, lowest=1, highest=MAX_STEPS) or len(self.steps.rows)
        while len(self.steps.rows) < wanted:
            self.add_step()
        while len(self.steps.rows) > wanted and not first(self.steps.rows[-1], "title"):
            self.steps.rows.pop()

    def toggle_week(self, told: str) -> None:
        """Make a week one without classes, or one with classes again."""
        day = _read_day(told)
        if told in self.off:
            self.off.remove(told)
        elif day and len(self.off) < MAX_STEPS:
            self.off.append(day.isoformat())

    def number_weeks(self) -> None:
        """Number the labels that count weeks in their order."""
        for number, row in enumerate(self.steps.rows, start=1):
            if _WEEK.fullmatch(first(row, "label")):
                row["label"] = [f"Week {number}"]

    @property
    def keys(self) -> list[str]:
        return [first(row, "key") for row in self.classes.rows]

    def _offer(self, key: str, **values: str) -> None:
        if self.classes.is_full:
            return
        self.classes.add(key=key, **values)
        for step in self.steps.rows:
            step["classes"].append(key)


def _read_day(text: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None


def _zones(own: str) -> list[tuple[str, str]]:
    """Return the time zones to choose from; a submitted one is included only if it exists."""
    return zone_choices(own if own in known_zones() else "")


class CourseForm(GuidedForm):
    """`row` is the workspace; `known` are those of its classes that the page refers to, by id."""

    title = forms.CharField(max_length=limit_of(Program, "title"))
    description = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="What families read in the catalog: what is learned, what to bring.",
    )
    provider = forms.CharField(
        label="Taught by",
        required=False,
        max_length=limit_of(Program, "provider"),
        help_text="Who teaches it, as families know them. Empty: the workspace.",
    )
    audience = forms.CharField(
        label="For whom",
        required=False,
        max_length=limit_of(Program, "audience"),
        help_text="The ages or grades it is for: Ages 8 to 11, grades 3 to 5.",
    )
    code = forms.CharField(
        required=False,
        max_length=limit_of(Program, "code"),
        help_text="Part of its address. Empty: derived from the title.",
    )
    listed = forms.BooleanField(
        required=False,
        label="Show it in the catalog",
        help_text="Families find it at once. They can enroll when you open the cohort.",
    )
    cohort = forms.CharField(
        required=False,
        max_length=limit_of(Cohort, "name"),
        label="Name",
        help_text="Families choose by it. Empty: the month it starts in.",
    )
    start_date = forms.DateField(label="First day", widget=DAY, validators=[validate_date])
    end_date = forms.DateField(
        label="Last day",
        required=False,
        widget=DAY,
        validators=[validate_date],
        help_text="Empty: the end of the last week.",
    )
    deadline_date = forms.DateField(
        label="Enroll until",
        required=False,
        widget=DAY,
        validators=[validate_date],
        help_text="To the end of that day. Empty: the day before the first.",
    )
    zone = forms.ChoiceField(label="Time zone")
    location = forms.CharField(
        label="Where it meets",
        required=False,
        max_length=limit_of(Cohort, "location"),
        help_text="Online, or Hill School, room 12.",
    )
    places = WholeNumberField(
        required=False,
        min_value=1,
        max_value=MAX_PLACES,
        help_text="Empty: as many as find a seat in every step.",
    )
    amount = MoneyField(label="Price", help_text="What a family pays for one learner: 149.00.")
    currency = forms.CharField(max_length=3, help_text="Three letters, like USD.")

    def __init__(self, *args: Any, texts: CourseTexts, known: Mapping[int, GroupClass], **kwargs: Any) -> None:
        self.texts = texts
        self.known = known
        super().__init__(*args, lists=(texts.classes, texts.steps), initial=texts.plain, **kwargs)

    def prepare(self) -> None:
        amount = self.fields["amount"]
        assert isinstance(amount, MoneyField)
        amount.currency = str(self.texts.plain.get("currency", "")).strip().lower()
        zone = self.fields["zone"]
        assert isinstance(zone, forms.ChoiceField)
        zone.choices = _zones(str(self.texts.plain.get("zone", "")))
        self.choices = [(first(row, "key"), self.describe_class(row)) for row in self.texts.classes.rows]
        for number, row in enumerate(self.texts.classes.rows):
            self._add(self.texts.classes, number, row, self._class_fields(row))
        for number, row in enumerate(self.texts.steps.rows):
            self._add(self.texts.steps, number, row, self._step_fields())

    def _add(self, rows: Rows, number: int, row: Row, fields: dict[str, forms.Field]) -> None:
        for name, bound in fields.items():
            bound.initial = row.get(name, []) if isinstance(bound, forms.MultipleChoiceField) else first(row, name)
            self.fields[rows.field_name(number, name)] = bound

    def _class_fields(self, row: Row) -> dict[str, forms.Field]:
        hidden: dict[str, forms.Field] = {
            "key": forms.CharField(required=False, widget=forms.HiddenInput, max_length=20),
            "known": forms.CharField(required=False, widget=forms.HiddenInput, max_length=20),
        }
        if first(row, "known"):
            return hidden
        return {
            **hidden,
            "day_of_week": forms.ChoiceField(label="Weekday", choices=[("", "Choose a day"), *DayOfWeek.choices]),
            "start_time": forms.TimeField(label="Starts", widget=TIME),
            "end_time": forms.TimeField(label="Ends", widget=TIME),
            "timezone": forms.ChoiceField(label="Time zone", choices=_zones(first(row, "timezone"))),
            "seats": WholeNumberField(label="Seats", min_value=1, max_value=MAX_PLACES),
            "teacher": forms.CharField(label="Teacher", required=False, max_length=limit_of(GroupClass, "teacher")),
            "meeting_url": forms.URLField(
                label="Meeting link",
                required=False,
                assume_scheme="https",
                max_length=limit_of(GroupClass, "meeting_url"),
            ),
            "name": forms.CharField(
                label="Name",
                required=False,
                max_length=limit_of(GroupClass, "name"),
                help_text="Empty: derived from the course and the weekday.",
            ),
        }

    def _step_fields(self) -> dict[str, forms.Field]:
        return {
            "label": forms.CharField(label="Label", required=False, max_length=limit_of(CourseStep, "label")),
            "title": forms.CharField(label="What it is about", max_length=limit_of(CourseStep, "title")),
            "required": forms.BooleanField(label="Required", required=False),
            "classes": forms.MultipleChoiceField(
                label="Can be taken in",
                required=False,
                choices=self.choices,
                widget=forms.CheckboxSelectMultiple,
            ),
        }

    def describe_class(self, row: Row) -> str:
        """Describe a class for the list of steps, from what has been typed so far."""
        known = self.known.get(parse_whole_number(first(row, "known")) or 0)
        if known is not None:
            return f"{known}: {weekly_time(known)}"
        number = self.texts.classes.rows.index(row) + 1
        day = parse_whole_number(first(row, "day_of_week"))
        if day is None or day > DayOfWeek.SATURDAY:
            return f"Class {number}"
        try:
            starts = clock(dt.time.fromisoformat(first(row, "start_time")))
        except ValueError:
            starts = ""
        return f"Class {number}: {DayOfWeek(day).label} {starts}".strip()

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if self.texts.steps.rows == []:
            self.add_error(None, "A course has at least one step: add one.")
        return cleaned

    @property
    def sections(self) -> dict[str, list[dict[str, Any]]]:
        """Return what the page shows for each list."""
        classes = self.texts.classes
        shown = []
        for number, row in enumerate(classes.rows):
            here = [self[classes.field_name(number, name)] for name in ("key", "known")]
            fields = [] if first(row, "known") else [self[classes.field_name(number, name)] for name in CLASS_FIELDS]
            shown.append({"number": number, "hidden": here, "fields": fields, "name": self.describe_class(row)})
        steps = self.texts.steps
        lines = [
            {"number": number, **{name: self[steps.field_name(number, name)] for name in STEPS}}
            for number in range(len(steps.rows))
        ]
        return {"classes": shown, "steps": lines}

    def plan(self) -> CoursePlan:
        """Return the plan that the valid form describes."""
        told = self.cleaned_data
        places = {key: number for number, key in enumerate(self.texts.keys)}
        return CoursePlan(
            code=told["code"] or propose_code(workspace_id=self.row.pk, title=told["title"]),
            title=told["title"],
            description=told["description"],
            provider=told["provider"],
            audience=told["audience"],
            location=told["location"],
            listed=told["listed"],
            classes=tuple(self._class_plan(number) for number in range(len(self.texts.classes.rows))),
            steps=tuple(self._step_plan(number, places) for number in range(len(self.texts.steps.rows))),
            start_date=told["start_date"],
            timezone=told["zone"],
            price=Money(told["amount"], told["currency"].lower()),
            name=told["cohort"],
            end_date=told["end_date"],
            deadline_date=told["deadline_date"],
            places=told["places"],
            days_off=tuple(dt.date.fromisoformat(day) for day in sorted(self.texts.off)),
        )

    def _class_plan(self, number: int) -> ClassPlan:
        told = self.in_row("classes", number)
        known = parse_whole_number(told.get("known", ""))
        if known is not None:
            return ClassPlan(known_id=known)
        chosen = {name: told[name] for name in CLASS_FIELDS}
        return ClassPlan(**{**chosen, "day_of_week": int(chosen["day_of_week"])})

    def _step_plan(self, number: int, places: Mapping[str, int]) -> StepPlan:
        told = self.in_row("steps", number)
        classes = tuple(places[key] for key in told["classes"])
        return StepPlan(told["label"], told["title"], told["required"], classes)

    def _field_of(self, told: str) -> str | None:
        return super()._field_of(_OF_PLAN.get(told, told))
