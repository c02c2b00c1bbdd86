"""What staff, families, and sweeps do at once with courses: places, waiting lists, bookings, and what is taught."""

import datetime as dt
from collections.abc import Iterator
from contextlib import suppress

from django.db import IntegrityError

from cohorts.course.curriculum import add_step, remove_step
from cohorts.course.scheduling import reschedule_session
from cohorts.learning.attendance import excuse_step, mark_attended, mark_missed
from cohorts.learning.booking import swap_booking
from cohorts.learning.completion import complete_due_courses
from cohorts.learning.stranded import report_stranded_steps
from cohorts.models import ClassSession, CohortPlace, CourseStep, CourseStepOption, StepProgress, WaitlistEntry
from cohorts.sale.opening import change_capacity, serve_waiting_lines, serve_waitlist
from cohorts.sale.places import recount_places
from cohorts.sale.transfer import Stranded, move_package
from cohorts.sale.waitlist import (
    end_lines_of_owners,
    end_lines_of_past_cohorts,
    end_overdue_hold,
    expire_due_offers,
    join_waitlist,
    leave_waitlist,
    reorder_entry,
)
from enrollments.tests.factories import STAFF

from ..any_order import BOOKED, PACKAGES, pick
from .acting import Acting, Step, timeless
from .enrolling import ASKED


def places(act: Acting) -> Iterator[Step]:
    yield lambda: act.on(
        PACKAGES, move_package, "package_id", cohort_id=act.term().pk, stranded=Stranded.EXCUSE, excuse="Moved"
    )
    yield lambda: act.attempt(join_waitlist, learner_id=act.student().pk, cohort_id=act.term().pk)
    yield lambda: act.attempt(leave_waitlist, learner_id=act.student().pk, cohort_id=act.term().pk)
    yield lambda: act.attempt(end_lines_of_owners)
    yield lambda: act.attempt(serve_waitlist, cohort_id=act.term().pk)
    yield lambda: act.attempt(expire_due_offers)
    yield lambda: act.attempt(change_capacity, cohort_id=act.term().pk, max_enrollment=1 + act.nth())
    yield lambda: act.attempt(timeless(recount_places), cohort_id=act.term().pk)
    yield lambda: act.on(CohortPlace.objects.held(), end_overdue_hold, "place_id")
    yield lambda: act.on(
        WaitlistEntry.objects.waiting(),
        timeless(reorder_entry),
        "entry_id",
        position=1 + act.nth(),
        reason="Asked to",
    )
    yield lambda: act.attempt(serve_waiting_lines)
    yield lambda: act.attempt(end_lines_of_past_cohorts)


def classes(act: Acting) -> Iterator[Step]:
    progress = StepProgress.objects.all()
    yield lambda: act.cancel_a_booking(act.nth())
    yield lambda: _swap_a_booking(act)
    yield lambda: act.on(progress, excuse_step, "progress_id", **ASKED)
    yield lambda: act.on(progress, mark_attended, "progress_id", actor=STAFF)
    yield lambda: act.on(progress, mark_missed, "progress_id", actor=STAFF)
    yield lambda: act.attempt(complete_due_courses)
    yield lambda: act.attempt(report_stranded_steps)
    yield lambda: _add_a_step(act)
    yield lambda: act.on(CourseStep.objects.filter(title="More"), remove_step, "step_id", actor=STAFF)
    yield lambda: _reschedule_a_session(act)


def _swap_a_booking(act: Acting) -> None:
    row = pick(BOOKED, act.nth())
    option = pick(CourseStepOption.objects.filter(step=row.step_id), act.nth())
    act.attempt(swap_booking, package_id=row.package_id, step_id=row.step_id, option_id=option.pk)


def _add_a_step(act: Acting) -> None:
    program = act.cohort.instance.program
    orders = set(CourseStep.objects.filter(program=program).values_list("order", flat=True))
    free = min(set(range(1, 5)) - orders, default=None)

    def add_a_step(*, now: dt.datetime) -> None:
        with suppress(IntegrityError):  # its place in the course is this test's choice, and another took it
            add_step(step=CourseStep(program=program, order=free, label=f"Week {free}", title="More"))

    if free is not None:
        act.attempt(add_a_step)


def _reschedule_a_session(act: Acting) -> None:
    session = pick(ClassSession.objects.all(), act.nth())
    start = act.chance.randrange(8, 18)
    act.attempt(
        reschedule_session,
        session_id=session.pk,
        date=session.starts_at.date(),
        start_time=dt.time(start),
        end_time=dt.time(start + 1),
        max_students=act.chance.randrange(1, 4),
    )
