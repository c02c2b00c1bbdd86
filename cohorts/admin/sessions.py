"""Class sessions: when they meet, who has a seat, and who attended."""

import datetime as dt
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import DropdownFilter
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from accounts.roles import Power
from backoffice.actions import StaffForm, staff_action
from backoffice.display import (
    NOTHING,
    Card,
    Neighbor,
    admin_url,
    link_column,
    list_url,
    neighbor,
    neighbors_of,
    register_subject,
)
from backoffice.scoping import ScopedRelatedFilter, WorkspaceScopedAdmin, actor_of
from core.clock import utc_now
from core.forms import WholeNumberField
from core.local_time import to_instant, wall_clock

from ..course.scheduling import reschedule_session
from ..learning.attendance import take_attendance
from ..models import ClassSession, StepProgress, StepProgressQuerySet
from ..states import StepStatus
from .display import meeting_time, seat_bar, step_badge, tell_seats_left
from .previews import foresee_attendance, foresee_new_time

register_subject("session", ClassSession)

DAY = forms.DateInput(attrs={"type": "date"})
TIME = forms.TimeInput(attrs={"type": "time"}, format="%H:%M")
MAX_SEATS = 10_000


def has_started(session: ClassSession | None) -> bool:
    return session is not None and session.starts_at <= utc_now()


class WhenFilter(DropdownFilter):
    """Filters sessions by when they take place relative to now."""

    title = "when"
    parameter_name = "when"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("coming", "Coming"), ("week", "In the next 7 days"), ("unmarked", "Over, attendance not taken")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        now = utc_now()
        if self.value() == "coming":
            return queryset.filter(ends_at__gt=now)
        if self.value() == "week":
            return queryset.filter(ends_at__gt=now, starts_at__lt=now + dt.timedelta(days=7))
        if self.value() == "unmarked":
            return queryset.filter(ends_at__lte=now, bookings__status=StepStatus.BOOKED).distinct()
        return queryset


class SessionForm(StaffForm):
    edits_the_row = True
    date = forms.DateField(widget=DAY)
    start_time = forms.TimeField(widget=TIME)
    end_time = forms.TimeField(widget=TIME)
    max_students = WholeNumberField(min_value=1, max_value=MAX_SEATS, label="Seats")

    def prepare(self) -> None:
        zone = self.row.group_class.timezone
        starts_at = wall_clock(self.row.starts_at, zone)
        ends_at = wall_clock(self.row.ends_at, zone)
        self.fields["start_time"].help_text = f"In the time zone {zone}."
        self.fields["max_students"].help_text = f"At least the {self.row.booked_count} that are booked."
        self.initial.update(
            date=starts_at.date(),
            start_time=starts_at.time(),
            end_time=ends_at.time(),
            max_students=self.row.max_students,
        )


class AttendanceForm(StaffForm):
    came = forms.MultipleChoiceField(
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        label="Who came",
        help_text="Learners who are not marked are recorded as missed.",
    )

    def prepare(self) -> None:
        rows = list(seated_in(self.row).of_live_packages())
        bound = self.fields["came"]
        assert isinstance(bound, forms.MultipleChoiceField)
        bound.choices = [(str(row.pk), f"{row.package.learner}, {row.step.label}") for row in rows]
        is_first = all(row.status == StepStatus.BOOKED for row in rows)
        self.initial["came"] = [str(row.pk) for row in rows if is_first or row.status == StepStatus.COMPLETED]


def seated_in(session: ClassSession) -> StepProgressQuerySet:
    rows = session.bookings.seated().select_related("package__learner", "step")
    return rows.order_by("package__learner__last_name", "package__learner__first_name", "pk")


