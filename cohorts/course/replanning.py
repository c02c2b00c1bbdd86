"""Changing when a cohort runs, and the time zone of a class or a cohort, after it was scheduled and booked.

Staff choose what moves and what stays, and see the result beforehand: a plan is made by reads alone, and the use case
that carries it out makes it again under its locks.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from django.db import transaction
from django.db.models import QuerySet

from core.errors import Invalid, invalid_field
from core.local_time import check_date, local_date, to_instant, wall_clock
from core.time_words import meeting
from events.publishing import publish

from ..errors import DatesConflict
from ..events import CohortDatesChanged
from ..learning.completion import tell_early_end
from ..locks import lock_classes, lock_cohort, lock_sessions
from ..models import ClassSession, Cohort, CohortSession, GroupClass, StepProgress
from ..queries import packages_under_way
from ..states import MARKED, StepStatus
from .scheduling import move_session, planned_date, shifted_deadline


@dataclass(frozen=True, slots=True)
class Move:
    """A session, and its new time."""

    session: ClassSession
    starts_at: dt.datetime
    ends_at: dt.datetime
    note: str = ""

    def describe(self, zone: str) -> str:
        before = meeting(self.session.starts_at, self.session.ends_at, zone)
        after = meeting(self.starts_at, self.ends_at, zone)
        return f"{self.session.group_class}: {before} moves to {after}."


@dataclass(frozen=True, slots=True)
class Plan:
    """What a change of dates would do: `conflicts` prevent it, `warnings` are for staff to weigh."""

    moves: Sequence[Move] = ()
    deadline: dt.datetime | None = None
    conflicts: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    is_told: bool = False
    families: int = 0  # who are told


def plan_dates(
    *,
    cohort: Cohort,
    start_date: dt.date,
    end_date: dt.date,
    move_sessions: bool,
    move_deadline: bool,
    now: dt.datetime,
) -> Plan:
    """Return what would happen to a cohort with other dates. With `move_sessions`, every future session moves by as
    many weeks as its step does; sessions that have begun or were marked stay. Reads only.

    Raises Invalid, naming the date, for dates that are out of range or out of order.
    """
    check_date(start_date, "start_date")
    check_date(end_date, "end_date")
    if end_date < start_date:
        raise invalid_field("end_date", "out_of_order", "A cohort ends on or after the day it starts.")
    shift = start_date - cohort.start_date
    rows = _rows_of(cohort)
    moves = _moves(rows, cohort, start_date, now) if move_sessions else []
    deadline = shifted_deadline(cohort, shift) if move_deadline else cohort.enrollment_deadline
    is_told = bool(moves) or (start_date, end_date) != (cohort.start_date, cohort.end_date)
    families = packages_under_way(cohort.pk).count() if is_told else 0
    plan = Plan(moves, deadline, is_told=is_told, families=families)
    plan.conflicts.extend(_conflicts(moves, cohort, end_date))
    plan.warnings.extend(_left_outside(rows, moves, start_date, end_date))
    plan.warnings.extend(_overlaps(moves))
    plan.warnings.extend(move.note for move in moves if move.note)
    instance = cohort.instance
    plan.warnings.extend(tell_early_end(instance=instance, ends_on=instance.end_date, last_day=end_date))
    if deadline is not None and local_date(deadline, cohort.timezone) > end_date:
        plan.warnings.append("The enrollment deadline is after the last day: nobody can enroll after that day anyway.")
    return plan


@transaction.atomic
def change_dates(
    *,
    cohort_id: int,
    start_date: dt.date,
    end_date: dt.date,
    move_sessions: bool,
    move_deadline: bool,
    now: dt.datetime,
) -> Plan:
    """Change a cohort's dates as planned; each family with a place is told once, with all their sessions.

    Raises Invalid for dates that are out of range or out of order, and DatesConflict, changing nothing, for the
    conflicts that `plan_dates` finds.
    """
    cohort = lock_cohort(cohort_id)
    theirs = CohortSession.objects.filter(cohort=cohort)
    lock_classes(theirs.values_list("class_session__group_class", flat=True))
    lock_sessions(set(theirs.values_list("class_session", flat=True)))
    plan = plan_dates(
        cohort=cohort,
        start_date=start_date,
        end_date=end_date,
        move_sessions=move_sessions,
        move_deadline=move_deadline,
        now=now,
    )
    if plan.conflicts:
        raise DatesConflict(" ".join(plan.conflicts))
    if not plan.is_told and plan.deadline == cohort.enrollment_deadline:
        return plan
    # The latest first if they move forward, so that none meets on the day of one that has not moved yet.
    is_later = bool(plan.moves) and plan.moves[0].starts_at > plan.moves[0].session.starts_at
    for move in sorted(plan.moves, key=lambda move: move.starts_at, reverse=is_later):
        move_session(session=move.session, starts_at=move.starts_at, ends_at=move.ends_at, now=now, with_term=True)
    cohort.start_date = start_date
    cohort.end_date = end_date
    cohort.enrollment_deadline = plan.deadline
    cohort.save(update_fields=["start_date", "end_date", "enrollment_deadline"])
    if plan.is_told:
        publish(
            CohortDatesChanged(
                workspace_id=cohort.instance.workspace_id,
                occurred_at=now,
                cohort_id=cohort.pk,
                start_date=start_date,
                end_date=end_date,
            )
        )
    return plan


def _rows_of(cohort: Cohort) -> list[CohortSession]:
    rows = cohort.sessions.select_related("step", "class_session__group_class", "option__group_class")
    return list(rows.order_by("class_session__starts_at", "pk"))


def _moves(rows: Iterable[CohortSession], cohort: Cohort, start_date: dt.date, now: dt.datetime) -> list[Move]:
    marked = set(
        StepProgress.objects.filter(class_session__in=[row.class_session_id for row in rows], status__in=MARKED)
        .values_list("class_session", flat=True)
        .distinct()
    )
    moves: dict[int, Move] = {}
    for row in rows:
        session = row.class_session
        if session.starts_at <= now or session.pk in marked:
            continue
        plans = [
            planned_date(group_class=session.group_class, start_date=start, step_order=row.step.order)
            for start in (cohort.start_date, start_date)
        ]
        if plans[0] != plans[1]:
            moves[session.pk] = _moved(session, plans[1] - plans[0])
    return list(moves.values())


def _moved(session: ClassSession, shift: dt.timedelta) -> Move:
    """Return the session at the same time in its class's time zone, with its current duration."""
    zone = session.group_class.timezone
    shown = wall_clock(session.starts_at, zone)
    instant = to_instant(date=shown.date() + shift, time=shown.time(), zone=zone)
    return Move(session, instant.at, instant.at + (session.ends_at - session.starts_at), instant.note)


