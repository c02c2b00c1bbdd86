"""What-ifs: a question about seats, with its proposals, its answer, and the allocations created from it."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Q

from core.actors import Actor
from core.errors import Invalid, NotFound, invalid_field
from core.local_time import to_instant
from core.money import Money
from core.rows import lock_rows

from ..models import District, DistrictSeatAllocation, EnrollmentDecision, ProgramInstance, ProposedSeats, WhatIf
from ..seats import MAX_SEATS, check_days, create_allocation
from .replay import Answered, Funding, list_requests, replay

Seats = tuple[int, int | None]  # the ids of a district and of an instance, or None for any instance
CHANGES_KEPT = 50  # of the requests that another would pay for, shown with the result


@transaction.atomic
def ask_what_if(
    *,
    workspace_id: int,
    name: str,
    first_day: dt.date,
    last_day: dt.date,
    totals: Mapping[Seats, int] | None = None,
    actor: Actor,
    now: dt.datetime,
) -> WhatIf:
    """Ask about these days, starting from the seats that districts had on them, except for the given `totals`.

    Raises Invalid if the days are in the wrong order or there are more requests than one question may cover.
    """
    check_days(first_day, last_day)
    what_if = WhatIf.objects.create(
        workspace_id=workspace_id,
        name=name,
        first_day=first_day,
        last_day=last_day,
        actor=str(actor),
        calculated_at=now,
        created_at=now,
    )
    proposals = {(each.district_id, each.instance_id): each for each in _seats_as_they_were(what_if)}
    for (district_id, instance_id), total in (totals or {}).items():
        supposed = ProposedSeats(what_if=what_if, district_id=district_id, instance_id=instance_id)
        proposals.setdefault((district_id, instance_id), supposed).total_seats = _checked(total)
    ProposedSeats.objects.bulk_create(proposals.values())
    return _calculate(what_if, now)


@transaction.atomic
def propose_seats(*, what_if_id: int, totals: Mapping[int, int], now: dt.datetime) -> WhatIf:
    """Set the proposals to these totals, by proposal id, and recalculate."""
    what_if = _lock(what_if_id)
    proposals = list(what_if.proposals.filter(pk__in=totals))
    for proposal in proposals:
        proposal.total_seats = _checked(totals[proposal.pk])
    ProposedSeats.objects.bulk_update(proposals, ["total_seats"])
    return _calculate(what_if, now)


@transaction.atomic
def add_proposal(
    *,
    what_if_id: int,
    district_id: int,
    instance_id: int | None,
    total_seats: int,
    seat_price: Money | None = None,
    now: dt.datetime,
) -> WhatIf:
    """Propose seats for a district and programs that have none yet; existing proposals are changed instead. Raises
    NotFound for a district or an instance of another workspace.
    """
    what_if = _lock(what_if_id)
    if not District.objects.filter(pk=district_id, workspace=what_if.workspace_id).exists():
        raise NotFound("district: there is no such district in this workspace.")
    offered = ProgramInstance.objects.filter(workspace=what_if.workspace_id)
    if instance_id is not None and not offered.filter(pk=instance_id).exists():
        raise NotFound("instance: there is no such program instance in this workspace.")
    ProposedSeats.objects.update_or_create(
        what_if=what_if,
        district_id=district_id,
        instance_id=instance_id,
        defaults={
            "total_seats": _checked(total_seats),
            "seat_price_minor": seat_price.minor if seat_price else None,
            "currency": seat_price.currency if seat_price else "",
        },
    )
    return _calculate(what_if, now)


@transaction.atomic
def make_allocations(
    *, what_if_id: int, term: str, valid_from: dt.date, valid_until: dt.date, now: dt.datetime
) -> list[DistrictSeatAllocation]:
    """Give the districts the proposed seats for these days; a proposal whose allocation was already created is skipped.

    Raises what `create_allocation` raises, and Invalid if nothing is left to create.
    """
    what_if = _lock(what_if_id)
    made = []
    for proposal in open_proposals(what_if):
        proposal.allocation = create_allocation(
            workspace_id=what_if.workspace_id,
            tenant_id=proposal.district.tenant_id,
            total_seats=proposal.total_seats,
            instance_id=proposal.instance_id,
            valid_from=valid_from,
            valid_until=valid_until,
            term=term,
            seat_price=_price_of(proposal),
            now=now,
        )
        proposal.save(update_fields=["allocation"])
        made.append(proposal.allocation)
    if not made:
        raise Invalid("Every proposal with seats has been made already.")
    return made


def open_proposals(what_if: WhatIf) -> list[ProposedSeats]:
    """Return the proposals from which allocations can be created, each with its district and instance."""
    rows = what_if.proposals.filter(allocation__isnull=True, total_seats__gt=0)
    return list(rows.select_related("district__workspace", "instance").order_by("district__name", "id"))


def answer_what_if(what_if: WhatIf) -> list[Answered]:
    """Return who asked, and who would pay for them with the proposed seats, in chronological order."""
    begins, ends = _time_of(what_if)
    asked, given_up = list_requests(workspace_id=what_if.workspace_id, begins=begins, ends=ends)
    return replay(asked=asked, given_up=given_up, supply=suppose(what_if))


def _time_of(what_if: WhatIf) -> tuple[dt.datetime, dt.datetime]:
    """Return the start and end of its days in the workspace's time zone."""
    zone = what_if.workspace.timezone
    midnights = (what_if.first_day, what_if.last_day + dt.timedelta(days=1))
    begins, ends = (to_instant(date=date, time=dt.time(), zone=zone).at for date in midnights)
    return begins, ends


