"""Taking back idle seats that nobody kept before their deadline, and passing them on to learners who wait."""

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from django.db import transaction
from django.db.models import Count, QuerySet, Sum

from core.actors import SYSTEM, Actor
from core.errors import DomainError
from core.money import Money

from ...activity import find_activity
from ...emails import tell_of_reclaimed_seat
from ...locks import lock_idle_seat
from ...models import DistrictSeatAllocation, EnrollmentDecision, IdleSeat, SeatAssignment
from ...reasons import SEAT_GIVEN_BACK
from ...states import (
    LIVE_DECISIONS,
    UNPAID,
    DecisionReason,
    DecisionStatus,
    EligibilityStatus,
    IdleSeatStatus,
)
from ..holders import lock_to_pass_on, reassign_seat, release_holder
from .asking import settle
from .finding import is_asked_about

log = structlog.get_logger(__name__)

NEXT_TRIED = 5  # of the waiting learners, because the criteria may refuse the first ones
AGAIN_AFTER = dt.timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Savings:
    """What was taken back: the seats, how many of them others have now, and what they cost the district."""

    seats: int
    passed_on: int
    worth: tuple[Money, ...]

    def __str__(self) -> str:
        worth = f", worth {', '.join(map(str, self.worth))}" if self.worth else ""
        return f"{self.seats:,} taken back{worth}; {self.passed_on:,} of them passed on"


def reclaim_due(*, limit: int = 50, now: dt.datetime) -> int:
    """Sweep: take back the idle seats whose deadline has passed; returns how many were handled. A seat that can't be
    taken back now is retried in an hour.
    """
    due = due_seats(now)
    found = list(due.order_by("due_at", "pk").values_list("pk", flat=True)[:limit])
    for pk in found:
        try:
            reclaim_seat(idle_seat_id=pk, actor=SYSTEM, now=now)
        except Exception:
            log.exception("idle_seat_not_reclaimed", idle_seat=pk)
            due.filter(pk=pk).update(due_at=now + AGAIN_AFTER)
    return len(found)


def due_seats(now: dt.datetime) -> QuerySet[IdleSeat]:
    """Return those that nobody answered before the deadline."""
    return IdleSeat.objects.filter(status=IdleSeatStatus.ASKED, due_at__lte=now)


@transaction.atomic
def reclaim_seat(*, idle_seat_id: int, actor: Actor, now: dt.datetime) -> IdleSeat:
    """Take an idle seat back and give it to the first waiting learner who may have it; its status records the outcome.
    A family that was active after it was asked keeps its seat, and so does one whose enrollment, or whose allocation's
    rule, has ended. Raises IdleSeatSettled, and whatever ending an enrollment raises.
    """
    idle = lock_idle_seat(idle_seat_id)
    if idle.status == IdleSeatStatus.ASKED:
        waiting = list_waiting(idle.seat.allocation, now)[:NEXT_TRIED]
        lock_to_pass_on(
            idle.seat.enrollment,
            allocation_id=idle.seat.allocation_id,
            learner_ids=[each.learner_id for each in waiting],
            enrollment_ids=[each.enrollment_id for each in waiting],
        )
        seat = SeatAssignment.objects.select_related("allocation__district__workspace", "enrollment").get(
            pk=idle.seat_id
        )
        if not is_asked_about(seat) or (seat.allocation.idle_days is None and actor == SYSTEM):
            settle(idle, IdleSeatStatus.OVERTAKEN, actor=actor, now=now)
            return idle
        if is_active_since(idle):
            settle(idle, IdleSeatStatus.ACTIVE, actor=actor, now=now)
            return idle
        idle.passed_on_to = _pass_on(seat, waiting, actor, now)
        if idle.passed_on_to is None:
            release_holder(seat_id=seat.pk, actor=actor, reason=SEAT_GIVEN_BACK, now=now)
        tell_of_reclaimed_seat(enrollment_id=seat.enrollment_id, now=now)
    settle(idle, IdleSeatStatus.RECLAIMED, actor=actor, now=now)
    return idle


def is_active_since(idle: IdleSeat) -> bool:
    """Return whether the family was active after it was asked."""
    seen = find_activity([idle.seat.enrollment_id]).get(idle.seat.enrollment_id)
    return seen is not None and seen > idle.asked_at


def list_waiting(allocation: DistrictSeatAllocation, now: dt.datetime) -> list[EnrollmentDecision]:
    """Return the decisions of learners who were sent to pay because all seats were taken and have not paid, the
    earliest request first. These are the learners to whom the router would give the seat if they asked again. Anybody
    who has paid, or has an open payment page, does not wait.
    """
    if not allocation.is_open(now):
        return []
    refused = EnrollmentDecision.objects.filter(
        district=allocation.district_id,
        reason=DecisionReason.SEATS_EXHAUSTED,
        status=DecisionStatus.EXPIRED,
        enrollment__eligibility_status=EligibilityStatus.SUBMITTED,
        enrollment__payment_status__in=UNPAID,
        enrollment__deleted_at=None,
        learner__merged_into=None,
    )
    if allocation.instance_id is not None:
        refused = refused.filter(instance=allocation.instance_id)
    live = EnrollmentDecision.objects.filter(status__in=LIVE_DECISIONS, district=allocation.district_id)
    waiting = refused.exclude(enrollment__in=live.values("enrollment")).select_related("learner", "instance")
    first: dict[int, EnrollmentDecision] = {}
    for decision in waiting.order_by("pk")[: NEXT_TRIED * 10]:
        first.setdefault(decision.enrollment_id, decision)
    return list(first.values())


def sum_up_savings(idle_seats: QuerySet[IdleSeat]) -> Savings:
    """Sum up what was taken back from these, in one query."""
    rows = idle_seats.filter(status=IdleSeatStatus.RECLAIMED).values("seat__allocation__currency").order_by()
    sums = rows.annotate(
        seats=Count("pk"), passed_on=Count("passed_on_to"), minor=Sum("seat__allocation__seat_price_minor")
    )
    counted: Counter[str] = Counter()
    worth = []
    for row in sums:
        counted.update(seats=row["seats"], passed_on=row["passed_on"])
        if row["minor"]:
            worth.append(Money(row["minor"], row["seat__allocation__currency"]))
    return Savings(counted["seats"], counted["passed_on"], tuple(worth))


def _pass_on(
    seat: SeatAssignment, waiting: Sequence[EnrollmentDecision], actor: Actor, now: dt.datetime
) -> EnrollmentDecision | None:
    for each in waiting:
        try:
            with transaction.atomic():
                return reassign_seat(
                    seat_id=seat.pk,
                    learner_id=each.learner_id,
                    instance_cuid=each.instance.cuid,
                    actor=actor,
                    reason=SEAT_GIVEN_BACK,
                    now=now,
                )
        except DomainError as refusal:
            log.info("idle_seat_not_passed_on", seat=seat.pk, decision=each.pk, code=refusal.code)
    return None
