"""Booking sessions: a seat in a class meeting for a step of a package.

One conditional UPDATE a meeting decides, in the order of their keys; then the package is locked and its steps changed.
All of a request happens or none of it.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet

from enrollment_project.core.clock import utc_now
from events.publishing import publish

from .errors import (
    PackageNotFound,
    SessionFull,
    StepAlreadyBooked,
    StepNotBooked,
    TimeConflict,
    TooLateToChange,
    bad_selection,
)
from .events import StepBooked, StepCancelled, StepEvent
from .locks import lock_package, lock_sessions
from .models import ClassSession, CohortSession, StepProgress, StudentPackage
from .states import StepStatus


@dataclass(frozen=True, slots=True)
class Selection:
    """What a learner chose for one step."""

    step_id: int
    option_id: int


@dataclass(frozen=True, slots=True)
class Booked:
    """Steps booked because they left no choice, steps booked as chosen, and the rows of both."""

    auto_booked: list[int]
    manual_selections: list[int]
    booked: list[StepProgress]


@transaction.atomic
def book_sessions(*, package_id: int, selections: Sequence[Selection], now: dt.datetime | None = None) -> Booked:
    """Book the chosen sessions, and those of unbooked steps that leave no choice.

    Raises PackageNotFound (also for a revoked one), Invalid naming the selection that is not an option of its step in
    this cohort, StepAlreadyBooked, SessionFull, TimeConflict; then nothing was booked.
    """
    moment = now or utc_now()
    package = _get_live(package_id)
    chosen = _chosen_sessions(package, selections, moment)
    only = {step: session for step, session in _only_sessions(package, moment).items() if step not in chosen}
    unbooked = set(_progress(package, StepStatus.UNBOOKED).values_list("step_id", flat=True))
    # One that is full must not keep the learner from what they chose: it waits until staff add a seat.
    only = {step: only[step] for step in unbooked & only.keys() if only[step].class_session.seats_left > 0}
    _refuse_booked(set(chosen) - unbooked)
    _refuse_conflicts(package, chosen)
    rows = _book(package, {**only, **chosen}, moment)
    return Booked(auto_booked=sorted(only), manual_selections=sorted(chosen), booked=rows)


def book_only_options(*, package: StudentPackage, now: dt.datetime) -> list[StepProgress]:
    """Book the steps that leave no choice, inside the caller's transaction. Raises SessionFull, booking nothing."""
    with transaction.atomic():
        return _book(package, _only_sessions(package, now), now)


@transaction.atomic
def cancel_booking(
    *, package_id: int, step_id: int, now: dt.datetime | None = None, by_staff: bool = False
) -> StepProgress:
    """Give a booked session back, until BOOKING_CHANGE_HOURS before it starts (staff: any time before it is marked).

    Raises PackageNotFound, StepNotBooked, TooLateToChange.
    """
    moment = now or utc_now()
    package = _get_live(package_id)
    row = _booked_row(package, step_id)
    assert row.class_session is not None
    if not by_staff:
        _refuse_late(row.class_session, moment)
    _give_back_seats([row])
    package = lock_package(package.pk)
    _free_step(row, StepStatus.UNBOOKED)
    publish(_step_event(StepCancelled, package, row.step_id, row.class_session.pk), now=moment)
    row.class_session = None
    return row


@transaction.atomic
def swap_booking(
    *, package_id: int, step_id: int, option_id: int, now: dt.datetime | None = None, by_staff: bool = False
) -> StepProgress:
    """Change a booked session for another of the same step; the old seat is only given up if the new one is had.

    Raises what cancel_booking and book_sessions raise.
    """
    moment = now or utc_now()
    package = _get_live(package_id)
    row = _booked_row(package, step_id)
    assert row.class_session is not None
    if not by_staff:
        _refuse_late(row.class_session, moment)
    chosen = _chosen_sessions(package, [Selection(step_id, option_id)], moment)
    # Both in the order of their keys: two learners who change into each other's sessions wait, they do not deadlock.
    lock_sessions({row.class_session.pk, chosen[step_id].class_session_id})
    _give_back_seats([row])
    lock_package(package.pk)
    _free_step(row, StepStatus.UNBOOKED)
    publish(_step_event(StepCancelled, package, step_id, row.class_session.pk), now=moment)
    _refuse_conflicts(package, chosen)
    return _book(package, chosen, moment)[0]


def close_steps(*, package: StudentPackage, now: dt.datetime) -> None:
    """Close the open steps of a package that is revoked, giving back its sessions. Package and sessions are locked."""
    free_sessions(package=package, status=StepStatus.CANCELLED, now=now)
    _progress(package, StepStatus.UNBOOKED).update(status=StepStatus.CANCELLED)


def free_sessions(*, package: StudentPackage, status: StepStatus, now: dt.datetime) -> None:
    """Give back every session that has not been attended yet, leaving its step in `status`. Package and sessions are
    locked."""
    rows = list(_progress(package, StepStatus.BOOKED).select_related("class_session"))
    _give_back_seats(rows)
    for row in rows:
        _free_step(row, status)
    events = [_step_event(StepCancelled, package, row.step_id, row.class_session_id) for row in rows]
    if events:
        publish(*events, now=now)


# --- What is there to choose ----------------------------------------------------------------------------------------


def _get_live(package_id: int) -> StudentPackage:
    package = StudentPackage.objects.select_related("learner").filter(pk=package_id, revoked_at__isnull=True).first()
    if package is None:
        raise PackageNotFound
    return package


