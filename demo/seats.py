"""A district that bought more seats, questions to the families of its idle seats, and a what-if about more seats."""

import datetime as dt

from core.actors import Actor
from core.local_time import local_date
from enrollments.allocations.idle.asking import ask_idle
from enrollments.allocations.idle.finding import set_idle_rule
from enrollments.allocations.what_if import ask_what_if, propose_seats
from enrollments.models import DistrictSeatAllocation
from enrollments.seats import update_allocation

from .catalog import Scene

MORE_SEATS = 6
IDLE_AFTER = 30  # days
ASKED_OF = dt.timedelta(days=180)


def ask_about_seats(scene: Scene, *, manager: Actor, now: dt.datetime) -> None:
    """Change a total, ask the families of idle seats whether they still come, and ask what twice as many seats would
    have meant for recent requests.
    """
    first = DistrictSeatAllocation.objects.filter(district__workspace=scene.workspace, instance__isnull=True)
    allocation = first.order_by("id")[0]
    update_allocation(
        allocation_id=allocation.pk,
        total_seats=allocation.total_seats + MORE_SEATS,
        actor=manager,
        reason="Order 2026-117: another class at the middle school",
        now=now,
    )
    set_idle_rule(allocation_id=allocation.pk, idle_days=IDLE_AFTER, grace_days=7, now=now)
    ask_idle(now=now)
    today = local_date(now, scene.workspace.timezone)
    what_if = ask_what_if(
        workspace_id=scene.workspace.pk,
        name="Twice as many seats",
        first_day=today - ASKED_OF,
        last_day=today,
        actor=manager,
        now=now,
    )
    doubled = {proposal.pk: 2 * proposal.total_seats for proposal in what_if.proposals.all()}
    propose_seats(what_if_id=what_if.pk, totals=doubled, now=now)
