"""Which used seats are idle: nobody in the family has been active for the number of days in the allocation's rule."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Max, Q, QuerySet

from core.errors import invalid_field
from core.local_time import local_date, to_instant
from notifications.recipients import addresses_of_families
from notifications.wording import is_switched_off

from ...activity import find_activity
from ...letters import SEAT_IDLE
from ...locks import lock_allocation
from ...models import DistrictSeatAllocation, IdleSeat, SeatAssignment
from ...states import ENDED_PARTICIPATION, EligibilityStatus, IdleSeatStatus, SeatStatus

BATCH = 500
IDLE_DAYS = (7, 365)
GRACE_DAYS = (3, 60)


@dataclass(frozen=True, slots=True)
class Idle:
    """A seat, the time since which it has been idle, and the addresses at which its family is asked."""

    seat: SeatAssignment
    since: dt.datetime
    readers: tuple[str, ...]


@transaction.atomic
def set_idle_rule(
    *, allocation_id: int, idle_days: int | None, grace_days: int, now: dt.datetime
) -> DistrictSeatAllocation:
    """Ask families about seats of the allocation that have been idle for `idle_days`, and take back those that nobody
    keeps within `grace_days`; None asks nobody. Families that were already asked keep their deadline. Raises Invalid.
    """
    if idle_days is not None:
        _check("idle_days", idle_days, IDLE_DAYS)
    _check("grace_days", grace_days, GRACE_DAYS)
    lock_allocation(allocation_id)
    rows = DistrictSeatAllocation.objects.filter(pk=allocation_id)
    rows.update(idle_days=idle_days, grace_days=grace_days, updated_at=now)
    return rows.select_related("district__workspace", "instance").get()


def allocations_with_rule() -> QuerySet[DistrictSeatAllocation]:
    """Return the allocations with an idle-seat rule, with the rows that their days and names are derived from."""
    ruled = DistrictSeatAllocation.objects.filter(idle_days__isnull=False, is_active=True)
    return ruled.select_related("district__workspace", "instance").order_by("pk")


def find_idle(
    *, allocation: DistrictSeatAllocation, idle_days: int | None = None, now: dt.datetime
) -> Iterator[list[Idle]]:
    """Yield the idle seats of an allocation in bounded batches, by its own rule or by another number of days. Yields
    nothing while its seats may not be taken, because nobody could use what is taken back.
    """
    days = idle_days or allocation.idle_days
    if days is None or not allocation.is_open(now):
        return
    before = now - dt.timedelta(days=days)
    is_off = is_switched_off(kind=SEAT_IDLE, workspace_id=allocation.district.workspace_id)
    after = 0
    while seats := list(_seats_to_judge(allocation, before).filter(pk__gt=after).order_by("pk")[:BATCH]):
        after = seats[-1].pk
        yield _judge(seats, before, is_off=is_off)


def is_asked_about(seat: SeatAssignment) -> bool:
    """Return whether the family of a used seat takes part, so that it could have shown activity."""
    return (
        seat.status == SeatStatus.USED
        and seat.enrollment.eligibility_status == EligibilityStatus.APPROVED
        and seat.enrollment.participation_status not in ENDED_PARTICIPATION
    )


def _seats_to_judge(allocation: DistrictSeatAllocation, before: dt.datetime) -> QuerySet[SeatAssignment]:
    """Return seats used for long enough, in programs that have begun, whose family is not being asked and may be."""
    begun = Q(enrollment__instance__start_date__isnull=True) | Q(
        enrollment__instance__start_date__lte=local_date(before, allocation.zone)
    )
    used = SeatAssignment.objects.filter(
        begun,
        allocation=allocation,
        status=SeatStatus.USED,
        used_at__lte=before,
        enrollment__eligibility_status=EligibilityStatus.APPROVED,
        enrollment__deleted_at=None,
    ).exclude(enrollment__participation_status__in=ENDED_PARTICIPATION)
    settled = IdleSeat.objects.filter(status__in=(IdleSeatStatus.ASKED, IdleSeatStatus.STOPPED))
    return used.exclude(pk__in=settled.values("seat")).select_related("learner", "enrollment__instance")


def _judge(seats: Sequence[SeatAssignment], before: dt.datetime, *, is_off: bool) -> list[Idle]:
    active = find_activity([seat.enrollment_id for seat in seats])
    kept = dict(IdleSeat.objects.filter(seat__in=seats).values_list("seat").annotate(Max("settled_at")).order_by())
    idle = []
    for seat in seats:
        moments = [seat.used_at, active.get(seat.enrollment_id), kept.get(seat.pk), _beginning(seat)]
        since = max(moment for moment in moments if moment is not None)
        if since <= before:
            idle.append((seat, since))
    readers = {} if is_off else addresses_of_families([seat.learner for seat, _ in idle])
    return [Idle(seat, since, tuple(readers.get(seat.learner_id, ()))) for seat, since in idle]


def _beginning(seat: SeatAssignment) -> dt.datetime | None:
    """Return when the program began, in its workspace's time zone."""
    starts = seat.enrollment.instance.start_date
    if starts is None:
        return None
    return to_instant(date=starts, time=dt.time(), zone=seat.allocation.zone).at


def _check(field: str, days: int, limits: tuple[int, int]) -> None:
    least, most = limits
    if not least <= days <= most:
        raise invalid_field(field, "out_of_range", f"Give a number from {least} to {most}.")
