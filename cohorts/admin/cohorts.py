"""Cohorts: their terms and size, and who sits where."""

import datetime as dt
from collections.abc import Container
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.safestring import SafeString
from django.utils.timezone import override
from unfold.contrib.filters.admin import DropdownFilter
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.widgets import INPUT_CLASSES

from accounts.roles import Power
from backoffice.actions import StaffForm, staff_action
from backoffice.display import (
    Card,
    Neighbor,
    admin_url,
    badge,
    link_column,
    list_url,
    neighbor,
    neighbors_of,
    staff_moment,
)
from backoffice.previews import Preview
from backoffice.scoping import ScopedRelatedFilter, WorkspaceScopedAdmin
from backoffice.timezones import TimezoneForm, offer_zones
from core.clock import utc_now
from core.forms import WholeNumberField
from core.local_time import Instant, is_not_over, to_instant, validate_date, wall_clock
from core.time_words import day
from enrollments.models import ProgramInstance

from ..course.replanning import change_cohort_zone, change_dates, deadline_in, plan_dates
from ..course.scheduling import clock_notes, clone_cohort, schedule_cohort, unscheduled_options
from ..models import Cohort, CohortPlace, StudentPackage, WaitlistEntry
from ..queries import offered_by_step, with_sessions_left
from ..sale.opening import change_capacity, close_cohort, open_cohort, serve_waitlist
from ..sale.readiness import find_gaps
from ..states import DONE, IN_LINE, OCCUPYING, PlaceStatus, StepStatus
from .display import meeting_time, place_bar, seat_bar

DAY = forms.DateInput(attrs={"type": "date"})
WALL_CLOCK = "%Y-%m-%dT%H:%M"
MAX_PLACES = 100_000


class SaleFilter(DropdownFilter):
    """Cohorts by whether a learner could enroll now."""

    title = "enrollment"
    parameter_name = "sale"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "Open"), ("full", "Full"), ("over", "Deadline passed"), ("closed", "Closed")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        now = utc_now()
        lasting = is_not_over(now=now, date="end_date", zone="timezone")
        joinable = lasting & (Q(enrollment_deadline__isnull=True) | Q(enrollment_deadline__gte=now))
        over = queryset.filter(is_active=True).exclude(joinable)
        on_sale = queryset.filter(joinable, is_active=True)
        has_room = {"max_enrollment__gt": F("current_enrollment") + F("held_places")}
        rows = {
            "open": on_sale.filter(**has_room),
            "full": on_sale.exclude(**has_room),
            "over": over,
            "closed": queryset.filter(is_active=False),
        }
        return rows.get(self.value() or "", queryset)


class WallClockField(forms.DateTimeField):
    """A date and a time as a clock on a wall shows them, without a zone."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local", "class": " ".join(INPUT_CLASSES)}, format=WALL_CLOCK)

    def to_python(self, value: Any) -> dt.datetime | None:
        with override(dt.UTC):  # where every time exists once, so that none is refused
            said = super().to_python(value)
        if said is None:
            return None
        validate_date(said.date())
        return said.replace(tzinfo=None)


class CohortForm(TimezoneForm):
    """The size is set when a cohort is made, and changed by its button later. The deadline is by the cohort's clock."""

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
        # What is not on the form is not edited by it.
        start = cleaned.get("start_date")
        end = cleaned.get("end_date")
        if start and end and end < start:
            self.add_error("end_date", "A cohort ends on or after the day it starts.")
        return cleaned


