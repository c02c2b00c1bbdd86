"""When a cohort's steps meet, derived from its dates and its classes' weekly times.

A session keeps the times it was given. Later edits move no existing session: a class that changes its day, its times,
or its time zone does so for sessions scheduled from then on, unless staff decide otherwise (`replanning.py`).
"""

import datetime as dt
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet

from core.database_errors import violates
from core.errors import Invalid, invalid_field
from core.local_time import check_date, clock_duration, meeting_on, to_instant, wall_clock
from enrollments.models import ProgramInstance
from events.publishing import publish

from ..errors import SeatsBelowBookings, TermTooShort
from ..events import MeetingPageChanged, SessionRescheduled
from ..locks import lock_classes, lock_cohort, lock_sessions
from ..models import ClassSession, Cohort, CohortSession, CourseStepOption, GroupClass, StepProgress
from ..states import StepStatus


def meeting_date(
    *, group_class: GroupClass, cohort: Cohort, step_order: int, days_off: Collection[dt.date] = ()
) -> dt.date:
    """Return the day on which a class meets in the step's week: step n meets in the nth seven days from the cohort's
    start, not counting those with a day off.

    Raises TermTooShort if that is after the cohort's end.
    """
    week = teaching_week(start_date=cohort.start_date, step_order=step_order, days_off=days_off)
    day = planned_date(group_class=group_class, start_date=cohort.start_date, step_order=week)
    if day > cohort.end_date:
        raise TermTooShort(
            f"Step {step_order} would meet on {day}, but {cohort.name} ends on {cohort.end_date}: end it later."
        )
    return day


