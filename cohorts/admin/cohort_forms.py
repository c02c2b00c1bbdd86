"""The forms of a cohort's page and its buttons, and their previews."""

import datetime as dt
from collections.abc import Sequence
from copy import copy
from typing import Any

from django import forms
from django.utils.timezone import override
from unfold.widgets import INPUT_CLASSES

from backoffice.actions import StaffForm
from backoffice.display import staff_moment
from backoffice.previews import Preview
from backoffice.timezones import TimezoneForm, offer_zones
from core.clock import utc_now
from core.forms import WholeNumberField
from core.local_time import Instant, to_instant, validate_date, wall_clock
from core.time_words import day
from enrollments.models import ProgramInstance

from ..course.replanning import deadline_in, plan_dates
from ..models import Cohort, WaitlistEntry
from ..sale.waitlist import find_served

DAY = forms.DateInput(attrs={"type": "date"})
WALL_CLOCK = "%Y-%m-%dT%H:%M"
MAX_PLACES = 100_000


class WallClockField(forms.DateTimeField):
    """A date and a time as a wall clock shows them, without a time zone."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local", "class": " ".join(INPUT_CLASSES)}, format=WALL_CLOCK)

    def to_python(self, value: Any) -> dt.datetime | None:
        with override(dt.UTC):  # every time exists once in UTC, so none is refused
            said = super().to_python(value)
        if said is None:
            return None
        validate_date(said.date())
        return said.replace(tzinfo=None)


class CohortForm(TimezoneForm):
    """A button changes the size once the cohort exists. The deadline is in the cohort's time zone."""

    deadline: Instant | None = None
    enrollment_deadline = WallClockField(
        required=False,
        help_text="The enrollment deadline, in the cohort's time zone. The cohort can't be opened without it.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        deadline = self.instance.enrollment_deadline
        if deadline is not None:
            shown = wall_clock(deadline, self.instance.timezone)
            self.initial["enrollment_deadline"] = shown.replace(second=0, microsecond=0)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if cleaned.get("enrollment_deadline"):
            said = cleaned["enrollment_deadline"]
            zone = cleaned.get("timezone") or self.instance.timezone
            self.deadline = to_instant(date=said.date(), time=said.time(), zone=zone)
            cleaned["enrollment_deadline"] = self.deadline.at
        # The form edits only its own fields.
        start = cleaned.get("start_date")
        end = cleaned.get("end_date")
        if start and end and end < start:
            self.add_error("end_date", "A cohort ends on or after the day it starts.")
        return cleaned


class DatesForm(StaffForm):
    """New dates, and what moves with them."""

    edits_the_row = True
    start_date = forms.DateField(widget=DAY)
    end_date = forms.DateField(widget=DAY, help_text="Its last day, in the cohort's time zone.")
    sessions = forms.ChoiceField(
        choices=[
            ("move", "Move by as many weeks, at the same local time"),
            ("stay", "Stay where they are"),
        ],
        label="Sessions to come",
        help_text="Sessions that have begun, or whose attendance was taken, stay in any case.",
    )
    deadline = forms.ChoiceField(
        choices=[("stay", "Stays where it is"), ("move", "Moves by as many days as the start")],
        label="Enrollment deadline",
    )

    def prepare(self) -> None:
        self.initial.update(start_date=self.row.start_date, end_date=self.row.end_date)

    def plan(self) -> dict[str, Any]:
        """Return the answers as arguments of `change_dates`."""
        chosen = self.cleaned_data
        return {
            "start_date": chosen["start_date"],
            "end_date": chosen["end_date"],
            "move_sessions": chosen["sessions"] == "move",
            "move_deadline": chosen["deadline"] == "move",
        }


def foresee_dates(cohort: Cohort, form: DatesForm) -> Preview:
    """Preview which sessions would move, what prevents it, and who is told."""
    plan = plan_dates(cohort=cohort, now=utc_now(), **form.plan())
    sentences = [f"In the way: {conflict} Nothing changes until that is settled." for conflict in plan.conflicts]
    start = form.cleaned_data["start_date"]
    end = form.cleaned_data["end_date"]
    if (start, end) == (cohort.start_date, cohort.end_date):
        sentences.append(f"{cohort} keeps its dates, {day(start)} to {day(end)}.")
    else:
        before = f"{day(cohort.start_date)} to {day(cohort.end_date)}"
        sentences.append(f"{cohort} runs {day(start)} to {day(end)}, now {before}.")
    sentences.extend(move.describe(cohort.timezone) for move in plan.moves)
    if not plan.moves:
        sentences.append("No session moves.")
    if plan.deadline is not None:
        verb = "stays" if plan.deadline == cohort.enrollment_deadline else "becomes"
        sentences.append(f"The enrollment deadline {verb} {staff_moment(plan.deadline, cohort.timezone)}.")
    sentences.extend(f"Please check: {warning}" for warning in plan.warnings)
    mails = _mails_about_dates(plan.families, len(_served_with(cohort, start, end, plan.deadline)))
    return Preview(sentences=tuple(sentences), mails=mails)


def _served_with(cohort: Cohort, start: dt.date, end: dt.date, deadline: dt.datetime | None) -> Sequence[WaitlistEntry]:
    """Return who in the waiting list is offered a place once the cohort has these dates."""
    changed = copy(cohort)
    changed.start_date = start
    changed.end_date = end
    changed.enrollment_deadline = deadline
    return find_served(changed, freed=0, now=utc_now())


def _mails_about_dates(families: int, served: int) -> str:
    told = []
    if families:
        told.append(f"Learners whose families get one mail, with the dates and all their sessions: {families:,}.")
    if served:
        told.append(f"Learners on the waiting list whose families are offered a place by mail: {served:,}.")
    return " ".join(told) or "No mail is sent."


class CohortZoneForm(StaffForm):
    edits_the_row = True
    timezone = forms.ChoiceField(label="Time zone")
    deadline = forms.ChoiceField(
        choices=[("moment", "Stays at the same moment"), ("clock", "Keeps its time on the clock")],
        label="Enrollment deadline",
    )

    def prepare(self) -> None:
        offer_zones(self.fields["timezone"], self.row.timezone)
        self.initial["timezone"] = self.row.timezone


def foresee_cohort_zone(cohort: Cohort, form: StaffForm) -> Preview:
    """Preview the deadline in both time zones; sessions follow the time zones of their classes."""
    zone = form.cleaned_data["timezone"]
    keep_clock = form.cleaned_data["deadline"] == "clock"
    sentences = [f"Times of {cohort} are shown in {zone}, and its days end there.", "No session moves."]
    deadline = deadline_in(cohort, timezone=zone, keep_clock=keep_clock)
    if deadline is not None and cohort.enrollment_deadline is not None:
        before = staff_moment(cohort.enrollment_deadline, cohort.timezone)
        sentences.append(f"The enrollment deadline, {before}, is {staff_moment(deadline, zone)}.")
    return Preview(sentences=tuple(sentences))


class CapacityForm(StaffForm):
    edits_the_row = True
    max_enrollment = WholeNumberField(max_value=MAX_PLACES, label="Places")

    def prepare(self) -> None:
        used = self.row.current_enrollment + self.row.held_places
        self.initial["max_enrollment"] = self.row.max_enrollment
        self.fields["max_enrollment"].help_text = f"At least {used:,}: {self.row.current_enrollment:,} taken, "
        self.fields["max_enrollment"].help_text += f"{self.row.held_places:,} held."


class CloneForm(StaffForm):
    name = forms.CharField(max_length=200)
    start_date = forms.DateField(widget=DAY, help_text="Its end and its deadline move with it.")
    instance = forms.ModelChoiceField(
        queryset=ProgramInstance.objects.none(), label="Program instance", help_text="Its price is the cohort's price."
    )

    def prepare(self) -> None:
        bound = self.fields["instance"]
        assert isinstance(bound, forms.ModelChoiceField)
        bound.queryset = ProgramInstance.objects.filter(program=self.row.instance.program_id).order_by(
            "-start_date", "name", "id"
        )
        self.initial.update(start_date=self.row.end_date + dt.timedelta(days=7), instance=self.row.instance_id)