def suppose(what_if: WhatIf) -> list[DistrictSeatAllocation]:
    """Return the proposals as unsaved allocations, open on any day."""
    proposals = what_if.proposals.select_related("district__workspace").order_by("id")
    return [
        DistrictSeatAllocation(
            pk=proposal.pk,
            district=proposal.district,
            instance_id=proposal.instance_id,
            total_seats=proposal.total_seats,
        )
        for proposal in proposals
    ]


def _calculate(what_if: WhatIf, now: dt.datetime) -> WhatIf:
    answers = answer_what_if(what_if)
    taken = Counter(answer.allocation_id for answer in answers if answer.allocation_id)
    proposals = list(what_if.proposals.all())
    for proposal in proposals:
        proposal.funded = taken[proposal.pk]
    ProposedSeats.objects.bulk_update(proposals, ["funded"])
    what_if.result = _sum_up(answers)
    what_if.calculated_at = now
    what_if.save(update_fields=["result", "calculated_at"])
    return what_if


def _sum_up(answers: Sequence[Answered]) -> dict[str, Any]:
    changed = [answer for answer in answers if answer.funding != answer.asked.happened]
    return {
        "happened": _figures([(answer.asked.instance_id, answer.asked.happened) for answer in answers]),
        "supposed": _figures([(answer.asked.instance_id, answer.funding) for answer in answers]),
        "changed": len(changed),
        "first_changed": [[each.asked.decision_id, each.funding] for each in changed[:CHANGES_KEPT]],
    }


def _figures(fundings: list[tuple[int, Funding]]) -> dict[str, Any]:
    """Return how many each funder would pay for, and what parents would pay at current prices, by currency."""
    asked = Counter(instance for instance, funding in fundings if funding == Funding.PARENT)
    prices = ProgramInstance.objects.filter(pk__in=asked, price__isnull=False)
    paid: Counter[str] = Counter()
    for instance_id, amount, currency in prices.values_list("pk", "price__amount_minor", "price__currency"):
        paid[currency] += asked[instance_id] * amount
    counted = Counter(funding for _, funding in fundings)
    return {**{funding.value: counted[funding] for funding in Funding}, "parents_pay": dict(paid)}


def _seats_as_they_were(what_if: WhatIf) -> list[ProposedSeats]:
    """Return one proposal for everything a district had for the same programs on these days, and one without seats for
    each other district that was named.
    """
    begun = Q(valid_from__isnull=True) | Q(valid_from__lte=what_if.last_day)
    not_over = Q(valid_until__isnull=True) | Q(valid_until__gte=what_if.first_day)
    had = DistrictSeatAllocation.objects.filter(begun, not_over, district__workspace=what_if.workspace_id)
    proposals: dict[tuple[int, int | None], ProposedSeats] = {}
    for allocation in had.filter(is_active=True).order_by("id"):
        key = (allocation.district_id, allocation.instance_id)
        found = proposals.setdefault(
            key, ProposedSeats(what_if=what_if, district_id=key[0], instance_id=key[1], total_seats=0)
        )
        found.total_seats = min(found.total_seats + allocation.total_seats, MAX_SEATS)
        if allocation.seat_price_minor is not None:
            found.seat_price_minor = allocation.seat_price_minor
            found.currency = allocation.currency
    with_seats = {district_id for district_id, _ in proposals}
    begins, ends = _time_of(what_if)
    named = EnrollmentDecision.objects.filter(
        workspace=what_if.workspace_id, district__isnull=False, created_at__gte=begins, created_at__lt=ends
    )
    others = set(named.values_list("district", flat=True).distinct()) - with_seats
    return [
        *proposals.values(),
        *(ProposedSeats(what_if=what_if, district_id=district_id, total_seats=0) for district_id in sorted(others)),
    ]


def cost_of(proposals: Iterable[ProposedSeats]) -> dict[str, int]:
    """Return what districts pay for these seats by currency, as far as seat prices are known."""
    sums: Counter[str] = Counter()
    for proposal in proposals:
        if cost := proposal.cost:
            sums[cost.currency] += cost.minor
    return dict(sums)


def _price_of(proposal: ProposedSeats) -> Money | None:
    return None if proposal.seat_price_minor is None else Money(proposal.seat_price_minor, proposal.currency)


def _lock(what_if_id: int) -> WhatIf:
    lock_rows(WhatIf, what_if_id)
    return WhatIf.objects.select_related("workspace").get(pk=what_if_id)


def _checked(total_seats: int) -> int:
    if not 0 <= total_seats <= MAX_SEATS:
        raise invalid_field("total_seats", "out_of_range", f"Give a number from 0 to {MAX_SEATS:,}.")
    return total_seats
