"""Seats for the next term, derived from this term's: how many, for which program instance, and on which days.

The proposal depends only on use: one seat for every current holder, and one for each learner who was turned away
because all seats were taken.
"""

import datetime as dt
from dataclasses import dataclass

from django.db import transaction
from django.db.models import F, Q

from core.errors import Invalid, invalid_field
from core.local_time import to_instant

from ..locks import lock_allocation
from ..models import DistrictSeatAllocation, EnrollmentDecision, ProgramInstance
from ..seats import MAX_SEATS, check_days, create_allocation, term_of
from ..states import DecisionReason

A_YEAR = 365  # days, for seats without a known first day


@dataclass(frozen=True, slots=True)
class RenewalPlan:
    """What a renewal would create: the allocation's successor. `held` and `turned_away` explain the total."""

    allocation: DistrictSeatAllocation
    instance: ProgramInstance | None
    term: str
    valid_from: dt.date
    valid_until: dt.date
    total_seats: int
    held: int
    turned_away: int


def plan_renewal(
    *,
    allocation: DistrictSeatAllocation,
    term: str = "",
    valid_from: dt.date | None = None,
    valid_until: dt.date | None = None,
    total_seats: int | None = None,
) -> RenewalPlan:
    """Plan the allocation's successor. Unless they are given, its days follow this one's and are as many; the total is
    derived likewise.

    Raises Invalid if this allocation never ends, or if the program has no instance on those days yet.
    """
    begins, ends = _next_days(allocation, valid_from, valid_until)
    check_days(begins, ends)
    held = allocation.reserved_seats + allocation.used_seats
    turned_away = count_turned_away(allocation)
    return RenewalPlan(
        allocation=allocation,
        instance=_next_instance(allocation, begins),
        term=term.strip() or term_of(begins, ends),
        valid_from=begins,
        valid_until=ends,
        total_seats=min(max(held + turned_away, 1), MAX_SEATS) if total_seats is None else total_seats,
        held=held,
        turned_away=turned_away,
    )


@transaction.atomic
def renew_allocation(
    *,
    allocation_id: int,
    term: str = "",
    valid_from: dt.date | None = None,
    valid_until: dt.date | None = None,
    total_seats: int | None = None,
    now: dt.datetime,
) -> DistrictSeatAllocation:
    """Create an allocation's successor as planned, at the same price. An allocation that was already renewed returns
    the existing successor unchanged. Raises what `plan_renewal` and `create_allocation` raise.
    """
    allocation = lock_allocation(allocation_id)
    existing = DistrictSeatAllocation.objects.filter(renewed_from=allocation).first()
    if existing is not None:
        return existing
    plan = plan_renewal(
        allocation=allocation, term=term, valid_from=valid_from, valid_until=valid_until, total_seats=total_seats
    )
    made = create_allocation(
        workspace_id=allocation.district.workspace_id,
        tenant_id=allocation.district.tenant_id,
        total_seats=plan.total_seats,
        instance_id=plan.instance.pk if plan.instance else None,
        valid_from=plan.valid_from,
        valid_until=plan.valid_until,
        term=plan.term,
        seat_price=allocation.seat_price,
        now=now,
    )
    made.renewed_from = allocation
    made.save(update_fields=["renewed_from"])
    return made


def count_turned_away(allocation: DistrictSeatAllocation) -> int:
    """Return how many learners were sent to their parents while all of these seats were taken.

    A general allocation counts those of programs for which the district has no seats of their own. If several
    allocations cover the same programs and days, the first counts them all.
    """
    siblings = DistrictSeatAllocation.objects.filter(district=allocation.district_id)
    same = siblings.filter(instance=allocation.instance_id, valid_until=allocation.valid_until, pk__lt=allocation.pk)
    if same.exists():
        return 0
    refused = EnrollmentDecision.objects.filter(
        district=allocation.district_id, reason=DecisionReason.SEATS_EXHAUSTED, **_while_valid(allocation)
    )
    if allocation.instance_id is None:
        own = siblings.filter(instance__isnull=False).values("instance")
        refused = refused.exclude(instance__in=own)
    else:
        refused = refused.filter(instance=allocation.instance_id)
    return refused.values("learner").distinct().count()


def _while_valid(allocation: DistrictSeatAllocation) -> dict[str, dt.datetime]:
    """Return a filter on `created_at` for the allocation's days."""
    limits = {}
    if allocation.valid_from is not None:
        limits["created_at__gte"] = _midnight(allocation.valid_from, allocation.zone)
    if allocation.valid_until is not None:
        limits["created_at__lt"] = _midnight(_shift(allocation.valid_until, 1), allocation.zone)
    return limits


def _midnight(date: dt.date, zone: str) -> dt.datetime:
    return to_instant(date=date, time=dt.time(), zone=zone).at


def _next_days(
    allocation: DistrictSeatAllocation, valid_from: dt.date | None, valid_until: dt.date | None
) -> tuple[dt.date, dt.date]:
    ended = allocation.valid_until
    if valid_from is not None:
        begins = valid_from
    elif ended is not None:
        begins = _shift(ended, 1)
    else:
        raise invalid_field(
            "valid_from", "required", "These seats have no last day: give the first day of the next ones."
        )
    if valid_until is not None:
        return begins, valid_until
    length = (ended - allocation.valid_from).days if ended and allocation.valid_from else A_YEAR - 1
    return begins, _shift(begins, length)


def _shift(date: dt.date, days: int) -> dt.date:
    try:
        return date + dt.timedelta(days=days)
    except OverflowError as error:
        raise invalid_field("valid_until", "out_of_range", "Give the days of the next seats.") from error


def _next_instance(allocation: DistrictSeatAllocation, begins: dt.date) -> ProgramInstance | None:
    """Return the program's instance that runs when the next seats begin, the soonest to end; none for general seats."""
    if allocation.instance is None:
        return None
    going_on = Q(end_date__isnull=True) | Q(end_date__gte=begins)
    offered = ProgramInstance.objects.filter(
        going_on, program=allocation.instance.program_id, workspace=allocation.instance.workspace_id, active=True
    )
    found = offered.order_by(F("end_date").asc(nulls_last=True), "id").first()
    if found is None:
        raise Invalid(f"{allocation.instance.program.title} has no instance on {begins}: make it first.")
    return found