@admin.register(ClassSession)
class ClassSessionAdmin(WorkspaceScopedAdmin):
    """Scheduling cohorts creates sessions; only booking takes their seats."""

    workspace_path = "group_class__workspace"
    list_display = ("when", "group_class", "teacher", "bar", "zone")
    list_filter = (
        WhenFilter,
        ("group_class__workspace", ScopedRelatedFilter),
        ("group_class", ScopedRelatedFilter),
        "date",
    )
    list_select_related = ("group_class",)
    search_fields = ("=id", "group_class__name", "group_class__teacher")
    search_help_text = "Number, class or teacher"
    date_hierarchy = "date"
    ordering = ("-starts_at", "-id")
    fieldsets = (
        (None, {"fields": (("when", "zone"), ("class_link", "teacher"), ("bar", "meeting_url"))}),
        ("In UTC", {"fields": (("starts_at", "ends_at"),), "classes": ("collapse",)}),
    )
    actions_detail = ("take_attendance", "reschedule")
    class_link = link_column("group_class", "class")

    @display(description="when", ordering="starts_at")
    def when(self, session: ClassSession) -> str:
        return meeting_time(session)

    @display(description="time zone", ordering="group_class__timezone")
    def zone(self, session: ClassSession) -> str:
        return session.group_class.timezone

    @display(description="teacher", ordering="group_class__teacher")
    def teacher(self, session: ClassSession) -> str:
        return session.group_class.teacher or NOTHING

    @display(description="meeting page")
    def meeting_url(self, session: ClassSession) -> str:
        return session.group_class.meeting_url or NOTHING

    @display(description="seats", ordering="booked_count")
    def bar(self, session: ClassSession) -> SafeString:
        return seat_bar(session)

    @staff_action(
        description="Take attendance",
        power=Power.DECIDE,
        possible=lambda session: has_started(session) and session.booked_count > 0,
        form=AttendanceForm,
        preview=foresee_attendance,
        icon="fact_check",
        variant=ActionVariant.PRIMARY,
        explanation="A learner who has attended every required step completes the course.",
    )
    def take_attendance(self, request: HttpRequest, session: ClassSession, form: StaffForm) -> str:
        came = {int(pk) for pk in form.cleaned_data["came"]}
        total = take_attendance(session_id=session.pk, came=came, actor=actor_of(request), now=utc_now())
        return f"{session}: {len(came)} of {total} came."

    @staff_action(
        description="Change time or seats",
        power=Power.MANAGE,
        form=SessionForm,
        preview=foresee_new_time,
        icon="edit_calendar",
        explanation="This changes it for every cohort that meets here. Bookings move along, and their families are "
        "told the new time.",
    )
    def reschedule(self, request: HttpRequest, session: ClassSession, form: StaffForm) -> str:
        chosen = form.cleaned_data
        zone = session.group_class.timezone
        moved = reschedule_session(session_id=session.pk, now=utc_now(), **chosen)
        note = to_instant(date=chosen["date"], time=chosen["start_time"], zone=zone).note
        if note and moved.starts_at != session.starts_at:
            messages.warning(request, note)
        return f"{moved.group_class} meets {meeting_time(moved)}, {tell_seats_left(moved)}."


@neighbors_of(ClassSession)
def bookings_of_session(request: HttpRequest, session: ClassSession) -> Card:
    rows = [
        Neighbor(
            title=row.package.learner,
            url=admin_url(row),
            badge=step_badge(row.status),
            note=row.step.label,
            at=row.booked_at,
        )
        for row in seated_in(session)[:100]
    ]
    more = list_url(StepProgress, class_session__id__exact=session.pk)
    return Card("Who has a seat", rows, empty="Nobody has booked it.", more_url=more if rows else "", wide=True)


@neighbors_of(ClassSession)
def cohorts_of_session(request: HttpRequest, session: ClassSession) -> Card:
    meets = session.cohort_sessions.select_related("cohort__instance__program", "step")
    rows = [
        neighbor(row.cohort, title=f"{row.cohort.instance.program}, {row.cohort}", note=row.step.label)
        for row in meets.order_by("cohort__start_date", "pk")[:20]
    ]
    return Card("Cohorts that meet here", rows)
