"""What staff do at once with the terms of courses: their steps, dates, time zones, and sessions, and who came."""

import datetime as dt
from collections.abc import Iterator

from django.db import transaction

from cohorts.course.curriculum import save_step
from cohorts.course.replanning import change_class_zone, change_cohort_zone, change_dates
from cohorts.course.scheduling import change_class, clone_cohort, reschedule_session, schedule_cohort
from cohorts.learning.attendance import take_attendance, withdraw_excuse
from cohorts.learning.reminders import remind_of_sessions
from cohorts.learning.steps import recount_bookings
from cohorts.models import ClassSession, Cohort, CourseStep, GroupClass, StepProgress
from cohorts.sale.opening import close_cohort, open_cohort, serve_waitlist
from enrollments.tests.factories import STAFF

from ..any_order import pick
from .acting import Acting, Step, timeless

ZONES = ["America/Chicago", "UTC", "Asia/Tokyo"]
COHORTS = Cohort.objects.all()
SESSIONS = ClassSession.objects.all()


def terms(act: Acting) -> Iterator[Step]:
    yield lambda: act.on(COHORTS, timeless(schedule_cohort), "cohort_id")
    yield lambda: _change_dates(act)
    yield lambda: act.on(COHORTS, timeless(change_cohort_zone), "cohort_id", timezone=_zone(act), keep_clock=act.yes())
    yield lambda: act.attempt(
        timeless(clone_cohort),
        cohort_id=pick(COHORTS, act.nth()).pk,
        name=f"Term {act.nth()}",
        start_date=act.cohort.start_date + dt.timedelta(weeks=act.nth()),
    )
    yield lambda: _set_a_deadline(act)
    yield lambda: act.on(COHORTS, open_cohort, "cohort_id")
    yield lambda: act.on(COHORTS, timeless(close_cohort), "cohort_id")


def curriculum(act: Acting) -> Iterator[Step]:
    yield lambda: _edit_a_step(act)
    yield lambda: _change_a_class(act)
    yield lambda: act.on(
        GroupClass.objects.all(), change_class_zone, "group_class_id", timezone=_zone(act), keep_clock=act.yes()
    )
    yield lambda: _move_a_session(act)
    yield lambda: _take_attendance(act)
    yield lambda: act.on(StepProgress.objects.all(), withdraw_excuse, "progress_id")
    yield lambda: act.on(SESSIONS, timeless(recount_bookings), "session_id")
    yield lambda: _remind_of_a_session(act)


def _zone(act: Acting) -> str:
    return act.chance.choice(ZONES)


def _change_dates(act: Acting) -> None:
    """As the button of staff: as at first, weeks later, or over since yesterday."""
    cohort = pick(COHORTS, act.nth())
    weeks = act.nth()
    start = act.cohort.start_date + dt.timedelta(weeks=weeks)
    end = act.cohort.end_date + dt.timedelta(weeks=weeks)
    is_over = act.nth() == 0
    if is_over:
        start = act.now.date() - dt.timedelta(days=30)
        end = act.now.date() - dt.timedelta(days=2)

    @transaction.atomic
    def change_dates_and_serve(*, now: dt.datetime) -> None:
        moves = not is_over and act.yes()
        change_dates(
            cohort_id=cohort.pk, start_date=start, end_date=end, move_sessions=moves, move_deadline=moves, now=now
        )
        serve_waitlist(cohort_id=cohort.pk, now=now)

    act.attempt(change_dates_and_serve)


def _set_a_deadline(act: Acting) -> None:
    """As the form of staff."""
    cohort = pick(COHORTS, act.nth())
    cohort.enrollment_deadline = act.now + dt.timedelta(days=act.chance.choice([-1, 7, 7]))

    @transaction.atomic
    def set_a_deadline(*, now: dt.datetime) -> None:
        cohort.save(update_fields=["enrollment_deadline"])
        serve_waitlist(cohort_id=cohort.pk, now=now)

    act.attempt(set_a_deadline)


def _edit_a_step(act: Acting) -> None:
    step = pick(CourseStep.objects.all(), act.nth())
    step.required = act.yes()
    act.attempt(save_step, step=step, actor=STAFF)


def _change_a_class(act: Acting) -> None:
    group_class = pick(GroupClass.objects.all(), act.nth())
    group_class.day_of_week = act.chance.randrange(7)
    group_class.meeting_url = f"https://meet.test/{act.nth()}"
    act.attempt(change_class, group_class=group_class, fields=["day_of_week", "meeting_url"])


def _move_a_session(act: Acting) -> None:
    session = pick(SESSIONS, act.nth())
    act.attempt(
        reschedule_session,
        session_id=session.pk,
        date=session.date + dt.timedelta(days=act.chance.choice([-7, 1, 7])),
        start_time=dt.time(17),
        end_time=dt.time(18),
        max_students=act.chance.randrange(1, 4),
    )


def _take_attendance(act: Acting) -> None:
    session = pick(SESSIONS.filter(booked_count__gt=0), act.nth())
    came = [pk for pk in session.bookings.values_list("pk", flat=True) if act.yes()]
    act.attempt(take_attendance, session_id=session.pk, came=came, actor=STAFF)


def _remind_of_a_session(act: Acting) -> None:
    session = pick(SESSIONS.filter(booked_count__gt=0), act.nth())

    def remind_an_hour_before(*, now: dt.datetime) -> None:
        remind_of_sessions(now=session.starts_at - dt.timedelta(hours=1))

    act.attempt(remind_an_hour_before)
