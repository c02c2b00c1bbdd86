"""Seats for the next term, derived from this term's: how many, for which program instance, and on which days.

The proposal depends only on use: one seat for every current holder, and one for each learner who was turned away
because all seats were taken.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Case, Count, Exists, F, OuterRef, Subquery, Value, When
from django.db.models.functions import Coalesce

from core.errors import DomainError, Invalid, invalid_field
from core.local_time import to_instant

from ..locks import lock_allocation
from ..models import DistrictSeatAllocation, EnrollmentDecision, ProgramInstance
from ..seats import MAX_SEATS, check_days, create_allocation, term_of
from ..states import DecisionReason

A_YEAR = 365  # days, for seats without a known first day
EVER = (dt.datetime(1, 1, 2, tzinfo=dt.UTC), dt.datetime(9999, 12, 30, tzinfo=dt.UTC))


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
    """Plan the allocation's successor. Its days follow this one's and are as many unless given; the total is derived.

    Raises Invalid if this allocation never ends, or if the program has no instance on those days yet.
    """
    [plan] = plan_renewals(
        allocations=[allocation], term=term, valid_from=valid_from, valid_until=valid_until, total_seats=total_seats
    )
    if isinstance(plan, DomainError):
        raise plan
    return plan


def plan_renewals(
    *,
    allocations: Sequence[DistrictSeatAllocation],
    term: str = "",
    valid_from: dt.date | None = None,
    valid_until: dt.date | None = None,
    total_seats: int | None = None,
) -> list[RenewalPlan | DomainError]:
    """Return a plan or refusal for each allocation, in order, with as many queries as for one."""
    days: dict[int, tuple[dt.date, dt.date]] = {}
    refused: dict[int, DomainError] = {}
    for allocation in allocations:
        try:
            days[allocation.pk] = _next_days(allocation, valid_from, valid_until)
            check_days(*days[allocation.pk])
        except DomainError as refusal:
            refused[allocation.pk] = refusal
    possible = [allocation for allocation in allocations if allocation.pk not in refused]
    turned_away = count_turned_away(possible)
    offered = _find_offered(possible)

    def plan(allocation: DistrictSeatAllocation) -> RenewalPlan | DomainError:
        if allocation.pk in refused:
            return refused[allocation.pk]
        begins, ends = days[allocation.pk]
        try:
            instance = _next_instance(allocation, begins, offered)
        except DomainError as refusal:
            return refusal
        held = allocation.reserved_seats + allocation.used_seats
        wanted = held + turned_away[allocation.pk]
        return RenewalPlan(
            allocation=allocation,
            instance=instance,
            term=term.strip() or term_of(begins, ends),
            valid_from=begins,
            valid_until=ends,
            total_seats=min(max(wanted, 1), MAX_SEATS) if total_seats is None else total_seats,
            held=held,
            turned_away=turned_away[allocation.pk],
        )

    return [plan(allocation) for allocation in allocations]


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


def count_turned_away(allocations: Sequence[DistrictSeatAllocation]) -> dict[int, int]:
    """Count, by allocation, the learners who were sent to their parents while all of these seats were taken.

    A general allocation counts those of programs for which the district has no seats of their own. If several
    allocations cover the same programs and days, the first counts them all.
    """
    numbers = dict.fromkeys((allocation.pk for allocation in allocations), 0)
    counting = _find_first_of_each(allocations)
    if not counting:
        return numbers
    windows = defaultdict(list)
    for allocation in counting:
        windows[_while_valid(allocation)].append(allocation.pk)
    begins, ends = (
        Case(*[When(pk__in=keys, then=Value(window[end])) for window, keys in windows.items()]) for end in (0, 1)
    )
    refused = EnrollmentDecision.objects.filter(
        district=OuterRef("district"),
        reason=DecisionReason.SEATS_EXHAUSTED,
        created_at__gte=OuterRef("begins"),
        created_at__lt=OuterRef("ends"),
    )
    own = DistrictSeatAllocation.objects.filter(
        district=OuterRef("district"), instance=OuterRef("instance"), instance__isnull=False
    )
    ours = DistrictSeatAllocation.objects.filter(pk__in=[allocation.pk for allocation in counting])
    for is_general, theirs in (
        (True, refused.filter(~Exists(own))),
        (False, refused.filter(instance=OuterRef("instance"))),
    ):
        counted = theirs.order_by().values("district").annotate(number=Count("learner", distinct=True))
        found = ours.filter(instance__isnull=is_general).annotate(begins=begins, ends=ends)
        numbers |= found.annotate(number=Coalesce(Subquery(counted.values("number")), 0)).values_list("pk", "number")
    return numbers


def _find_first_of_each(allocations: Sequence[DistrictSeatAllocation]) -> list[DistrictSeatAllocation]:
    """Return only the first allocation of each district, programs, and last day."""
    siblings = DistrictSeatAllocation.objects.filter(district__in={each.district_id for each in allocations})
    firsts: dict[tuple[int, int | None, dt.date | None], int] = {}
    known = siblings.order_by("pk").values_list("pk", "district", "instance", "valid_until")
    for key, district, instance, valid_until in known:
        firsts.setdefault((district, instance, valid_until), key)
    return [each for each in allocations if firsts[each.district_id, each.instance_id, each.valid_until] == each.pk]


def _while_valid(allocation: DistrictSeatAllocation) -> tuple[dt.datetime, dt.datetime]:
    """Return the start and the end of the allocation's days."""
    begins, ends = EVER
    if allocation.valid_from is not None:
        begins = _midnight(allocation.valid_from, allocation.zone)
    if allocation.valid_until is not None:
        ends = _midnight(_shift(allocation.valid_until, 1), allocation.zone)
    return begins, ends


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


def _find_offered(allocations: Sequence[DistrictSeatAllocation]) -> list[ProgramInstance]:
    """Return the active instances of the allocations' programs, those that end first at the front."""
    limited = [allocation.instance for allocation in allocations if allocation.instance is not None]
    if not limited:
        return []
    offered = ProgramInstance.objects.filter(program__in={each.program_id for each in limited}, active=True)
    return list(offered.order_by(F("end_date").asc(nulls_last=True), "id"))


def _next_instance(
    allocation: DistrictSeatAllocation, begins: dt.date, offered: Sequence[ProgramInstance]
) -> ProgramInstance | None:
    """Return the program's instance that runs when the next seats begin, the soonest to end; none for general seats."""
    present = allocation.instance
    if present is None:
        return None
    for each in offered:
        is_same = (each.program_id, each.workspace_id) == (present.program_id, present.workspace_id)
        if is_same and (each.end_date is None or each.end_date >= begins):
            return each
    raise Invalid(f"{present.program.title} has no instance on {begins}: make it first.")