class DatesForm(StaffForm):
    """Other dates, and what follows them."""

    start_date = forms.DateField(widget=DAY)
    end_date = forms.DateField(widget=DAY, help_text="Its last day, by the cohort's clock.")
    sessions = forms.ChoiceField(
        choices=[
            ("move", "Follow by as many weeks, at the same time by their clock"),
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
        """The answers in the words of `change_dates`."""
        chosen = self.cleaned_data
        return {
            "start_date": chosen["start_date"],
            "end_date": chosen["end_date"],
            "move_sessions": chosen["sessions"] == "move",
            "move_deadline": chosen["deadline"] == "move",
        }


def foresee_dates(cohort: Cohort, form: DatesForm) -> Preview:
    """Which sessions would move, what is in the way, and who is told."""
    plan = plan_dates(cohort=cohort, now=utc_now(), **form.plan())
    sentences = [f"In the way: {conflict} Nothing changes until that is settled." for conflict in plan.conflicts]
    sentences.append(
        f"{cohort} runs {day(form.cleaned_data['start_date'])} to {day(form.cleaned_data['end_date'])}, "
        f"now {day(cohort.start_date)} to {day(cohort.end_date)}."
    )
    sentences.extend(move.describe(cohort.timezone) for move in plan.moves)
    if not plan.moves:
        sentences.append("No session moves.")
    if plan.deadline is not None:
        verb = "stays" if plan.deadline == cohort.enrollment_deadline else "becomes"
        sentences.append(f"The enrollment deadline {verb} {staff_moment(plan.deadline, cohort.timezone)}.")
    sentences.extend(f"Please check: {warning}" for warning in plan.warnings)
    told = f"The families of {plan.families} learners get one mail each, with the dates and all their sessions."
    return Preview(sentences=tuple(sentences), mails=told if plan.families else "No mail is sent.")


class CohortZoneForm(StaffForm):
    timezone = forms.ChoiceField(label="Time zone")
    deadline = forms.ChoiceField(
        choices=[("moment", "Stays at the same moment"), ("clock", "Keeps its time on the clock")],
        label="Enrollment deadline",
    )

    def prepare(self) -> None:
        offer_zones(self.fields["timezone"], self.row.timezone)
        self.initial["timezone"] = self.row.timezone


def foresee_cohort_zone(cohort: Cohort, form: StaffForm) -> Preview:
    """What the deadline is by the old clock and the new one; sessions live by the clocks of their classes."""
    zone = form.cleaned_data["timezone"]
    keep_clock = form.cleaned_data["deadline"] == "clock"
    sentences = [f"Times of {cohort} are shown in {zone}, and its days end there.", "No session moves."]
    deadline = deadline_in(cohort, timezone=zone, keep_clock=keep_clock)
    if deadline is not None and cohort.enrollment_deadline is not None:
        before = staff_moment(cohort.enrollment_deadline, cohort.timezone)
        sentences.append(f"The enrollment deadline, {before}, is {staff_moment(deadline, zone)}.")
    return Preview(sentences=tuple(sentences))


class CapacityForm(StaffForm):
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
        bound.queryset = ProgramInstance.objects.filter(program=self.row.instance.program_id)
        self.initial.update(start_date=self.row.end_date + dt.timedelta(days=7), instance=self.row.instance_id)


@admin.register(Cohort)
class CohortAdmin(WorkspaceScopedAdmin):
    """Counters are changed by `places.py` alone, the size by a button; everything else is a form."""

    workspace_path = "instance__workspace"
    add_power = Power.MANAGE
    change_power = Power.MANAGE
    form = CohortForm
    list_display = ("name", "course", "bar", "sale", "start_date", "end_date", "deadline")
    list_filter = (
        SaleFilter,
        ("instance__workspace", ScopedRelatedFilter),
        ("instance__program", ScopedRelatedFilter),
        ("instance", ScopedRelatedFilter),
        "start_date",
    )
    list_select_related = ("instance__program", "instance__price")
    search_fields = ("=id", "name", "=instance__program__code", "instance__program__title")
    search_help_text = "Number, name, program's code or title"
    date_hierarchy = "start_date"
    ordering = ("-start_date", "-id")
    readonly_fields = ("bar", "sale", "current_enrollment", "held_places", "is_active", "created_at", "course_link")
    actions_detail = (
        "schedule_sessions",
        "change_places",
        "change_dates",
        "change_zone",
        "open_sale",
        "close_sale",
        "clone",
    )
    course_link = link_column("instance.program", "course")

    def describe(self, row: Cohort) -> str:
        return f"{row.instance.program}, {row}"

    def get_fieldsets(self, request: HttpRequest, obj: Cohort | None = None) -> Any:
        term = ("Term", {"fields": (("start_date", "end_date"), ("timezone", "enrollment_deadline"))})
        if obj is None:
            return ((None, {"fields": ("instance", ("name", "max_enrollment"))}), term)
        return (
            (None, {"fields": (("bar", "sale"), ("course_link", "instance"), "name")}),
            term,
            (
                "Places",
                {
                    "fields": (("max_enrollment", "current_enrollment", "held_places"), ("is_active", "created_at")),
                    "classes": ("collapse",),
                },
            ),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Cohort | None = None) -> list[str]:
        """Size, dates and zone change by buttons, which say what that means for those who are in it."""
        by_button = ["max_enrollment", "start_date", "end_date", "timezone"]
        return [*super().get_readonly_fields(request, obj), *(by_button if obj else [])]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return with_sessions_left(super().get_queryset(request), now=utc_now())

    def save_model(self, request: HttpRequest, obj: Cohort, form: Any, change: bool) -> None:
        """Write what was edited and nothing else: the counters may have moved since the page was opened."""
        if not change:
            super().save_model(request, obj, form, change)
            messages.info(
                request, f"{obj} is closed: nobody sees it until you open it. Its page lists what is missing."
            )
            return
        edited = set(form.changed_data)
        obj.save(update_fields=edited)
        if "enrollment_deadline" in edited:
            serve_waitlist(cohort_id=obj.pk)
            if form.deadline is not None and form.deadline.note:
                messages.warning(request, form.deadline.note)

    @display(description="course", ordering="instance__program__title")
    def course(self, cohort: Cohort) -> str:
        return str(cohort.instance.program)

    @display(description="places", ordering=F("current_enrollment") + F("held_places"))
    def bar(self, cohort: Cohort) -> SafeString:
        return place_bar(cohort)

    @display(description="deadline", ordering="enrollment_deadline")
    def deadline(self, cohort: Cohort) -> str:
        if cohort.enrollment_deadline is None:
            return "none"
        return staff_moment(cohort.enrollment_deadline, cohort.timezone)

    @display(description="enrollment")
    def sale(self, cohort: Cohort) -> SafeString:
        if not cohort.is_active:
            return badge("closed", "Closed")
        now = utc_now()
        if cohort.is_past_deadline(now):
            return badge("closed", "Deadline passed")
        if not cohort.has_sessions_left(now):
            return badge("closed", "No sessions left")
        return badge("failed", "Full") if cohort.places_left <= 0 else badge("active", "Open")

    @staff_action(
        description="Schedule sessions",
        power=Power.MANAGE,
        possible=lambda cohort: unscheduled_options(cohort).exists(),
        icon="calendar_add_on",
        variant=ActionVariant.PRIMARY,
        explanation="Puts every class of every step on the calendar unless it is there already. Step n meets in week "
        "n.",
    )
    def schedule_sessions(self, request: HttpRequest, cohort: Cohort, form: StaffForm) -> str:
        made = schedule_cohort(cohort_id=cohort.pk)
        for note in clock_notes(made)[:10]:
            messages.warning(request, note)
        return f"{cohort}: {len(made)} sessions scheduled."

    @staff_action(
        description="Change places",
        power=Power.MANAGE,
        form=CapacityForm,
        icon="event_seat",
        explanation="The number can't be lower than the places taken and held. New places go to the waiting list "
        "first.",
    )
    def change_places(self, request: HttpRequest, cohort: Cohort, form: StaffForm) -> str:
        changed = change_capacity(cohort_id=cohort.pk, max_enrollment=form.cleaned_data["max_enrollment"])
        return f"{cohort}: {changed.max_enrollment:,} places, {changed.places_left:,} left."

    @staff_action(
        description="Change dates",
        power=Power.MANAGE,
        form=DatesForm,
        preview=foresee_dates,
        icon="date_range",
        explanation="Choose what follows the new dates. You see everything that will move before anything moves.",
    )
    def change_dates(self, request: HttpRequest, cohort: Cohort, form: DatesForm) -> str:
        plan = change_dates(cohort_id=cohort.pk, **form.plan())
        serve_waitlist(cohort_id=cohort.pk)
        return f"{cohort} has its new dates; {len(plan.moves)} sessions moved."

    @staff_action(
        description="Change time zone",
        power=Power.MANAGE,
        form=CohortZoneForm,
        preview=foresee_cohort_zone,
        icon="schedule",
        explanation="Its times are shown, and its days end, by this zone's clock. Its sessions stay.",
    )
    def change_zone(self, request: HttpRequest, cohort: Cohort, form: StaffForm) -> str:
        chosen = form.cleaned_data
        changed = change_cohort_zone(
            cohort_id=cohort.pk, timezone=chosen["timezone"], keep_clock=chosen["deadline"] == "clock"
        )
        serve_waitlist(cohort_id=cohort.pk)
        return f"{cohort} lives by the clock of {changed.timezone}."

    @staff_action(
        description="Open",
        power=Power.MANAGE,
        possible=lambda cohort: not cohort.is_active,
        icon="lock_open",
        variant=ActionVariant.SUCCESS,
        explanation="Learners may enroll from now on, those on the waiting list first. Opening is refused while "
        "something is "
        "missing; the cohort's page lists what.",
    )
    def open_sale(self, request: HttpRequest, cohort: Cohort, form: StaffForm) -> str:
        opened = open_cohort(cohort_id=cohort.pk)
        return f"{cohort} takes enrollments: {opened.places_left:,} places left."

    @staff_action(
        description="Close",
        power=Power.MANAGE,
        possible=lambda cohort: cohort.is_active,
        icon="lock",
        variant=ActionVariant.DANGER,
        explanation="Nobody else may enroll. Learners who already have a place keep it, and families who are paying "
        "can finish.",
    )
    def close_sale(self, request: HttpRequest, cohort: Cohort, form: StaffForm) -> str:
        close_cohort(cohort_id=cohort.pk)
        return f"{cohort} takes no more enrollments."

    @staff_action(
        description="Clone",
        power=Power.MANAGE,
        form=CloneForm,
        icon="content_copy",
        explanation="The same cohort in another term, with its sessions scheduled; closed until you open it.",
    )
    def clone(self, request: HttpRequest, cohort: Cohort, form: StaffForm) -> HttpResponse:
        clone = clone_cohort(cohort_id=cohort.pk, **form.cleaned_data)
        self.log_addition(request, clone, f"Cloned from {cohort}")
        for note in clock_notes(clone.sessions.select_related("cohort", "step", "option__group_class"))[:10]:
            messages.warning(request, note)
        messages.success(request, f"{clone} has {clone.sessions.count()} sessions. Open it when it is ready.")
        return HttpResponseRedirect(admin_url(clone))


@neighbors_of(Cohort)
def gaps_of_cohort(request: HttpRequest, cohort: Cohort) -> Card:
    """What is missing before it can be opened, each with the page where it is mended."""
    if cohort.is_active:
        return Card("On sale", empty="It is open. Close it to stop taking enrollments.")
    rows = [Neighbor(title=gap.text, url=admin_url(gap.row)) for gap in find_gaps(cohort=cohort, now=utc_now())]
    return Card("Before it can be opened", rows, empty="Nothing is missing: open it.", wide=True)


@neighbors_of(Cohort)
def sessions_of_cohort(request: HttpRequest, cohort: Cohort) -> Card:
    """Each step with its classes: when they meet and how full they are."""
    rows = []
    sessions = cohort.sessions.select_related("step", "class_session__group_class")
    for session in sessions.order_by("step__order", "class_session__starts_at"):
        meeting = session.class_session
        rows.append(
            Neighbor(
                title=f"{session.step.label}: {meeting.group_class}, {meeting_time(meeting)}",
                url=admin_url(meeting),
                note=seat_bar(meeting),
            )
        )
    return Card("Sessions", rows, empty="Not scheduled.", wide=True)


@neighbors_of(Cohort)
def places_in_cohort(request: HttpRequest, cohort: Cohort) -> Card:
    """Who sits here, and how far they are."""
    places = cohort.places.filter(status__in=OCCUPYING).select_related("learner").prefetch_related("packages__progress")
    bookable = offered_by_step(cohort_id=cohort.pk, now=utc_now())
    rows = [_place(place, bookable) for place in places.order_by("status", "learner__last_name", "pk")[:100]]
    more = list_url(CohortPlace, cohort__id__exact=cohort.pk)
    return Card("Who has a place", rows, empty="Nobody yet.", more_url=more)


def _place(place: CohortPlace, bookable: Container[int]) -> Neighbor:
    if place.status == PlaceStatus.HELD:
        return neighbor(place, title=place.learner, status="status", note="until", at=place.held_until)
    package = next((package for package in place.packages.all() if package.revoked_at is None), None)
    return neighbor(package or place, title=place.learner, note=_progress(package, bookable) if package else "")


def _progress(package: StudentPackage, bookable: Container[int]) -> str:
    """ "2 of 5 done, 1 to book, 1 without a session"."""
    rows = package.progress.all()
    parts = [f"{sum(row.status in DONE for row in rows)} of {len(rows)} done"]
    unbooked = [row for row in rows if row.status == StepStatus.UNBOOKED]
    to_book = sum(row.step_id in bookable for row in unbooked)
    missed = sum(row.status == StepStatus.MISSED for row in rows)
    for count, word in ((missed, "missed"), (to_book, "to book"), (len(unbooked) - to_book, "without a session")):
        if count:
            parts.append(f"{count} {word}")
    return ", ".join(parts)


@neighbors_of(Cohort)
def line_for_cohort(request: HttpRequest, cohort: Cohort) -> Card:
    entries = cohort.waitlist.filter(status__in=IN_LINE).select_related("learner").order_by("rank", "pk")[:50]
    rows = [
        neighbor(entry, title=entry.learner, status="status", note=entry.note, at=entry.offer_expires_at)
        for entry in entries
    ]
    more = list_url(WaitlistEntry, cohort__id__exact=cohort.pk)
    return Card("Waiting list", rows, empty="Nobody waits.", more_url=more)


@neighbors_of(ProgramInstance)
def cohorts_of_instance(request: HttpRequest, instance: ProgramInstance) -> Card:
    rows = [
        neighbor(cohort, title=f"{cohort}, {day(cohort.start_date)}", note=place_bar(cohort))
        for cohort in instance.cohorts.all()[:20]
    ]
    return Card("Cohorts", rows, empty="None: it is not sold by the cohort.")
