"""Booking sessions: what a learner chooses, cancels, and changes for the steps of a package.

The learner is locked first, so that two of their requests see each other's sessions; then seats and steps, as
`steps.py` describes. A request takes effect completely or not at all.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from core.compiled import compiled
from events.publishing import publish

from ..errors import PackageNotFound, SessionFull, StepNotBooked, TimeConflict, TooLateToChange, bad_selection
from ..events import StepCancelled
from ..locks import lock_learner_of_package, lock_package_row, lock_sessions
from ..models import ClassSession, CohortSession, StepProgress, StudentPackage
from ..states import StepStatus
from .steps import (
    Sessions,
    already_booked,
    book_steps,
    find_overlap,
    fitting_sessions,
    free_step,
    give_back_seats,
    offered_sessions,
    only_sessions,
    step_event,
    take_seats,
    times_of,
)


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


@dataclass(frozen=True, slots=True)
class BookingPlan:
    """What a request books if seats are free: the chosen sessions, and those of steps that offer only one."""

    chosen: Sessions
    along: Sessions
    unbooked: dict[int, StepProgress]


def plan_booking(*, package: StudentPackage, selections: Sequence[Selection], now: dt.datetime) -> BookingPlan:
    """Return the sessions that the request is about, without checking their seats.

    Raises Invalid naming the selection that is not an option of its step in this cohort, StepAlreadyBooked,
    TimeConflict.
    """
    offered = offered_sessions(cohort_id=package.cohort_id, now=now)
    chosen = _chosen_sessions(offered, selections)
    unbooked, taken = _steps_of(package)
    _refuse_booked(chosen.keys() - unbooked.keys())
    _refuse_conflicts(chosen, taken)
    only = {
        step: session for step, session in only_sessions(offered).items() if step in unbooked.keys() - chosen.keys()
    }
    return BookingPlan(chosen, fitting_sessions(only, [*taken, *times_of(chosen)]), unbooked)


@transaction.atomic
def book_sessions(*, package_id: int, selections: Sequence[Selection], now: dt.datetime) -> Booked:
    """Book the chosen sessions, and the only possible ones of other steps, if they have a free seat and no overlap.

    Raises PackageNotFound (also for a revoked one), Invalid naming the selection that is not an option of its step in
    this cohort, StepAlreadyBooked, SessionFull, TimeConflict; then nothing was booked.
    """
    package = _lock_live(package_id)
    plan = plan_booking(package=package, selections=selections, now=now)
    wanted = plan.chosen | plan.along
    full = take_seats(wanted)
    refuse_full([step for step in full if step in plan.chosen])
    booked = {step: session for step, session in wanted.items() if step not in full}
    rows = book_steps(package=package, unbooked=plan.unbooked, sessions=booked, now=now)
    return Booked(
        auto_booked=sorted(booked.keys() - plan.chosen.keys()), manual_selections=sorted(plan.chosen), booked=rows
    )


@transaction.atomic
def cancel_booking(*, package_id: int, step_id: int, now: dt.datetime, is_by_staff: bool = False) -> StepProgress:
    """Cancel a booked session, up to BOOKING_CHANGE_HOURS before it starts (staff: any time before it is marked).

    Raises PackageNotFound, StepNotBooked, TooLateToChange.
    """
    package = _lock_live(package_id)
    row = _booked_row(package, step_id)
    session = row.seat
    if not is_by_staff:
        _refuse_late(session, now)
    give_back_seats([row])
    lock_package_row(package.pk)
    free_step(row, StepStatus.UNBOOKED, now=now)
    publish(step_event(StepCancelled, package, row.step_id, session.pk, now))
    row.class_session = None
    return row


@transaction.atomic
def swap_booking(
    *, package_id: int, step_id: int, option_id: int, now: dt.datetime, is_by_staff: bool = False
) -> StepProgress:
    """Exchange a booked session for another of the same step; the old seat is given up only if the new one is booked.

    Raises what cancel_booking and book_sessions raise.
    """
    package = _lock_live(package_id)
    row = _booked_row(package, step_id)
    session = row.seat
    if not is_by_staff:
        _refuse_late(session, now)
    chosen = _chosen_sessions(offered_sessions(cohort_id=package.cohort_id, now=now), [Selection(step_id, option_id)])
    # Both in the order of their keys: two learners who swap into each other's sessions wait, without a deadlock.
    lock_sessions({session.pk, chosen[step_id].class_session_id})
    give_back_seats([row])
    lock_package_row(package.pk)
    free_step(row, StepStatus.UNBOOKED, now=now)
    publish(step_event(StepCancelled, package, step_id, session.pk, now))
    unbooked, taken = _steps_of(package)
    _refuse_conflicts(chosen, taken)
    refuse_full(take_seats(chosen))
    return book_steps(package=package, unbooked=unbooked, sessions=chosen, now=now)[0]


# --- What there is --------------------------------------------------------------------------------------------------


def _lock_live(package_id: int) -> StudentPackage:
    package = lock_learner_of_package(package_id)
    if package is None or not package.is_live:
        raise PackageNotFound
    return package


def _chosen_sessions(offered: Iterable[CohortSession], selections: Sequence[Selection]) -> Sessions:
    by_option = {(session.step_id, session.option_id): session for session in offered}
    chosen: Sessions = {}
    for position, selection in enumerate(selections):
        session = by_option.get((selection.step_id, selection.option_id))
        if session is None:
            raise bad_selection(position, _("This is not an upcoming session of this step in the learner's cohort."))
        if selection.step_id in chosen:
            raise bad_selection(position, _("This step was chosen twice."))
        chosen[selection.step_id] = session
    return chosen


def _steps_of(package: StudentPackage) -> tuple[dict[int, StepProgress], list[tuple[int, ClassSession]]]:
    """Return this package's unbooked steps by step id, and the steps and sessions that the learner has booked, here and
    in other courses.
    """
    rows = _steps_open_or_booked.all(package.learner_id, package.pk)
    unbooked = {row.step_id: row for row in rows if row.status == StepStatus.UNBOOKED}
    return unbooked, [(row.step_id, row.class_session) for row in rows if row.class_session is not None]


@compiled
def _steps_open_or_booked(learner_id: int, package_id: int) -> QuerySet[StepProgress]:
    open_here = Q(package=package_id, status=StepStatus.UNBOOKED)
    of_learner = StepProgress.objects.filter(package__learner=learner_id)
    return of_learner.filter(open_here | Q(status=StepStatus.BOOKED)).select_related("class_session").order_by("pk")


def _booked_row(package: StudentPackage, step_id: int) -> StepProgress:
    # By `step__pk`: filtering by `step`, SQLite raises on an id of more than 64 bits instead of finding nothing.
    rows = StepProgress.objects.filter(package=package, status=StepStatus.BOOKED, step__pk=step_id)
    row = rows.select_related("class_session").first()
    if row is None:
        raise StepNotBooked(_("There is no booked session to give back for this step."))
    return row


# --- Refusals -------------------------------------------------------------------------------------------------------


def _refuse_booked(step_ids: Collection[int]) -> None:
    if step_ids:
        raise already_booked(step_ids)


def refuse_full(step_ids: Sequence[int]) -> None:
    """Raise SessionFull for steps whose chosen session has no seat left."""
    if step_ids:
        raise SessionFull(step_ids=tuple(step_ids), detail=_("A session you chose just filled up. Choose another one."))


def _refuse_conflicts(chosen: Sessions, taken: Iterable[tuple[int, ClassSession]]) -> None:
    """Refuse sessions that overlap, either among the chosen ones or with what the learner has booked."""
    seen = list(taken)
    for step, session in chosen.items():
        other = find_overlap(session.class_session, seen)
        if other is not None:
            raise TimeConflict(
                step_ids=(other, step), detail=_("Two of these sessions overlap. Choose sessions that do not.")
            )
        seen.append((step, session.class_session))


def _refuse_late(session: ClassSession, now: dt.datetime) -> None:
    if session.starts_at - now < dt.timedelta(hours=settings.BOOKING_CHANGE_HOURS):
        raise TooLateToChange(
            _("Sessions can be changed until %(hours)s hours before they start.")
            % {"hours": settings.BOOKING_CHANGE_HOURS}
        )
