"""The steps of a package: the seat that each one takes in a class session and gives back.

Every function except the recount is part of the caller's transaction. One conditional UPDATE per session decides
whether there is a seat, in the order of their keys; then the package is locked and its steps are changed.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.utils.translation import gettext as _

from core.compiled import compiled
from core.rows import insert_rows
from core.statements import fetch_rows, run_statement
from events.publishing import publish

from ..errors import SeatsBelowBookings, StepAlreadyBooked, StepNotBooked
from ..events import StepBooked, StepCancelled, StepEvent
from ..locks import lock_package_row, lock_sessions
from ..models import ClassSession, CohortSession, CourseStep, StepProgress, StudentPackage
from ..states import SEATED, StepStatus

Sessions = dict[int, CohortSession]
"""Step id -> the session meant for it."""
Times = list[tuple[int, ClassSession]]
"""Steps with the sessions in which they are attended."""


@dataclass(frozen=True, slots=True)
class Unbooked:
    """Steps that leave no choice and could not be booked."""

    full: list[int]
    overlapping: list[int]


def open_steps(*, package: StudentPackage, now: dt.datetime) -> tuple[list[StepEvent], Unbooked]:
    """Give a new package, which nobody else sees yet, a row for each step of its course; steps that leave no choice are
    booked at once, unless they overlap each other or the learner's other courses.

    Returns the events to publish, and the steps that leave no choice but have no seat left, or overlap.
    """
    only = only_sessions(offered_sessions(cohort_id=package.cohort_id, now=now))
    fitting = fitting_sessions(only, booked_times(package.learner_id) if only else [])
    full = take_seats(fitting)
    booked = {step: session for step, session in fitting.items() if step not in full}
    rows = []
    for step_id in _steps_of_course.all(package.program_id):
        row = StepProgress(package=package, step_id=step_id)
        if step_id in booked:
            _set_booked(row, booked[step_id], now)
        rows.append(row)
    insert_rows(rows)
    left = Unbooked(full=full, overlapping=sorted(only.keys() - fitting.keys()))
    return [_booked_event(package, row, with_place=True, now=now) for row in rows if row.step_id in booked], left


def book_only_options(*, package: StudentPackage, now: dt.datetime) -> Unbooked:
    """Book the unbooked steps that leave no choice and do not overlap. Returns those that wait."""
    unbooked = {row.step_id: row for row in _progress(package, StepStatus.UNBOOKED)}
    only = only_sessions(offered_sessions(cohort_id=package.cohort_id, now=now))
    only = {step: session for step, session in only.items() if step in unbooked}
    fitting = fitting_sessions(only, booked_times(package.learner_id) if only else [])
    full = take_seats(fitting)
    booked = {step: session for step, session in fitting.items() if step not in full}
    book_steps(package=package, unbooked=unbooked, sessions=booked, now=now, with_place=True)
    return Unbooked(full=full, overlapping=sorted(only.keys() - fitting.keys()))


def close_steps(*, package: StudentPackage, now: dt.datetime) -> None:
    """Close the open steps of a revoked package, giving back its sessions. Package and sessions are locked."""
    free_sessions(package=package, status=StepStatus.CANCELLED, now=now)
    _progress(package, StepStatus.UNBOOKED).update(status=StepStatus.CANCELLED)


def free_sessions(*, package: StudentPackage, status: StepStatus, now: dt.datetime) -> None:
    """Give back, with its place, every session of a package that was not attended yet, leaving its step in `status`.
    Package and sessions are locked.
    """
    rows = list(_progress(package, StepStatus.BOOKED).select_related("class_session"))
    give_back_seats(rows)
    for row in rows:
        free_step(row, status, now=now)
    publish(
        *[
            StepCancelled(
                workspace_id=package.learner.workspace_id,
                occurred_at=now,
                package_id=package.pk,
                step_id=row.step_id,
                class_session_id=row.class_session_id,
                with_place=True,
            )
            for row in rows
        ]
    )


# --- What a cohort offers -------------------------------------------------------------------------------------------


def offered_sessions(*, cohort_id: int, now: dt.datetime) -> list[CohortSession]:
    """Return the cohort's sessions that have not started."""
    return _sessions_after.all(cohort_id, now)