def _progress(package: StudentPackage, status: StepStatus) -> QuerySet[StepProgress]:
    return StepProgress.objects.filter(package=package, status=status)


def _offered(package: StudentPackage, now: dt.datetime) -> list[CohortSession]:
    """The cohort's sessions that have not started."""
    offered = CohortSession.objects.filter(cohort=package.cohort_id, class_session__starts_at__gt=now)
    return list(offered.select_related("class_session", "step"))


def _only_sessions(package: StudentPackage, now: dt.datetime) -> dict[int, CohortSession]:
    """Step id -> session, for the steps whose cohort offers exactly one."""
    by_step: dict[int, list[CohortSession]] = {}
    for session in _offered(package, now):
        by_step.setdefault(session.step_id, []).append(session)
    return {step: sessions[0] for step, sessions in by_step.items() if len(sessions) == 1}


def _chosen_sessions(
    package: StudentPackage, selections: Sequence[Selection], now: dt.datetime
) -> dict[int, CohortSession]:
    offered = {(session.step_id, session.option_id): session for session in _offered(package, now)}
    chosen: dict[int, CohortSession] = {}
    for position, selection in enumerate(selections):
        session = offered.get((selection.step_id, selection.option_id))
        if session is None:
            raise bad_selection(position, "This is not a coming session of this step in the learner's cohort.")
        if selection.step_id in chosen:
            raise bad_selection(position, "This step was chosen twice.")
        chosen[selection.step_id] = session
    return chosen


# --- Refusals -------------------------------------------------------------------------------------------------------


def _refuse_booked(step_ids: set[int]) -> None:
    if step_ids:
        raise StepAlreadyBooked(
            step_ids=tuple(sorted(step_ids)), detail="Cancel or change the session that is booked for this step."
        )


def _refuse_conflicts(package: StudentPackage, chosen: dict[int, CohortSession]) -> None:
    """Two sessions at once can't both be attended: not among the chosen, nor with what the learner has booked."""
    taken = [
        (row.step_id, row.class_session)
        for row in StepProgress.objects.filter(
            package__learner=package.learner_id, status=StepStatus.BOOKED
        ).select_related("class_session")
        if row.class_session is not None
    ]
    for step, session in chosen.items():
        for other_step, other in taken:
            if session.class_session.starts_at < other.ends_at and other.starts_at < session.class_session.ends_at:
                raise TimeConflict(
                    step_ids=(other_step, step), detail="Choose sessions that do not overlap; these two do."
                )
        taken.append((step, session.class_session))


def _refuse_late(session: ClassSession, now: dt.datetime) -> None:
    if session.starts_at - now < dt.timedelta(hours=settings.BOOKING_CHANGE_HOURS):
        raise TooLateToChange(f"Sessions can be changed until {settings.BOOKING_CHANGE_HOURS} hours before they start.")


def _booked_row(package: StudentPackage, step_id: int) -> StepProgress:
    # By `step__pk`: asked by `step`, SQLite raises on an id of more than 64 bits instead of finding nothing.
    row = _progress(package, StepStatus.BOOKED).select_related("class_session").filter(step__pk=step_id).first()
    if row is None:
        raise StepNotBooked("There is no booked session to give back for this step.")
    return row


# --- Changing seats and steps ---------------------------------------------------------------------------------------


def _book(package: StudentPackage, sessions: dict[int, CohortSession], now: dt.datetime) -> list[StepProgress]:
    """Take a seat in each session, in the order of their keys, then book the steps."""
    full: list[int] = []
    for step, session in sorted(sessions.items(), key=lambda item: item[1].class_session_id):
        free = ClassSession.objects.filter(pk=session.class_session_id, booked_count__lt=F("max_students"))
        if not free.update(booked_count=F("booked_count") + 1):
            full.append(step)
    if full:
        raise SessionFull(step_ids=tuple(full), detail="A chosen session just filled up: choose another for it.")
    lock_package(package.pk)
    for step, session in sessions.items():
        booked = StepProgress.objects.filter(package=package, step=step, status=StepStatus.UNBOOKED).update(
            status=StepStatus.BOOKED,
            option=session.option_id,
            class_session=session.class_session_id,
            booked_at=now,
        )
        _refuse_booked(set() if booked else {step})
    events = [_step_event(StepBooked, package, step, session.class_session_id) for step, session in sessions.items()]
    if events:
        publish(*events, now=now)
    rows = StepProgress.objects.filter(package=package, step__in=sessions)
    return list(rows.select_related("class_session__group_class", "step"))


def _give_back_seats(rows: Iterable[StepProgress]) -> None:
    for session_id in sorted(row.class_session_id for row in rows if row.class_session_id is not None):
        ClassSession.objects.filter(pk=session_id).update(booked_count=F("booked_count") - 1)


def _free_step(row: StepProgress, status: StepStatus) -> None:
    """Conditional on the seat it held: a step that was cancelled or attended meanwhile is refused, not freed twice."""
    freed = StepProgress.objects.filter(pk=row.pk, status=StepStatus.BOOKED, class_session=row.class_session_id).update(
        status=status, class_session=None, option=None, booked_at=None
    )
    if not freed:
        raise StepNotBooked("The session was changed meanwhile; look again.")
    row.status, row.option, row.booked_at = status, None, None


def _step_event(kind: type[StepEvent], package: StudentPackage, step_id: int, session_id: int | None) -> StepEvent:
    return kind(
        workspace_id=package.learner.workspace_id,
        package_id=package.pk,
        step_id=step_id,
        class_session_id=session_id,
    )
