"""What a district can offer a learner: the allocation to take a seat from, or the reason there is none."""

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Coalesce, NullIf

from core.compiled import compiled

from ..models import District, DistrictSeatAllocation, ProgramInstance, SeatAssignment
from ..states import HELD_SEATS, DecisionReason

# Every rule that was evaluated, with its inputs and its answer.
Trace = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class DistrictOffer:
    """`allocation` if a seat looked free a moment ago (only taking it proves it), otherwise the `reason`."""

    reason: DecisionReason
    district_id: int | None = None
    allocation: DistrictSeatAllocation | None = None
    trace: Trace = field(default_factory=list)


def find_district_seat(
    *,
    workspace_id: int,
    tenant_id: int | None,
    instance: ProgramInstance,
    learner_id: int | None,
    now: dt.datetime,
    exhausted: set[int],
) -> DistrictOffer:
    """Look for a free seat, in the order of `in_asking_order`.

    A learner (None: one who was just created) holds at most one seat of the open allocations for the same programs.
    `exhausted` holds allocations whose last seat was taken while this request was being decided.
    """
    if tenant_id is None:
        unnamed: Trace = [{"rule": "district.named", "tenant_id": None, "answer": False}]
        return DistrictOffer(DecisionReason.NO_DISTRICT, trace=unnamed)
    allocations = in_asking_order(_allocations.all(workspace_id, tenant_id, instance.pk))
    if not allocations:
        return _without_allocation(workspace_id, tenant_id)
    return choose_allocation(
        allocations, tenant_id=tenant_id, held=_allocations_held(learner_id), exhausted=exhausted, now=now
    )


@compiled
def _allocations(workspace_id: int, tenant_id: int, instance_id: int) -> QuerySet[DistrictSeatAllocation]:
    district = DistrictSeatAllocation.objects.filter(district__workspace=workspace_id, district__tenant_id=tenant_id)
    own_zone = NullIf("district__timezone", Value(""))
    return district.filter(Q(instance=instance_id) | Q(instance=None)).annotate(
        district_timezone=Coalesce(own_zone, "district__workspace__timezone")
    )


def in_asking_order(allocations: Iterable[DistrictSeatAllocation]) -> list[DistrictSeatAllocation]:
    """Return the allocations bought for an instance first, then the district's general ones; among several, the one
    that ends first, then the one that was created first.
    """
    return sorted(allocations, key=lambda each: (each.instance_id is None, each.valid_until or dt.date.max, each.pk))


def choose_allocation(
    allocations: Sequence[DistrictSeatAllocation],
    *,
    tenant_id: int | None,
    held: Collection[int],
    exhausted: Collection[int],
    now: dt.datetime,
) -> DistrictOffer:
    """Return the first of one district's allocations, given in asking order, that has a free seat for a learner who
    holds seats of the allocations `held`; otherwise the reason why there is none.
    """
    district_id = allocations[0].district_id
    trace: Trace = [{"rule": "district.named", "tenant_id": tenant_id, "answer": True}]
    reason = DecisionReason.ALLOCATION_INACTIVE
    served = {each.instance_id for each in allocations if each.pk in held and each.is_open(now)}
    for allocation in allocations:
        is_open = allocation.is_open(now)
        is_held = is_open and allocation.instance_id in served
        is_free = is_open and not is_held and allocation.available_seats > 0 and allocation.pk not in exhausted
        trace.append(
            {
                "rule": "allocation.seat_free",
                "allocation_id": allocation.pk,
                "for_instance": allocation.instance_id is not None,
                "term": allocation.term,
                "valid_until": allocation.valid_until.isoformat() if allocation.valid_until else None,
                "open": is_open,
                "learner_holds_one": is_held,
                "total_seats": allocation.total_seats,
                "answer": is_free,
            }
        )
        if is_free:
            return DistrictOffer(DecisionReason.DISTRICT_SEAT_RESERVED, district_id, allocation, trace)
        if is_held:
            reason = DecisionReason.ALREADY_ENROLLED
        elif is_open:
            reason = DecisionReason.SEATS_EXHAUSTED
    return DistrictOffer(reason, district_id, None, trace)


def _allocations_held(learner_id: int | None) -> set[int]:
    if learner_id is None:
        return set()
    held = SeatAssignment.objects.filter(learner=learner_id, status__in=HELD_SEATS)
    return set(held.values_list("allocation_id", flat=True))


def _without_allocation(workspace_id: int, tenant_id: int) -> DistrictOffer:
    district = District.objects.filter(workspace=workspace_id, tenant_id=tenant_id).first()
    trace: list[dict[str, Any]] = [{"rule": "district.named", "tenant_id": tenant_id, "answer": district is not None}]
    if district is None:
        return DistrictOffer(DecisionReason.NO_DISTRICT, trace=trace)
    trace.append({"rule": "allocation.exists", "tenant_id": tenant_id, "answer": False})
    return DistrictOffer(DecisionReason.NO_ALLOCATION, district.pk, None, trace)