@compiled
def _sessions_after(cohort_id: int, now: dt.datetime) -> QuerySet[CohortSession]:
    offered = CohortSession.objects.filter(cohort=cohort_id, class_session__starts_at__gt=now)
    return offered.select_related("class_session").order_by("class_session_id", "id")


@compiled
def _steps_of_course(program_id: int) -> QuerySet[CourseStep, int]:
    return CourseStep.objects.filter(program=program_id).order_by("order").values_list("pk", flat=True)


def only_sessions(offered: Iterable[CohortSession]) -> Sessions:
    """Return the sessions of steps that leave no choice because only one is offered."""
    by_step: dict[int, list[CohortSession]] = {}
    for session in offered:
        by_step.setdefault(session.step_id, []).append(session)
    return {step: sessions[0] for step, sessions in by_step.items() if len(sessions) == 1}


# --- What overlaps ----------------------------------------------------------------------------------------------------


def times_of(sessions: Mapping[int, CohortSession]) -> Times:
    """Return the times of these steps' sessions."""
    return [(step, session.class_session) for step, session in sessions.items()]


def find_overlap(session: ClassSession, taken: Iterable[tuple[int, ClassSession]]) -> int | None:
    """Return the step of the first session that overlaps."""
    for step, other in taken:
        if session.starts_at < other.ends_at and other.starts_at < session.ends_at:
            return step
    return None


def fitting_sessions(only: Sessions, taken: Iterable[tuple[int, ClassSession]]) -> Sessions:
    """Return the sessions without a choice that can be attended: a step that overlaps waits for a choice."""
    fitting: Sessions = {}
    for step, session in only.items():
        if find_overlap(session.class_session, [*taken, *times_of(fitting)]) is None:
            fitting[step] = session
    return fitting


def booked_times(learner_id: int) -> Times:
    """Return the sessions that a learner has booked, in all their courses."""
    rows = _booked_of.all(learner_id)
    return [(row.step_id, row.class_session) for row in rows if row.class_session is not None]


@compiled
def _booked_of(learner_id: int) -> QuerySet[StepProgress]:
    rows = StepProgress.objects.filter(package__learner=learner_id, status=StepStatus.BOOKED)
    return rows.select_related("class_session").order_by("pk")


# --- Changing seats and steps ---------------------------------------------------------------------------------------

# The two statements behind every booking, as SQL: building them took longer than running them.
_TAKE_SEAT = (
    "UPDATE cohorts_classsession SET booked_count = booked_count + 1 WHERE id = %s AND booked_count < max_students"
)
_BOOK_STEPS = (
    "WITH chosen (id, option_id, session_id) AS (VALUES {chosen}) UPDATE cohorts_stepprogress AS step "
    "SET status = 'BOOKED', option_id = chosen.option_id, class_session_id = chosen.session_id, booked_at = %s, "
    "changed_at = %s, sequence = CASE WHEN last_session_id IS NULL THEN sequence ELSE sequence + 1 END, "
    "last_session_id = NULL "
    "FROM chosen WHERE step.id = chosen.id AND step.status = 'UNBOOKED' RETURNING step_id"
)


def take_seats(sessions: Mapping[int, CohortSession]) -> list[int]:
    """Take a seat in each session, in the order of their keys; returns the steps whose session has none left."""
    in_order = sorted(sessions.items(), key=lambda item: item[1].class_session_id)
    return [step for step, session in in_order if not run_statement(_TAKE_SEAT, [session.class_session_id])]


def give_back_seats(rows: Iterable[StepProgress]) -> None:
    """Give back the seats of these booked steps, in the order of the sessions' keys."""
    give_back_seats_of(row.class_session_id for row in rows if row.class_session_id is not None)


def give_back_seats_of(session_ids: Iterable[int]) -> None:
    """Give back a seat in each of these (locked) sessions, in the order of their keys."""
    for session_id in sorted(session_ids):
        ClassSession.objects.filter(pk=session_id).update(booked_count=F("booked_count") - 1)


