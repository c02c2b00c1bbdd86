"""Replaying past requests to the router against other seats: in order, by the router's own choice, in memory.

Nothing is locked, written, published, or mailed: the seats are rows that are never saved.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from core.errors import invalid_field

from ..models import DistrictSeatAllocation, EnrollmentDecision, EnrollmentTransition
from ..routing.offer import choose_allocation, in_asking_order
from ..states import GIVEN_BACK, Facet, ProvisionSource

MOST_REQUESTS = 50_000  # the limit for one question


class Funding(StrEnum):
    """Who pays for a learner who asked."""

    DISTRICT = "district"
    PARENT = "parent"
    NOBODY = "nobody"  # refused regardless of seats


@dataclass(frozen=True, slots=True)
class Asked:
    """A learner who asked to be enrolled, when they first did, and the final outcome."""

    at: dt.datetime
    decision_id: int
    enrollment_id: int
    learner_id: int
    instance_id: int
    tenant_id: int | None
    happened: Funding


@dataclass(frozen=True, slots=True)
class Answered:
    """What those seats would have meant for a learner who asked; `allocation_id` is the supposed one."""

    asked: Asked
    funding: Funding
    allocation_id: int | None = None


def list_requests(
    *, workspace_id: int, begins: dt.datetime, ends: dt.datetime
) -> tuple[list[Asked], dict[int, dt.datetime]]:
    """Return who asked in this period, once per enrollment, and when their enrollments were given up.

    Raises Invalid for more than MOST_REQUESTS decisions.
    """
    made = EnrollmentDecision.objects.filter(workspace=workspace_id, created_at__gte=begins, created_at__lt=ends)
    rows = list(
        made.order_by("created_at", "id").values_list(
            "created_at", "id", "enrollment_id", "learner_id", "instance_id", "tenant_id", "provision_source"
        )[: MOST_REQUESTS + 1]
    )
    if len(rows) > MOST_REQUESTS:
        raise invalid_field(
            "last_day", "out_of_range", f"More than {MOST_REQUESTS:,} learners asked: choose fewer days."
        )
    first: dict[int, tuple[dt.datetime, int, int, int, int, int | None, str | None]] = {}
    happened: dict[int, Funding] = {}
    for row in rows:
        first.setdefault(row[2], row)
        happened[row[2]] = _FUNDING[row[6]]
    asked = [Asked(*row[:6], happened[enrollment_id]) for enrollment_id, row in first.items()]
    ended = EnrollmentTransition.objects.filter(
        enrollment__in=made.values("enrollment"), facet=Facet.ELIGIBILITY, to_status__in=GIVEN_BACK
    )
    return asked, dict(ended.order_by("number").values_list("enrollment_id", "created_at"))


_FUNDING = {
    ProvisionSource.DISTRICT.value: Funding.DISTRICT,
    ProvisionSource.PARENT.value: Funding.PARENT,
    None: Funding.NOBODY,
}


def replay(
    *,
    asked: Sequence[Asked],
    given_up: Mapping[int, dt.datetime],
    supply: Iterable[DistrictSeatAllocation],
) -> list[Answered]:
    """Replay the requests against the supposed allocations: each request gets the seat that the router would choose, as
    long as one is free. A seat is freed when its enrollment was given up. Requests that were refused then are refused
    now.
    """
    shelves = Supply(supply)
    answers: dict[int, Answered] = {}
    for at, enrollment_id, one in _in_time(asked, given_up):
        if one is None:
            shelves.give_back(answers[enrollment_id].asked)
        else:
            answers[enrollment_id] = shelves.answer(one, at)
    return list(answers.values())


def _in_time(
    asked: Sequence[Asked], given_up: Mapping[int, dt.datetime]
) -> list[tuple[dt.datetime, int, Asked | None]]:
    """Merge requests and given-up enrollments in chronological order; at the same moment, requests come first."""
    moments: list[tuple[dt.datetime, int, Asked | None]] = [(one.at, one.enrollment_id, one) for one in asked]
    moments += [
        (at, one.enrollment_id, None) for one in asked if (at := given_up.get(one.enrollment_id)) and at >= one.at
    ]
    return sorted(moments, key=lambda moment: (moment[0], moment[2] is None))


class Supply:
    """The supposed seats as they are taken and given back, counted here because the allocations must not change."""

    def __init__(self, allocations: Iterable[DistrictSeatAllocation]) -> None:
        self._by_district: dict[int, list[DistrictSeatAllocation]] = defaultdict(list)
        for allocation in in_asking_order(allocations):
            self._by_district[allocation.district.tenant_id].append(allocation)
        self._left = {each.pk: each.total_seats for seats in self._by_district.values() for each in seats}
        self._exhausted = {pk for pk, left in self._left.items() if not left}
        self._held: dict[int, dict[int, int]] = defaultdict(dict)  # allocation ids, by learner and enrollment

    def answer(self, one: Asked, at: dt.datetime) -> Answered:
        """Give the learner the seat that the router would choose, if one is free."""
        if one.happened == Funding.NOBODY:
            return Answered(one, Funding.NOBODY)
        seats = self._by_district.get(one.tenant_id, []) if one.tenant_id is not None else []
        fitting = [each for each in seats if each.instance_id in (None, one.instance_id)]
        if not fitting:
            return Answered(one, Funding.PARENT)
        held = self._held[one.learner_id]
        offer = choose_allocation(
            fitting, tenant_id=one.tenant_id, held=held.values(), exhausted=self._exhausted, now=at
        )
        if offer.allocation is None:
            return Answered(one, Funding.PARENT)
        taken: int = offer.allocation.pk
        held[one.enrollment_id] = taken
        self._count(taken, -1)
        return Answered(one, Funding.DISTRICT, taken)

    def give_back(self, one: Asked) -> None:
        """Free the seat of an enrollment that was given up, if it has one."""
        allocation_id = self._held[one.learner_id].pop(one.enrollment_id, None)
        if allocation_id is not None:
            self._count(allocation_id, 1)

    def _count(self, allocation_id: int, seats: int) -> None:
        self._left[allocation_id] += seats
        if self._left[allocation_id]:
            self._exhausted.discard(allocation_id)
        else:
            self._exhausted.add(allocation_id)