def _conflicts(moves: Sequence[Move], cohort: Cohort, end_date: dt.date) -> list[str]:
    found = []
    moving = {move.session.pk for move in moves}
    shared = CohortSession.objects.filter(class_session__in=moving).exclude(cohort=cohort).select_related("cohort")
    others: dict[int, set[str]] = {}
    for row in shared:
        others.setdefault(row.class_session_id, set()).add(str(row.cohort))
    for move in moves:
        session = move.session
        zone = move.session.group_class.timezone
        day = local_date(move.starts_at, zone)
        if session.pk in others:
            names = ", ".join(sorted(others[session.pk]))
            found.append(f"{session} is shared with {names}: move it alone, or let the sessions stay.")
        if day > end_date:
            found.append(f"{session} would meet on {day}, after the end on {end_date}: end later.")
        same_day = ClassSession.objects.filter(group_class=session.group_class_id, date=day).exclude(pk__in=moving)
        if same_day.exists():
            found.append(f"{session.group_class} already meets on {day} for another cohort.")
    return found


def _left_outside(
    rows: Iterable[CohortSession], moves: Iterable[Move], start_date: dt.date, end_date: dt.date
) -> list[str]:
    moving = {move.session.pk for move in moves}
    found = []
    for row in rows:
        day = local_date(row.class_session.starts_at, row.class_session.group_class.timezone)
        if row.class_session_id not in moving and not start_date <= day <= end_date:
            found.append(f"{row.step.label}, {row.class_session}, stays where it is: outside the new dates.")
    return found


