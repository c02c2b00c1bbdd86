"""What becomes of an enrollment whose end has passed: it is completed, paid or not.

It ends with the last day of its program instance, or with its own where the instance has none, by the workspace's
clock. The sweep works in batches, each a transaction of its own that leaves out what others have locked. It may run in
several places at once, be killed and go on: what is left to do is what the database says.
"""

import datetime as dt
from collections.abc import Sequence

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Coalesce

from core.actors import SYSTEM, Actor
from core.local_time import is_not_over
from events.event import DomainEvent
from events.publishing import publish

from .funding import decision_changed
from .history import Journal, write_together
from .locks import lock_allocations_of, lock_decision, lock_unlocked
from .models import Enrollment, EnrollmentDecision, SeatAssignment
from .seats import release_seat
from .states import HELD_SEATS, DecisionStatus, ParticipationStatus

EXPIRED = "expired"


def due_to_expire(*, workspace_id: int | None = None, now: dt.datetime) -> QuerySet[Enrollment]:
    """The enrollments that are active and past their end; of one workspace, or of all."""
    active = Enrollment.objects.kept().filter(participation_status=ParticipationStatus.ACTIVE)
    ending = active.annotate(ends_on=Coalesce("instance__end_date", "end_date")).filter(ends_on__isnull=False)
    due = ending.filter(~is_not_over(now=now, date="ends_on", zone="workspace__timezone"))
    return due if workspace_id is None else due.filter(workspace=workspace_id)


@transaction.atomic
def expire_enrollments(
    *, workspace_id: int | None = None, limit: int, actor: Actor = SYSTEM, now: dt.datetime
) -> list[int]:
    """Complete the next enrollments that are past their end, for the reason `expired`, and give their seats back;
    returns their ids. Without any, nothing is left, or others are at it."""
    due = due_to_expire(workspace_id=workspace_id, now=now)
    ids = list(due.order_by("pk").values_list("pk", flat=True)[:limit])
    allocations = lock_allocations_of(ids)
    enrollments = lock_unlocked(due.filter(pk__in=ids))
    held = SeatAssignment.objects.filter(enrollment__in=enrollments, status__in=HELD_SEATS)
    seats = {seat.enrollment_id: seat for seat in held}
    # A seat that was given after the allocations were locked is left for the next batch, with its enrollment.
    ready = [each for each in enrollments if each.pk not in seats or seats[each.pk].allocation_id in allocations]
    journals = [Journal(enrollment, actor, now) for enrollment in ready]
    for journal in journals:
        journal.change("finish", reason=EXPIRED)
    events: list[DomainEvent] = [*write_together(journals, now=now)]
    publish(*events, *_give_seats_back([(each, seats[each.pk]) for each in ready if each.pk in seats], now))
    return [enrollment.pk for enrollment in ready]


def expire_due(*, limit: int, now: dt.datetime) -> int:
    """Sweep: complete what is past its end, in all workspaces."""
    return len(expire_enrollments(limit=limit, now=now))


def _give_seats_back(holding: Sequence[tuple[Enrollment, SeatAssignment]], now: dt.datetime) -> list[DomainEvent]:
    """Release the seats of completed enrollments, whose allocations are locked, and the decisions that gave them."""
    events: list[DomainEvent] = []
    for enrollment, seat in holding:
        released = release_seat(
            seat=seat, workspace_id=enrollment.workspace_id, enrollment_cuid=enrollment.cuid, reason=EXPIRED, now=now
        )
        events += [released] if released else []
        gave = EnrollmentDecision.objects.filter(enrollment=enrollment, seat=seat, status=DecisionStatus.COMPLETED)
        for decision_id in gave.order_by("pk").values_list("pk", flat=True):
            decision = lock_decision(decision_id)
            decision.release()
            events.append(decision_changed(decision, now))
    return events
