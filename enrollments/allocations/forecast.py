"""How long an allocation's seats last, at the rate at which they were taken over some days."""

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.db.models import Count

from core import time_words
from core.local_time import local_date

from ..models import DistrictSeatAllocation, SeatAssignment
from ..states import HELD_SEATS

WINDOW = dt.timedelta(weeks=4)
# With fewer than these, a rate is mere chance.
LEAST_DAYS = 7
LEAST_SEATS = 5
FARTHEST = dt.timedelta(days=3 * 365)


@dataclass(frozen=True, slots=True)
class Forecast:
    """What happens to the `left` seats if seats continue to be taken at the rate of `taken` in `days` days.

    `runs_out_on` is the day on which none is left; if the allocation ends first, `unused` are left on its last day.
    Both are None if no forecast is possible or no seat is left.
    """

    left: int
    taken: int
    days: int
    ends_on: dt.date | None
    is_over: bool
    runs_out_on: dt.date | None = None
    unused: int | None = None

    def __str__(self) -> str:
        if self.left == 0:
            return "None is left."
        if self.is_over and self.ends_on:
            return f"Ended on {time_words.day(self.ends_on)} with {self.left:,} left."
        if not _is_enough(self.taken, self.days):
            return "Too few were taken in these days to say when they run out."
        pace = _pace(self.taken, self.days)
        if self.unused is not None and self.ends_on:
            return f"About {self.unused:,} unused when they end on {time_words.day(self.ends_on)}, at {pace}."
        if self.runs_out_on is None:
            return f"Last for years at {pace}."
        return f"Run out around {time_words.day(self.runs_out_on)} at {pace}."


def foresee(allocation: DistrictSeatAllocation, *, taken: int, days: int, today: dt.date) -> Forecast:
    """Return the forecast of an allocation of which `taken` seats were taken in the `days` days up to today."""
    left = allocation.available_seats
    ends = allocation.valid_until
    is_over = ends is not None and ends < today
    known = Forecast(left=left, taken=taken, days=days, ends_on=ends, is_over=is_over)
    if left == 0 or is_over or not _is_enough(taken, days):
        return known
    lasting = math.ceil(left * days / taken)
    if dt.timedelta(days=lasting) > FARTHEST:
        return known
    runs_out = today + dt.timedelta(days=lasting)
    if ends is not None and runs_out > ends:
        unused = max(left - round((ends - today).days * taken / days), 0)
        return replace(known, unused=unused)
    return replace(known, runs_out_on=runs_out)


def forecast_seats(allocations: Sequence[DistrictSeatAllocation], *, now: dt.datetime) -> dict[int, Forecast]:
    """Return the forecast of each of these allocations, which come with their district and workspace, based on the last
    four weeks; one query for all. Seats that were given back do not count as taken.
    """
    held = SeatAssignment.objects.filter(
        allocation__in=allocations, status__in=HELD_SEATS, reserved_at__gt=now - WINDOW
    )
    taken = dict(held.values_list("allocation").annotate(Count("pk"))) if allocations else {}
    told = {}
    for each in allocations:
        today = local_date(now, each.zone)
        opened = max(local_date(each.created_at, each.zone), each.valid_from or dt.date.min)
        days = max(min((today - opened).days, WINDOW.days), 0)
        told[each.pk] = foresee(each, taken=taken.get(each.pk, 0), days=days, today=today)
    return told


def _is_enough(taken: int, days: int) -> bool:
    return days >= LEAST_DAYS and taken >= LEAST_SEATS


def _pace(taken: int, days: int) -> str:
    a_day = taken / days
    if a_day >= 2:
        return f"{a_day:.0f} a day"
    return f"{7 * a_day:.0f} a week" if 7 * a_day >= 1 else f"{30 * a_day:.0f} a month"