def book_steps(
    *,
    package: StudentPackage,
    unbooked: Mapping[int, StepProgress],
    sessions: Mapping[int, CohortSession],
    now: dt.datetime,
    with_place: bool = False,
) -> list[StepProgress]:
    """Book the sessions, whose seats are taken, for their unbooked steps. `with_place`: as part of getting the place.

    Raises StepAlreadyBooked for a step that is no longer unbooked.
    """
    if not sessions:
        return []
    lock_package_row(package.pk)
    rows = [unbooked[step] for step in sessions]
    at = connection.ops.adapt_datetimefield_value(now)
    for row in rows:
        _set_booked(row, sessions[row.step_id], now)
    chosen = [key for row in rows for key in (row.pk, row.option_id, row.class_session_id)]
    sql = _BOOK_STEPS.format(chosen=", ".join(["(%s, %s, %s)"] * len(rows)))
    booked = {step_id for (step_id,) in fetch_rows(sql, [*chosen, at, at])}
    if len(booked) < len(rows):
        raise already_booked(sessions.keys() - booked)
    publish(*[_booked_event(package, row, with_place=with_place, now=now) for row in rows])
    return rows


def free_step(row: StepProgress, status: StepStatus, *, now: dt.datetime) -> None:
    """Free a step on the condition that it still holds its seat: one that was canceled or attended in the meantime is
    refused, not freed twice.
    """
    freed = StepProgress.objects.filter(pk=row.pk, status=StepStatus.BOOKED, class_session=row.class_session_id).update(
        status=status,
        class_session=None,
        option=None,
        booked_at=None,
        last_session=row.class_session_id,
        sequence=F("sequence") + 1,
        changed_at=now,
    )
    if not freed:
        raise StepNotBooked(_("The session was changed in the meantime. Check it again."))
    row.status = status
    row.option = None
    row.booked_at = None


def already_booked(step_ids: Iterable[int]) -> StepAlreadyBooked:
    """Return the refusal to book steps that are not open for booking."""
    return StepAlreadyBooked(
        step_ids=tuple(sorted(step_ids)), detail=_("Cancel or change the session that is booked for this step.")
    )


def step_event(
    kind: type[StepEvent], package: StudentPackage, step_id: int, session_id: int | None, now: dt.datetime
) -> StepEvent:
    """Return an event about a step."""
    return kind(
        workspace_id=package.learner.workspace_id,
        occurred_at=now,
        package_id=package.pk,
        step_id=step_id,
        class_session_id=session_id,
    )


def _booked_event(package: StudentPackage, row: StepProgress, *, with_place: bool, now: dt.datetime) -> StepEvent:
    return StepBooked(
        workspace_id=package.learner.workspace_id,
        occurred_at=now,
        package_id=package.pk,
        step_id=row.step_id,
        class_session_id=row.class_session_id,
        learner=package.learner,
        with_place=with_place,
    )


def _set_booked(row: StepProgress, session: CohortSession, now: dt.datetime) -> None:
    row.status = StepStatus.BOOKED
    row.booked_at = now
    row.changed_at = now
    row.class_session = session.class_session
    row.option_id = session.option_id


def _progress(package: StudentPackage, status: StepStatus) -> QuerySet[StepProgress]:
    return StepProgress.objects.filter(package=package, status=status).order_by("pk")


@transaction.atomic
def recount_bookings(*, session_id: int) -> int:
    """Set a class session's count to the number of learners who hold a seat in it; returns that number.

    Raises SeatsBelowBookings if it has fewer seats than that.
    """
    session = lock_sessions({session_id})[session_id]
    seated = StepProgress.objects.filter(class_session=session_id, status__in=SEATED).count()
    if seated > session.max_students:
        raise SeatsBelowBookings(
            f"Learners who hold one of {session.max_students} seats: {seated}. Add seats to the session, and count "
            "again."
        )
    session.booked_count = seated
    session.save(update_fields=["booked_count"])
    return seated
