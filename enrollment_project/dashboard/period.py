"""The days for which the front page shows figures, by the workspace's clock. The address holds the choice."""

import datetime as dt
from dataclasses import dataclass, replace

from django.core.exceptions import BadRequest
from django.db.models import Max, Min
from django.http import HttpRequest

from accounts.roles import Power
from core import time_words
from core.errors import Invalid
from core.local_time import check_date, local_date, to_instant
from enrollments.models import ProgramInstance

from .scope import Scope

PARAMETER = "range"
DEFAULT = "30"
LONGEST = 366
# How many days each choice covers, including today; a term's days and custom days are computed.
CHOICES: dict[str, tuple[str, int]] = {
    "today": ("Today", 1),
    "7": ("7 days", 7),
    "30": ("30 days", 30),
    "90": ("90 days", 90),
    "term": ("Term", 0),
    "custom": ("Other days", 0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """From the first day to the last, inclusive; `fault` says why these are not the days that were requested."""

    choice: str
    first: dt.date
    last: dt.date
    today: dt.date
    zone: str
    fault: str = ""

    @property
    def begins_at(self) -> dt.datetime:
        return _midnight(self.first, self.zone)

    @property
    def ends_at(self) -> dt.datetime:
        """Return the moment its last day ends."""
        return _midnight(self.last + dt.timedelta(days=1), self.zone)

    @property
    def days(self) -> list[dt.date]:
        return [self.first + dt.timedelta(days=offset) for offset in range((self.last - self.first).days + 1)]

    @property
    def passed(self) -> int:
        """Return how many of its days have begun."""
        return max((min(self.last, self.today) - self.first).days + 1, 0)

    @property
    def words(self) -> str:
        if self.first == self.last:
            return time_words.day(self.first)
        return f"{time_words.day(self.first)} to {time_words.day(self.last)}"

    def only(self, day: dt.date) -> "Period":
        """Return a period of just one of its days."""
        return replace(self, first=day, last=day)

    def during(self, field: str) -> dict[str, dt.datetime]:
        """Return lookups for rows whose moment is in the period, in a form that lists understand too."""
        return {f"{field}__gte": self.begins_at, f"{field}__lt": self.ends_at}


def _midnight(date: dt.date, zone: str) -> dt.datetime:
    return to_instant(date=date, time=dt.time.min, zone=zone).at


def period_of(request: HttpRequest, scope: Scope, *, now: dt.datetime) -> Period:
    """Return the period that the address asks for. Raise BadRequest for a choice that the page does not offer."""
    today = local_date(now, scope.zone)
    choice = request.GET.get(PARAMETER, DEFAULT)
    if choice not in CHOICES:
        raise BadRequest("There is no such range of days. Open the dashboard again and choose one that it offers.")
    days = CHOICES[choice][1]
    if days:
        return _ending_today(days, choice, today, scope.zone)
    found = _term(scope, today) if choice == "term" else _own(request)
    if isinstance(found, str):
        return _ending_today(CHOICES[DEFAULT][1], choice, today, scope.zone, found)
    first, last = found
    return Period(choice=choice, first=first, last=last, today=today, zone=scope.zone)


def _ending_today(days: int, choice: str, today: dt.date, zone: str, fault: str = "") -> Period:
    first = today - dt.timedelta(days=days - 1)
    return Period(choice=choice, first=first, last=today, today=today, zone=zone, fault=fault)


def _term(scope: Scope, today: dt.date) -> tuple[dt.date, dt.date] | str:
    """Return the first and last day of the program instances that run today, a year at most."""
    mine = scope.access.limit(ProgramInstance.objects.order_by(), path="workspace", power=Power.VIEW)
    running = mine.filter(active=True, start_date__lte=today, end_date__gte=today)
    found = running.aggregate(first=Min("start_date"), last=Max("end_date"))
    if found["first"] is None:
        return "No program instance with a first and a last day is running today. Showing the last 30 days."
    earliest = max(found["first"], today - dt.timedelta(days=LONGEST - 1))
    return earliest, min(found["last"], earliest + dt.timedelta(days=LONGEST - 1))


def _own(request: HttpRequest) -> tuple[dt.date, dt.date] | str:
    try:
        first, last = (dt.date.fromisoformat(request.GET.get(name, "")) for name in ("from", "to"))
        check_date(first)
        check_date(last)
    except (ValueError, Invalid):
        return "Give a first and a last day. Showing the last 30 days."
    if last < first:
        return "The last day is before the first. Showing the last 30 days."
    if (last - first).days >= LONGEST:
        return f"Choose {LONGEST} days at most. Showing the last 30 days."
    return first, last
