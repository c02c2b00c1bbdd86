"""What staff, districts, and sweeps do at once with allocations of seats, with idle seats, and with what-ifs."""

import datetime as dt
from collections.abc import Iterator

from enrollments.allocations.contact import resume_mails, stop_mails
from enrollments.allocations.idle.asking import FAMILY, ask_idle, keep_seat, stop_asking
from enrollments.allocations.idle.finding import set_idle_rule
from enrollments.allocations.idle.reclaiming import reclaim_due
from enrollments.allocations.renewal import renew_allocation
from enrollments.allocations.roster import assign_roster
from enrollments.allocations.usage import write_about_seats
from enrollments.allocations.what_if import add_proposal, ask_what_if, make_allocations, propose_seats
from enrollments.models import District, DistrictSeatAllocation, IdleSeat, WhatIf
from enrollments.seats import create_allocation, recount_seats, update_allocation
from enrollments.tests.factories import STAFF

from ..any_order import pick
from .acting import Acting, Step

ALLOCATIONS = DistrictSeatAllocation.objects.all()
ASKED_ABOUT = IdleSeat.objects.filter(status="asked")
LATER = dt.timedelta(days=40)  # by when a seat that was taken today is idle


def allocations(act: Acting) -> Iterator[Step]:
    yield lambda: _create_an_allocation(act)
    yield lambda: _renew_an_allocation(act)
    yield lambda: act.on(ALLOCATIONS, recount_seats, "allocation_id")
    yield lambda: _switch_an_allocation_off_and_on(act)
    yield lambda: _give_seats_to_a_list(act)
    yield lambda: act.on(District.objects.all(), stop_mails, "district_id")
    yield lambda: _resume_mails(act)
    yield lambda: act.attempt(write_about_seats)


def idle_seats(act: Acting) -> Iterator[Step]:
    yield lambda: act.on(
        ALLOCATIONS, set_idle_rule, "allocation_id", idle_days=act.chance.choice([None, 7, 30]), grace_days=3
    )
    yield lambda: _ask_idle(act)
    yield lambda: _settle_an_idle_seat(act)
    yield lambda: _reclaim_idle(act)


def what_ifs(act: Acting) -> Iterator[Step]:
    yield lambda: act.attempt(
        ask_what_if,
        workspace_id=act.workspace.pk,
        name="More seats",
        first_day=act.now.date(),
        last_day=act.now.date(),
        actor=STAFF,
    )
    yield lambda: _propose_seats(act)
    yield lambda: _add_a_proposal(act)
    yield lambda: _make_allocations(act)


def _create_an_allocation(act: Acting) -> None:
    act.attempt(
        create_allocation,
        workspace_id=act.workspace.pk,
        tenant_id=act.chance.randrange(1, 4),
        total_seats=act.chance.randrange(3),
        instance_id=act.chance.choice([None, act.instance.pk, act.cohort.instance_id]),
        term=act.chance.choice(["", "Spring", "Summer"]),
    )


def _renew_an_allocation(act: Acting) -> None:
    begins = act.now.date() + dt.timedelta(days=act.chance.choice([0, 0, 300]))
    act.on(ALLOCATIONS, renew_allocation, "allocation_id", term=act.chance.choice(["", "Next"]), valid_from=begins)


def _switch_an_allocation_off_and_on(act: Acting) -> None:
    allocation = pick(ALLOCATIONS, act.nth())
    for is_active in (False, True):
        act.attempt(update_allocation, allocation_id=allocation.pk, is_active=is_active, actor=STAFF)


def _give_seats_to_a_list(act: Acting) -> None:
    people = act.chance.sample(range(1, 8), 3)
    text = "email,first_name,last_name\n" + "".join(f"l{n}@school.test,L{n},Doe\n" for n in people)
    allocation = pick(ALLOCATIONS, act.nth())
    instance = act.chance.choice([act.instance.pk, act.cohort.instance_id])
    act.attempt(assign_roster, allocation_id=allocation.pk, instance_id=instance, text=text, actor=STAFF)


def _resume_mails(act: Acting) -> None:
    district = pick(District.objects.all(), act.nth())

    def resume_the_mails(*, now: dt.datetime) -> None:
        resume_mails(district_id=district.pk)

    act.attempt(resume_the_mails)


def _ask_idle(act: Acting) -> None:
    def ask_idle_later(*, now: dt.datetime) -> None:
        ask_idle(now=now + LATER)

    act.attempt(ask_idle_later)


def _settle_an_idle_seat(act: Acting) -> None:
    """Ask, and let somebody answer at once."""
    _ask_idle(act)
    if act.yes():
        act.on(ASKED_ABOUT, keep_seat, "idle_seat_id", actor=FAMILY)
    else:
        act.on(ASKED_ABOUT, stop_asking, "idle_seat_id", actor=STAFF)


def _reclaim_idle(act: Acting) -> None:
    """Take back what nobody has kept, as if its deadline had passed."""

    def reclaim_later(*, now: dt.datetime) -> None:
        reclaim_due(now=now + 2 * LATER)

    act.attempt(reclaim_later)


def _propose_seats(act: Acting) -> None:
    what_if = pick(WhatIf.objects.all(), act.nth())
    totals = {pk: act.nth() for pk in what_if.proposals.values_list("pk", flat=True)}
    act.attempt(propose_seats, what_if_id=what_if.pk, totals=totals)


def _add_a_proposal(act: Acting) -> None:
    district = pick(District.objects.all(), act.nth())
    instance = act.chance.choice([None, act.instance.pk, act.cohort.instance_id])
    act.on(
        WhatIf.objects.all(),
        add_proposal,
        "what_if_id",
        district_id=district.pk,
        instance_id=instance,
        total_seats=act.nth(),
    )


def _make_allocations(act: Acting) -> None:
    begins = act.now.date()
    act.on(
        WhatIf.objects.all(),
        make_allocations,
        "what_if_id",
        term=act.chance.choice(["Autumn", "Winter"]),
        valid_from=begins,
        valid_until=begins + dt.timedelta(days=90),
    )