def _overlaps(moves: Sequence[Move]) -> list[str]:
    """Return the learners who would have two sessions at the same time."""
    moving: dict[int | None, Move] = {move.session.pk: move for move in moves}
    booked = StepProgress.objects.filter(status=StepStatus.BOOKED).select_related(
        "package__learner", "class_session__group_class"
    )
    theirs: dict[int, list[StepProgress]] = {}
    learners = booked.filter(class_session__in=moving).values("package__learner")
    for row in booked.filter(package__learner__in=learners).order_by("pk"):
        theirs.setdefault(row.package.learner_id, []).append(row)
    found = []
    for rows in theirs.values():
        for row in rows:
            move = moving.get(row.class_session_id)
            if move is None:
                continue
            for other in rows:
                if other.class_session is None or other.class_session_id in moving:
                    continue
                if move.starts_at < other.class_session.ends_at and other.class_session.starts_at < move.ends_at:
                    found.append(f"{row.package.learner} has {other.class_session} at the time of {move.session}.")
    return found


# --- Zones ------------------------------------------------------------------------------------------------------------


def plan_class_zone(*, group_class: GroupClass, timezone: str, keep_clock: bool, now: dt.datetime) -> list[Move]:
    """Return the future sessions that move if their class changes its time zone: all of them if they keep their clock
    time, none if they keep their moment. Reads only.
    """
    if not keep_clock:
        return []
    moves = []
    for session in _coming(group_class, now):
        shown = wall_clock(session.starts_at, group_class.timezone)
        instant = to_instant(date=shown.date(), time=shown.time(), zone=timezone)
        if instant.at != session.starts_at:
            moves.append(Move(session, instant.at, instant.at + (session.ends_at - session.starts_at), instant.note))
    return moves


@transaction.atomic
def change_class_zone(*, group_class_id: int, timezone: str, keep_clock: bool, now: dt.datetime) -> list[Move]:
    """Change a class's time zone. Its weekly times are in the new zone from now on; its future sessions keep either
    their clock time, and their families are told the new moment, or their moment.

    Raises Invalid, changing nothing, if two of its sessions would be on the same day.
    """
    lock_classes([group_class_id])
    lock_sessions(set(ClassSession.objects.filter(group_class=group_class_id).values_list("pk", flat=True)))
    group_class = GroupClass.objects.get(pk=group_class_id)
    moves = plan_class_zone(group_class=group_class, timezone=timezone, keep_clock=keep_clock, now=now)
    group_class.timezone = timezone
    group_class.save(update_fields=["timezone"])
    moved = {move.session.pk for move in moves}
    for session in group_class.sessions.exclude(pk__in=moved).order_by("starts_at", "id"):
        _follow_the_calendar(session, timezone)
    for move in moves:
        move.session.group_class = group_class
        move_session(session=move.session, starts_at=move.starts_at, ends_at=move.ends_at, now=now)
    return moves


def _follow_the_calendar(session: ClassSession, timezone: str) -> None:
    """Give a session that keeps its moment the date of that moment in the new time zone."""
    day = local_date(session.starts_at, timezone)
    if day == session.date:
        return
    same_day = ClassSession.objects.filter(group_class=session.group_class_id, date=day).exclude(pk=session.pk)
    if same_day.exists():
        raise Invalid(f"Two sessions would be on {day} by the clock of {timezone}: move one of them first.")
    ClassSession.objects.filter(pk=session.pk).update(date=day)


def _coming(group_class: GroupClass, now: dt.datetime) -> QuerySet[ClassSession]:
    coming = group_class.sessions.filter(starts_at__gt=now).exclude(bookings__status__in=MARKED)
    return coming.select_related("group_class").order_by("starts_at", "pk")


def deadline_in(cohort: Cohort, *, timezone: str, keep_clock: bool) -> dt.datetime | None:
    """Return the deadline of a cohort in another time zone: at the same moment, or at the same clock time."""
    deadline = cohort.enrollment_deadline
    if deadline is None or not keep_clock:
        return deadline
    shown = wall_clock(deadline, cohort.timezone)
    return to_instant(date=shown.date(), time=shown.time(), zone=timezone).at


@transaction.atomic
def change_cohort_zone(*, cohort_id: int, timezone: str, keep_clock: bool) -> Cohort:
    """Change a cohort's time zone, in which its dates end and its times are shown. Its sessions stay, because they
    follow the time zones of their classes.
    """
    cohort = lock_cohort(cohort_id)
    cohort.enrollment_deadline = deadline_in(cohort, timezone=timezone, keep_clock=keep_clock)
    cohort.timezone = timezone
    cohort.save(update_fields=["timezone", "enrollment_deadline"])
    return cohort