def teaching_week(*, start_date: dt.date, step_order: int, days_off: Collection[dt.date]) -> int:
    """Return which seven days from the start, counted from 1, are the step's; each week with a day off adds one."""
    off = {(day - start_date).days // 7 + 1 for day in days_off if day >= start_date}
    week = 0
    for _ in range(step_order):
        week += 1
        while week in off:
            week += 1
    return week


def planned_date(*, group_class: GroupClass, start_date: dt.date, step_order: int) -> dt.date:
    """Return the same for a cohort that starts on a given day, however long it runs."""
    week_start = start_date + dt.timedelta(weeks=step_order - 1)
    # Python counts Monday as 0, the course documents count Sunday as 0.
    ahead = (group_class.day_of_week - (week_start.weekday() + 1)) % 7
    return week_start + dt.timedelta(days=ahead)


def meeting_times(*, group_class: GroupClass, day: dt.date) -> tuple[dt.datetime, dt.datetime]:
    """Return start and end of the class on a day as moments: its wall-clock time in its own zone, summer and winter."""
    meeting = meeting_on(date=day, start=group_class.start_time, end=group_class.end_time, zone=group_class.timezone)
    return meeting.starts_at, meeting.ends_at


def clock_notes(rows: Iterable[CohortSession], *, days_off: Collection[dt.date] = ()) -> list[str]:
    """Return notes for staff about new sessions at a time that the local clock skips or shows twice."""
    return notes_about(
        Meeting(
            row.option,
            meeting_date(
                group_class=row.option.group_class, cohort=row.cohort, step_order=row.step.order, days_off=days_off
            ),
        )
        for row in rows
    )


@dataclass(frozen=True, slots=True)
class Meeting:
    """A session of a cohort: a step's class on the day that follows from the cohort's dates."""

    option: CourseStepOption
    day: dt.date


def notes_about(meetings: Iterable[Meeting]) -> list[str]:
    """Return a note about each meeting at a time that the local clock skips or shows twice."""
    notes = []
    for meeting in meetings:
        group_class = meeting.option.group_class
        note = to_instant(date=meeting.day, time=group_class.start_time, zone=group_class.timezone).note
        if note:
            notes.append(f"{meeting.option.step.label}, {group_class}: {note}")
    return notes


def find_or_create_session(*, group_class: GroupClass, day: dt.date) -> ClassSession:
    """Return the meeting of a (locked) class on a day; cohorts that meet there share it and its seats."""
    starts_at, ends_at = meeting_times(group_class=group_class, day=day)
    session, _ = ClassSession.objects.get_or_create(
        group_class=group_class,
        date=wall_clock(starts_at, group_class.timezone).date(),
        defaults={"starts_at": starts_at, "ends_at": ends_at, "max_students": group_class.max_students},
    )
    return session


def plan_meetings(
    cohort: Cohort, options: QuerySet[CourseStepOption], *, days_off: Collection[dt.date] = ()
) -> list[Meeting]:
    """List a meeting for each of these options, in the order of the steps. The cohort may be unsaved.

    Raises TermTooShort.
    """
    return [
        Meeting(
            option,
            meeting_date(
                group_class=option.group_class, cohort=cohort, step_order=option.step.order, days_off=days_off
            ),
        )
        for option in options.select_related("step", "group_class").order_by("step__order", "pk")
    ]


def unscheduled_options(cohort: Cohort) -> QuerySet[CourseStepOption]:
    """Return the classes of the course's steps for which the cohort has no session yet."""
    scheduled = CohortSession.objects.filter(cohort=cohort).values("option")
    return CourseStepOption.objects.filter(step__program=cohort.instance.program_id).exclude(pk__in=scheduled)


@transaction.atomic
def schedule_cohort(*, cohort_id: int, days_off: Collection[dt.date] = ()) -> list[CohortSession]:
    """Give the cohort a session for each option of each step that has none yet; existing ones stay as they were edited.
    No step meets in a week with a day off: it and the later ones meet a week later.

    Raises TermTooShort, and Invalid for dates that no clock has.
    """
    cohort = lock_cohort(cohort_id)
    lock_classes(unscheduled_options(cohort).values_list("group_class", flat=True))
    return CohortSession.objects.bulk_create(
        CohortSession(
            cohort=cohort,
            step=meeting.option.step,
            option=meeting.option,
            class_session=find_or_create_session(group_class=meeting.option.group_class, day=meeting.day),
        )
        for meeting in plan_meetings(cohort, unscheduled_options(cohort), days_off=days_off)
    )


# --- Changing a session -----------------------------------------------------------------------------------------------


@transaction.atomic
def reschedule_session(
    *,
    session_id: int,
    date: dt.date,
    start_time: dt.time,
    end_time: dt.time,
    max_students: int,
    now: dt.datetime,
) -> ClassSession:
    """Move one meeting of a class, for every cohort that meets there, and change its seats. Times are wall-clock times
    in the class's zone, to the minute; values equal to those shown change nothing. Bookings stay.

    Raises Invalid for times out of order and for a day on which the class already meets, SeatsBelowBookings.
    """
    lock_classes(ClassSession.objects.filter(pk=session_id).values_list("group_class", flat=True))
    session = lock_sessions({session_id})[session_id]
    starts_at, ends_at = times_asked(session, date, start_time, end_time)
    if (starts_at, ends_at) != (session.starts_at, session.ends_at):
        move_session(session=session, starts_at=starts_at, ends_at=ends_at, now=now)
    fits = ClassSession.objects.filter(pk=session_id, booked_count__lte=max_students)
    if not fits.update(max_students=max_students):
        raise _below_bookings(session)
    return ClassSession.objects.select_related("group_class").get(pk=session_id)


def check_seats(session: ClassSession, seats: int) -> None:
    """Raise SeatsBelowBookings if more seats are booked, as far as this row knows."""
    if seats < session.booked_count:
        raise _below_bookings(session)


def _below_bookings(session: ClassSession) -> SeatsBelowBookings:
    return SeatsBelowBookings(f"Seats booked: {session.booked_count}. There can't be fewer.")


def times_asked(session: ClassSession, date: dt.date, start: dt.time, end: dt.time) -> tuple[dt.datetime, dt.datetime]:
    """Return the requested times, recalculating only those that were changed. Raises Invalid for times out of order."""
    zone = session.group_class.timezone
    begins, ends = (_to_the_minute(wall_clock(at, zone)) for at in (session.starts_at, session.ends_at))
    start = start.replace(second=0, microsecond=0)
    end = end.replace(second=0, microsecond=0)
    if (start, end) == (begins.time(), ends.time()):
        length = session.ends_at - session.starts_at
    elif end <= start:
        raise invalid_field("end_time", "out_of_order", "A session ends after it starts.")
    else:
        length = clock_duration(start, end)
    if (date, start) == (begins.date(), begins.time()):
        return session.starts_at, session.starts_at + length
    starts_at = to_instant(date=date, time=start, zone=zone).at
    return starts_at, starts_at + length


def _to_the_minute(shown: dt.datetime) -> dt.datetime:
    return shown.replace(second=0, microsecond=0)


def move_session(
    *, session: ClassSession, starts_at: dt.datetime, ends_at: dt.datetime, now: dt.datetime, with_term: bool = False
) -> None:
    """Move a locked session of a locked class, and notify learners with bookings unless it is over both before and
    after. `with_term`: as part of a change of the cohort's dates, which is announced in one mail.

    Raises Invalid for a day on which its class already meets.
    """
    is_told = is_worth_telling(session, ends_at, now)
    session.starts_at = starts_at
    session.ends_at = ends_at
    session.date = refuse_taken_day(session)
    ClassSession.objects.filter(pk=session.pk).update(date=session.date, starts_at=starts_at, ends_at=ends_at)
    if is_told:
        note_change({session.pk}, now=now)
        publish(
            SessionRescheduled(
                workspace_id=session.group_class.workspace_id,
                occurred_at=now,
                class_session_id=session.pk,
                starts_at=starts_at,
                ends_at=ends_at,
                with_term=with_term,
            )
        )


def refuse_taken_day(session: ClassSession) -> dt.date:
    """Return the local date of a session in its class's zone. Raises Invalid if the class already meets then."""
    day = wall_clock(session.starts_at, session.group_class.timezone).date()
    same_day = ClassSession.objects.filter(group_class=session.group_class_id, date=day).exclude(pk=session.pk)
    if same_day.exists():
        raise invalid_field("date", "taken", f"{session.group_class} already meets on {day}.")
    return day


def is_worth_telling(session: ClassSession, ends_at: dt.datetime, now: dt.datetime) -> bool:
    """Return whether a new end time is worth a notification, which it is unless it is over both before and after."""
    return max(ends_at, session.ends_at) > now


def note_change(session_ids: Iterable[int], *, now: dt.datetime) -> None:
    """Count a change of these locked sessions for every booking of them, for calendars and mails."""
    booked = StepProgress.objects.filter(class_session__in=session_ids, status=StepStatus.BOOKED)
    booked.update(sequence=F("sequence") + 1, changed_at=now)


@transaction.atomic
def change_class(*, group_class: GroupClass, fields: Iterable[str], now: dt.datetime) -> GroupClass:
    """Save these fields of a class. Scheduled sessions keep their times and seats; learners with a booked future
    session are told about a new meeting page.
    """
    lock_classes([group_class.pk])
    coming = ClassSession.objects.filter(group_class=group_class.pk, ends_at__gt=now)
    sessions = lock_sessions(set(coming.values_list("pk", flat=True)))
    known = GroupClass.objects.values_list("meeting_url", flat=True).get(pk=group_class.pk)
    group_class.save(update_fields=set(fields))
    if "meeting_url" in fields and known != group_class.meeting_url:
        note_change(sessions, now=now)
        publish(
            MeetingPageChanged(workspace_id=group_class.workspace_id, occurred_at=now, group_class_id=group_class.pk)
        )
    return group_class


# --- Another term -----------------------------------------------------------------------------------------------------


@transaction.atomic
def create_cohort(
    *,
    instance: ProgramInstance,
    name: str,
    start_date: dt.date,
    end_date: dt.date,
    timezone: str,
    places: int,
    deadline: dt.datetime | None,
    location: str = "",
    days_off: Collection[dt.date] = (),
) -> Cohort:
    """Create a cohort with its sessions, inactive until staff have looked at it.

    Raises TermTooShort, and Invalid for a name that its instance already has and for dates out of range or order.
    """
    cohort = draft_cohort(
        instance=instance,
        name=name,
        start_date=start_date,
        end_date=end_date,
        timezone=timezone,
        places=places,
        deadline=deadline,
        location=location,
    )
    _save_new(cohort)
    schedule_cohort(cohort_id=cohort.pk, days_off=days_off)
    return cohort


def draft_cohort(
    *,
    instance: ProgramInstance,
    name: str,
    start_date: dt.date,
    end_date: dt.date,
    timezone: str,
    places: int,
    deadline: dt.datetime | None,
    location: str = "",
) -> Cohort:
    """Return an unsaved, closed cohort. Raises Invalid as `create_cohort` does."""
    check_date(start_date, "start_date")
    check_date(end_date, "end_date")
    if end_date < start_date:
        raise invalid_field("end_date", "out_of_order", "A cohort ends on or after the day it starts.")
    if Cohort.objects.filter(instance=instance, name=name).exists():
        raise _taken(instance)
    return Cohort(
        instance=instance,
        name=name,
        start_date=start_date,
        end_date=end_date,
        timezone=timezone,
        location=location,
        max_enrollment=places,
        enrollment_deadline=deadline,
        is_active=False,
    )


def _save_new(cohort: Cohort) -> None:
    """Save a drafted cohort. Raises Invalid if another got its name a moment ago."""
    try:
        with transaction.atomic():
            cohort.save(force_insert=True)
    except IntegrityError as error:
        if not violates(error, "cohort_name_unique"):
            raise
        raise _taken(cohort.instance) from error


def _taken(instance: ProgramInstance) -> Invalid:
    return invalid_field("name", "taken", f"{instance} already has a cohort of this name.")


@transaction.atomic
def clone_cohort(*, cohort_id: int, name: str, start_date: dt.date, instance: ProgramInstance | None = None) -> Cohort:
    """Create the same cohort in another term: same length, time zone, and capacity, with its deadline equally long
    before the start, inactive until staff have looked at it.

    Raises TermTooShort, and Invalid for a name that its instance already has and for dates out of range.
    """
    model = lock_cohort(cohort_id)
    cohort = draft_clone(model, name=name, start_date=start_date, instance=instance)
    _save_new(cohort)
    schedule_cohort(cohort_id=cohort.pk)
    return cohort


def draft_clone(model: Cohort, *, name: str, start_date: dt.date, instance: ProgramInstance | None = None) -> Cohort:
    """Return an unsaved clone of a cohort. Raises Invalid as `clone_cohort` does."""
    check_date(start_date, "start_date")
    shift = start_date - model.start_date
    check_date(model.end_date + shift, "start_date")
    return draft_cohort(
        instance=instance or model.instance,
        name=name,
        start_date=start_date,
        end_date=model.end_date + shift,
        timezone=model.timezone,
        location=model.location,
        places=model.max_enrollment,
        deadline=shifted_deadline(model, shift),
    )


def shifted_deadline(cohort: Cohort, shift: dt.timedelta) -> dt.datetime | None:
    """Return the deadline moved by whole days in the cohort's zone: 23:59 stays 23:59 across daylight saving time.

    Raises Invalid, naming `start_date`, if that is out of range.
    """
    if cohort.enrollment_deadline is None:
        return None
    local = wall_clock(cohort.enrollment_deadline, cohort.timezone) + shift
    check_date(local.date(), "start_date")
    return to_instant(date=local.date(), time=local.time(), zone=cohort.timezone).at
