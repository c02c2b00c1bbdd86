"""The seats of districts: what is used and left, and until when they last at the pace of the chosen days."""

import datetime as dt
import math

from django.db.models import Count, F

from backoffice.display import admin_url
from core import time_words
from enrollments.models import DistrictSeatAllocation, SeatAssignment
from enrollments.states import HELD_SEATS

from ..period import Period
from .figure import Asked, Figure, Level

SHOWN = 12
# Below these a pace is chance.
LEAST_DAYS = 7
LEAST_SEATS = 5
FARTHEST = dt.timedelta(days=3 * 365)


def seats(asked: Asked) -> list[Figure]:
    period = asked.period
    rows = asked.mine(DistrictSeatAllocation, "district__workspace").filter(is_active=True, total_seats__gt=0)
    fullest = rows.annotate(fullness=(F("reserved_seats") + F("used_seats")) * 1000 / F("total_seats"))
    allocations = list(
        fullest.select_related("district", "instance__program").order_by("-fullness", "district__name", "pk")
    )
    held = asked.mine(SeatAssignment, "allocation__district__workspace").filter(status__in=HELD_SEATS)
    taken = dict(held.filter(**period.during("reserved_at")).values_list("allocation").annotate(Count("pk")))
    told = {each.pk: foresee(each, taken.get(each.pk, 0), period) for each in allocations}
    return [
        Figure(
            name="seats",
            title="District seats, fullest first",
            help="Used = of approved enrollments. Reserved = held for enrollments that are not approved yet. Left = "
            "neither. Seats run out on the day on which none is left if as many are taken each day as on average in "
            f"the days above (column Taken); nothing is said for fewer than {LEAST_DAYS} days or {LEAST_SEATS} seats. "
            "Seats that were given back do not count as taken.",
            empty="No district has seats yet.",
            columns=(
                "District",
                "Program",
                "Term",
                "Total",
                "Used",
                "Reserved",
                "Left",
                "Taken",
                "Outlook",
            ),
            rows=[
                (
                    str(each.district),
                    str(each.instance.program) if each.instance else "All programs",
                    each.term,
                    str(each.total_seats),
                    str(each.used_seats),
                    str(each.reserved_seats),
                    str(each.available_seats),
                    str(taken.get(each.pk, 0)),
                    told[each.pk],
                )
                for each in allocations
            ],
            more_url=asked.scope.list_url(DistrictSeatAllocation),
            levels=[_level(each, told[each.pk]) for each in allocations[:SHOWN]],
            words=("used", "reserved"),
        )
    ]


def _level(allocation: DistrictSeatAllocation, outlook: str) -> Level:
    about = [str(allocation.district)]
    about += [str(allocation.instance.program)] if allocation.instance else []
    about += [allocation.term] if allocation.term else []
    return Level(
        name=", ".join(about),
        url=admin_url(allocation),
        firm=allocation.used_seats,
        pending=allocation.reserved_seats,
        left=allocation.available_seats,
        total=allocation.total_seats,
        note=outlook,
    )


def foresee(allocation: DistrictSeatAllocation, taken: int, period: Period) -> str:
    """In words, when the seats that are left run out if seats go on being taken as in the period."""
    left = allocation.available_seats
    if left == 0:
        return "None is left."
    if allocation.valid_until is not None and allocation.valid_until < period.today:
        return f"Ended on {time_words.day(allocation.valid_until)} with {left:,} left."
    if period.passed < LEAST_DAYS or taken < LEAST_SEATS:
        return "Too few were taken in these days to say when they run out."
    lasting = math.ceil(left * period.passed / taken)
    pace = _pace(taken, period.passed)
    if dt.timedelta(days=lasting) > FARTHEST:
        return f"Last for years at {pace}."
    runs_out = period.today + dt.timedelta(days=lasting)
    if allocation.valid_until is not None and runs_out > allocation.valid_until:
        remaining = (allocation.valid_until - period.today).days
        unused = max(left - round(remaining * taken / period.passed), 0)
        return f"About {unused:,} unused when they end on {time_words.day(allocation.valid_until)}, at {pace}."
    return f"Run out around {time_words.day(runs_out)} at {pace}."


def _pace(taken: int, days: int) -> str:
    a_day = taken / days
    if a_day >= 2:
        return f"{a_day:.0f} a day"
    return f"{7 * a_day:.0f} a week" if 7 * a_day >= 1 else f"{30 * a_day:.0f} a month"
