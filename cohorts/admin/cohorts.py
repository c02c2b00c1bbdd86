"""Cohorts: their terms and size, and who sits where."""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import admin, messages
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import DropdownFilter
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.widgets import INPUT_CLASSES

from accounts.backoffice.actions import StaffForm, staff_action
from accounts.backoffice.display import (
    Card,
    Neighbor,
    admin_url,
    badge,
    link_column,
    list_url,
    neighbor,
    neighbors_of,
)
from accounts.backoffice.scoping import ScopedRelatedFilter, WorkspaceScopedAdmin
from accounts.roles import Power
from enrollment_project.core.clock import utc_now
from enrollments.models import ProgramInstance

from ..models import Cohort, CohortPlace, StudentPackage, WaitlistEntry
from ..opening import change_capacity, close_cohort, open_cohort, serve_waitlist
from ..queries import with_sessions_left
from ..readiness import find_gaps
from ..scheduling import clone_cohort, schedule_cohort, unscheduled_options
from ..states import DONE, IN_LINE, OCCUPYING, PlaceStatus, StepStatus
from .courses import TimezoneForm
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

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        now = utc_now()
        over = queryset.filter(is_active=True, enrollment_deadline__lt=now)
        on_sale = queryset.filter(is_active=True).exclude(enrollment_deadline__lt=now)
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
        moment = super().to_python(value)
        return moment.replace(tzinfo=None) if moment else None


class CohortForm(TimezoneForm):
    """The size is set when a cohort is made, and changed by its button later. The deadline is by the cohort's clock."""

    enrollment_deadline = WallClockField(
        required=False,
        help_text="The last minute to enroll, in the cohort's time zone. The cohort can't be opened without.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        deadline = self.instance.enrollment_deadline
        if deadline is not None:
            shown = deadline.astimezone(ZoneInfo(self.instance.timezone))
            self.initial["enrollment_deadline"] = shown.replace(second=0, microsecond=0, tzinfo=None)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if cleaned.get("enrollment_deadline") and cleaned.get("timezone"):
            zone = ZoneInfo(cleaned["timezone"])
            cleaned["enrollment_deadline"] = cleaned["enrollment_deadline"].replace(tzinfo=zone)
        start, end = cleaned.get("start_date"), cleaned.get("end_date")
        if start and end and end < start:
            self.add_error("end_date", "A cohort ends on or after the day it starts.")
        return cleaned


class CapacityForm(StaffForm):
    max_enrollment = forms.IntegerField(min_value=0, max_value=MAX_PLACES, label="Places")

    def prepare(self) -> None:
        used = self.row.current_enrollment + self.row.held_places
        self.initial["max_enrollment"] = self.row.max_enrollment
        self.fields["max_enrollment"].help_text = f"At least {used:,}: {self.row.current_enrollment:,} taken, "
        self.fields["max_enrollment"].help_text += f"{self.row.held_places:,} held."


class CloneForm(StaffForm):
    name = forms.CharField(max_length=200)
    start_date = forms.DateField(widget=DAY, help_text="Its end and its deadline move along.")
    instance = forms.ModelChoiceField(
        queryset=ProgramInstance.objects.none(), label="Program instance", help_text="Whose price it is sold at."
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
    actions_detail = ("schedule_sessions", "change_places", "open_sale", "close_sale", "clone")
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
        return [*super().get_readonly_fields(request, obj), *(["max_enrollment"] if obj else [])]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return with_sessions_left(super().get_queryset(request), now=utc_now())

    def save_model(self, request: HttpRequest, obj: Cohort, form: Any, change: bool) -> None:
        """Write what was edited and nothing else: the counters may have moved since the page was opened."""
        if not change:
            super().save_model(request, obj, form, change)
            messages.info(
                request, f"{obj} is closed: nobody sees it before you open it. Its page lists what is missing."
            )
            return
        edited = set(form.changed_data)
        if "timezone" in edited:  # where the same wall-clock time is another moment
            edited.add("enrollment_deadline")
        obj.save(update_fields=edited)
        if "enrollment_deadline" in edited:
            serve_waitlist(cohort_id=obj.pk)

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
        return f"{cohort.enrollment_deadline.astimezone(ZoneInfo(cohort.timezone)):%-d %b %Y, %H:%M}"

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
        explanation="Puts every class of every step on the calendar that is not there yet: step n in the n-th week.",
    )
    def schedule_sessions(self, request: HttpRequest, cohort: Cohort, form: StaffForm) -> str:
        made = schedule_cohort(cohort_id=cohort.pk)
        return f"{cohort}: {len(made)} sessions scheduled."

    @staff_action(
        description="Change places",
        power=Power.MANAGE,
        form=CapacityForm,
        icon="event_seat",
        explanation="Never below what is taken and held. New places go to the waiting list first.",
    )
    def change_places(self, request: HttpRequest, cohort: Cohort, form: StaffForm) -> str:
        changed = change_capacity(cohort_id=cohort.pk, max_enrollment=form.cleaned_data["max_enrollment"])
        return f"{cohort}: {changed.max_enrollment:,} places, {changed.places_left:,} left."

    @staff_action(
        description="Open",
        power=Power.MANAGE,
        possible=lambda cohort: not cohort.is_active,
        icon="lock_open",
        variant=ActionVariant.SUCCESS,
        explanation="Learners may enroll from now on, those on the waiting list first. Refused while something is "
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
        explanation="Nobody else may enroll. Who has a place keeps it, and who is paying may pay.",
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
        messages.success(request, f"{clone} has {clone.sessions.count()} sessions. Open it when it is ready.")
        return HttpResponseRedirect(admin_url(clone))


@neighbors_of(Cohort)
def gaps_of_cohort(request: HttpRequest, cohort: Cohort) -> Card:
    """What is missing before it can be opened, each with the page where it is mended."""
    if cohort.is_active:
        return Card("On sale", empty="It is open. Close it to take no more enrollments.")
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
    rows = [_place(place) for place in places.order_by("status", "learner__last_name", "pk")[:100]]
    more = list_url(CohortPlace, cohort__id__exact=cohort.pk)
    return Card("Who has a place", rows, empty="Nobody yet.", more_url=more)


def _place(place: CohortPlace) -> Neighbor:
    if place.status == PlaceStatus.HELD:
        return neighbor(place, title=place.learner, status="status", note="until", at=place.held_until)
    package = next((package for package in place.packages.all() if package.revoked_at is None), None)
    return neighbor(package or place, title=place.learner, note=_progress(package) if package else "")


def _progress(package: StudentPackage) -> str:
    """ "2 of 5 done, 1 to book"."""
    statuses = [row.status for row in package.progress.all()]
    parts = [f"{sum(status in DONE for status in statuses)} of {len(statuses)} done"]
    for status, word in ((StepStatus.MISSED, "missed"), (StepStatus.UNBOOKED, "to book")):
        if count := statuses.count(status):
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
        neighbor(cohort, title=f"{cohort}, {cohort.start_date:%-d %b %Y}", note=place_bar(cohort))
        for cohort in instance.cohorts.all()[:20]
    ]
    return Card("Cohorts", rows, empty="None: it is not sold by the cohort.")
