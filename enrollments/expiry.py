"""Completing enrollments whose end has passed, paid or not.

The sweep works in batches, each in its own transaction that skips rows locked by others. It may run in several places
at once, or be killed and resumed: the database alone says what is left to do. An enrollment that can't be completed is
separated from its batch and reported to staff, and the others are completed anyway.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import structlog
from django.db import OperationalError, transaction

from accounts.staff_tasks import raise_staff_task, settle_staff_tasks
from core.actors import SYSTEM, Actor
from events.event import DomainEvent
from events.publishing import publish

from .funding import decision_changed
from .history import Standing, change_alike, find_standings
from .locks import lock_allocations_of, lock_decision, lock_unlocked
from .models import Enrollment, EnrollmentDecision, SeatAssignment
from .seats import release_seat
from .states import HELD_SEATS, DecisionStatus
from .task_kinds import NOT_COMPLETED

log = structlog.get_logger(__name__)

EXPIRED = "expired"
# Each batch is one transaction.
BATCH = 1_000


@dataclass(frozen=True, slots=True)
class Expired:
    """The outcome of a batch: the ids that it completed, those that can't be completed, and the last one it read."""

    completed: list[int]
    failed: list[int]
    last: int


def expire_in_batches(
    *,
    workspace_id: int | None = None,
    at_most: int,
    size: int = BATCH,
    actor: Actor = SYSTEM,
    clock: Callable[[], dt.datetime],
) -> Iterator[Expired]:
    """Complete up to `at_most` enrollments that are past their end, of one workspace or of all, in the order of their
    ids. Each batch reads the time from `clock` when it begins. A run looks at each enrollment once; a later run starts
    over with the first.
    """
    left = at_most
    last = 0
    while left > 0:
        batch = expire_enrollments(
            workspace_id=workspace_id, limit=min(size, left), after=last, actor=actor, now=clock()
        )
        if batch is None:
            return
        yield batch
        left -= len(batch.completed)
        last = batch.last


def expire_enrollments(
    *, workspace_id: int | None = None, limit: int, after: int = 0, actor: Actor = SYSTEM, now: dt.datetime
) -> Expired | None:
    """Complete the next enrollments that are past their end, after the one with the id `after`, for the reason
    `expired`, and give their seats back. Returns None if there are no more. Rows locked by others are left to a later
    run.
    """
    due = Enrollment.objects.due_to_expire(now=now).filter(pk__gt=after)
    if workspace_id is not None:
        due = due.filter(workspace=workspace_id)
    ids = list(due.order_by("pk").values_list("pk", flat=True)[:limit])
    if not ids:
        return None
    completed: list[int] = []
    failed: list[int] = []
    _complete_what_can_be(ids, completed, failed, actor, now)
    return Expired(completed, failed, last=ids[-1])


def _complete_what_can_be(
    ids: Sequence[int], completed: list[int], failed: list[int], actor: Actor, now: dt.datetime
) -> None:
    """Halve a failing batch until the cause of the failure is alone."""
    try:
        completed += _complete(ids, actor, now)
    except OperationalError:
        raise  # the database is away or a lock timed out, which is no enrollment's fault
    except Exception as error:
        if len(ids) > 1:
            half = len(ids) // 2
            _complete_what_can_be(ids[:half], completed, failed, actor, now)
            _complete_what_can_be(ids[half:], completed, failed, actor, now)
            return
        log.exception("enrollment_not_completed", enrollment=ids[0])
        failed += ids
        _tell_staff(ids[0], error)


@transaction.atomic
def _complete(ids: Sequence[int], actor: Actor, now: dt.datetime) -> list[int]:
    """Complete those of these that nobody else has locked and that are still past their end; return their ids."""
    allocations = lock_allocations_of(ids)
    free = lock_unlocked(ids)
    held = SeatAssignment.objects.filter(enrollment__pk__among=free, status__in=HELD_SEATS)
    seats = {seat.enrollment_id: seat for seat in held}
    # An enrollment that got a seat after the allocations were locked is left to a later run.
    ready = [pk for pk in free if pk not in seats or seats[pk].allocation_id in allocations]
    standings = find_standings(Enrollment.objects.due_to_expire(now=now).filter(pk__among=ready))
    events: list[DomainEvent] = [*change_alike(standings, "finish", reason=EXPIRED, actor=actor, now=now)]
    publish(*events, *_give_seats_back([(each, seats[each.pk]) for each in standings if each.pk in seats], now))
    done = [standing.pk for standing in standings]
    subjects = [_subject_of(pk) for pk in done]
    settle_staff_tasks(kind=NOT_COMPLETED, subjects=subjects, resolution="It is now completed.", now=now)
    return done


def _tell_staff(enrollment_id: int, error: Exception) -> None:
    raise_staff_task(
        workspace_id=Enrollment.objects.values_list("workspace", flat=True).get(pk=enrollment_id),
        kind=NOT_COMPLETED,
        subject=_subject_of(enrollment_id),
        summary=f"The enrollment is past its end and can't be completed: {type(error).__name__}.",
    )


def _subject_of(enrollment_id: int) -> str:
    return f"enrollment:{enrollment_id}"


def _give_seats_back(holding: Sequence[tuple[Standing, SeatAssignment]], now: dt.datetime) -> list[DomainEvent]:
    """Release the seats of completed enrollments, whose allocations are locked, and the decisions that gave them."""
    events: list[DomainEvent] = []
    for enrollment, seat in holding:
        released = release_seat(
            seat=seat, workspace_id=enrollment.workspace_id, enrollment_cuid=enrollment.cuid, reason=EXPIRED, now=now
        )
        events += [released] if released else []
        gave = EnrollmentDecision.objects.filter(enrollment=enrollment.pk, seat=seat, status=DecisionStatus.COMPLETED)
        for decision_id in gave.order_by("pk").values_list("pk", flat=True):
            decision = lock_decision(decision_id)
            decision.release()
            events.append(decision_changed(decision, now))
    return events
