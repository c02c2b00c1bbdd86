"""Dates: when a cohort's steps meet, derived from its dates and its classes' weekly times."""

import datetime as dt
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import QuerySet

from enrollment_project.core.clock import utc_now
from enrollment_project.core.errors import invalid_field
from enrollments.models import ProgramInstance
from events.publishing import publish

from .errors import SeatsBelowBookings, TermTooShort
from .events import SessionRescheduled
from .locks import lock_cohort, lock_sessions
from .models import ClassSession, Cohort, CohortSession, CourseStepOption, GroupClass


def meeting_date(*, group_class: GroupClass, cohort: Cohort, step_order: int) -> dt.date:
    """The day a class meets in the step's week: step n meets in the n-th seven days from the cohort's start.

    Raises TermTooShort if that is after the cohort's end.
    """
    week_start = cohort.start_date + dt.timedelta(weeks=step_order - 1)
    # Python counts Monday as 0, the course documents Sunday.
    ahead = (group_class.day_of_week - (week_start.weekday() + 1)) % 7
    day = week_start + dt.timedelta(days=ahead)
    if day > cohort.end_date:
        raise TermTooShort(
            f"Step {step_order} would meet on {day}, but {cohort.name} ends on {cohort.end_date}: end it later."
        )
    return day


def meeting_times(*, group_class: GroupClass, day: dt.date) -> tuple[dt.datetime, dt.datetime]:
    """Start and end of the class on a day, as moments: its wall-clock time in its own zone, summer and winter."""
    return _moments(group_class, day, group_class.start_time, group_class.end_time)


def _moments(group_class: GroupClass, day: dt.date, start: dt.time, end: dt.time) -> tuple[dt.datetime, dt.datetime]:
    zone = ZoneInfo(group_class.timezone)
    return (
        dt.datetime.combine(day, start, zone).astimezone(dt.UTC),
        dt.datetime.combine(day, end, zone).astimezone(dt.UTC),
    )


def find_or_create_session(*, group_class: GroupClass, day: dt.date) -> ClassSession:
    """The meeting of a class on a day; cohorts that meet there share it and its seats."""
    starts_at, ends_at = meeting_times(group_class=group_class, day=day)
    session, _ = ClassSession.objects.get_or_create(
        group_class=group_class,
        date=day,
        defaults={"starts_at": starts_at, "ends_at": ends_at, "max_students": group_class.max_students},
    )
    return session


def unscheduled_options(cohort: Cohort) -> QuerySet[CourseStepOption]:
    """The classes of the course's steps that the cohort has no session for yet."""
    scheduled = CohortSession.objects.filter(cohort=cohort).values("option")
    return CourseStepOption.objects.filter(step__program=cohort.instance.program_id).exclude(pk__in=scheduled)


@transaction.atomic
def schedule_cohort(*, cohort_id: int) -> list[CohortSession]:
    """Give the cohort a session for each option of each step that has none yet; what is there stays as it was edited.

    Raises TermTooShort.
    """
    cohort = lock_cohort(cohort_id)
    rows = []
    for option in unscheduled_options(cohort).select_related("step", "group_class").order_by("step__order", "pk"):
        day = meeting_date(group_class=option.group_class, cohort=cohort, step_order=option.step.order)
        session = find_or_create_session(group_class=option.group_class, day=day)
        rows.append(CohortSession(cohort=cohort, step=option.step, option=option, class_session=session))
    return CohortSession.objects.bulk_create(rows)


@transaction.atomic
def reschedule_session(
    *,
    session_id: int,
    date: dt.date,
    start_time: dt.time,
    end_time: dt.time,
    max_students: int,
    now: dt.datetime | None = None,
) -> ClassSession:
    """Move one meeting of a class, for every cohort that meets there, and change its seats. Times are wall-clock times
    in the class's zone; bookings stay.

    Raises Invalid for times out of order and for a day on which the class meets already, SeatsBelowBookings.
    """
    session = lock_sessions({session_id})[session_id]
    if end_time <= start_time:
        raise invalid_field("end_time", "out_of_order", "A session ends after it starts.")
    if ClassSession.objects.filter(group_class=session.group_class_id, date=date).exclude(pk=session_id).exists():
        raise invalid_field("date", "taken", f"{session.group_class} meets on {date} already.")
    starts_at, ends_at = _moments(session.group_class, date, start_time, end_time)
    fits = ClassSession.objects.filter(pk=session_id, booked_count__lte=max_students)
    if not fits.update(date=date, starts_at=starts_at, ends_at=ends_at, max_students=max_students):
        raise SeatsBelowBookings(f"{session.booked_count} seats are booked; there can't be fewer.")
    if (starts_at, ends_at) != (session.starts_at, session.ends_at):
        moved = SessionRescheduled(session.group_class.workspace_id, session_id, starts_at, ends_at)
        publish(moved, now=now or utc_now())
    return ClassSession.objects.select_related("group_class").get(pk=session_id)


@transaction.atomic
def clone_cohort(*, cohort_id: int, name: str, start_date: dt.date, instance: ProgramInstance | None = None) -> Cohort:
    """The same cohort in another term: same length, zone and capacity, its deadline as far before the start, not active
    until somebody looked at it. Raises TermTooShort, and Invalid for a name that its instance has already."""
    model = lock_cohort(cohort_id)
    if Cohort.objects.filter(instance=instance or model.instance, name=name).exists():
        raise invalid_field("name", "taken", f"{instance or model.instance} has a cohort of this name already.")
    shift = start_date - model.start_date
    clone = Cohort.objects.create(
        instance=instance or model.instance,
        name=name,
        start_date=start_date,
        end_date=model.end_date + shift,
        timezone=model.timezone,
        max_enrollment=model.max_enrollment,
        enrollment_deadline=_shifted(model, shift),
        is_active=False,
    )
    schedule_cohort(cohort_id=clone.pk)
    return clone


def _shifted(cohort: Cohort, shift: dt.timedelta) -> dt.datetime | None:
    """The deadline moved by whole days in the cohort's own zone: 23:59 stays 23:59 across daylight saving."""
    if cohort.enrollment_deadline is None:
        return None
    local = cohort.enrollment_deadline.astimezone(ZoneInfo(cohort.timezone))
    return dt.datetime.combine(local.date() + shift, local.time(), ZoneInfo(cohort.timezone)).astimezone(dt.UTC)
