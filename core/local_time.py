"""Local dates and times: what a clock on a wall shows, which moment that is, and what day it is somewhere.

Clocks are put forward and back, so a local time may not exist on its date, or may occur twice. One rule covers all of
them: a time that does not exist moves forward by the gap, a repeated time means the first occurrence, and what lasts an
hour lasts an hour. This module makes every conversion between local times and moments.
"""

import datetime as dt
import functools
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils.translation import gettext

from .errors import invalid_field
from .time_words import clock, day

# The dates people mean. Dates beyond these are typing errors, and at the ends of the calendar a date has no valid
# moment.
FIRST_DAY = dt.date(1900, 1, 1)
LAST_DAY = dt.date(2199, 12, 31)

# Names in the time zone database's files that are not the zone of any place.
_NO_PLACE = {"Factory", "localtime", "posixrules"}


class Clock(StrEnum):
    """Whether a local time exists once, is skipped, or is repeated on its date."""

    PLAIN = "plain"
    SKIPPED = "skipped"  # the clock is put forward past it
    REPEATED = "repeated"  # the clock is put back over it


@dataclass(frozen=True, slots=True)
class Instant:
    """The moment of a local time; `said` is the local time as given."""

    at: dt.datetime
    said: dt.datetime
    zone: str
    clock: Clock

    @property
    def note(self) -> str:
        """Return what to tell the person who entered the time; empty if there is nothing to say."""
        is_now = wall_clock(self.at, self.zone)
        said, becomes = (f"{day(local)}, {clock(local)}" for local in (self.said, is_now))
        if self.clock == Clock.SKIPPED:
            return f"{said} does not exist in {self.zone}: the clocks go forward. It becomes {becomes}."
        if self.clock == Clock.REPEATED:
            return f"{said} occurs twice in {self.zone}: the clocks go back. The first one is used."
        return ""


@dataclass(frozen=True, slots=True)
class Meeting:
    """When something takes place between two local times. It lasts as long as on a day without a clock change."""

    starts_at: dt.datetime
    ends_at: dt.datetime
    note: str


def to_instant(*, date: dt.date, time: dt.time, zone: str) -> Instant:
    """Return the moment of a local time. Raises Invalid, naming `date`, for one outside FIRST_DAY to LAST_DAY."""
    check_date(date)
    said = dt.datetime.combine(date, time.replace(tzinfo=None, fold=0))
    local = said.replace(tzinfo=ZoneInfo(zone))
    # Before a gap the old offset applies (PEP 495, fold=0), which moves a skipped time forward by the length of the
    # gap.
    at = local.astimezone(dt.UTC)
    if wall_clock(at, zone) != said:
        return Instant(at, said, zone, Clock.SKIPPED)
    is_repeated = local.utcoffset() != local.replace(fold=1).utcoffset()
    return Instant(at, said, zone, Clock.REPEATED if is_repeated else Clock.PLAIN)


def meeting_on(*, date: dt.date, start: dt.time, end: dt.time, zone: str) -> Meeting:
    """Return the meeting from `start` until `end` by the clock; an end that is not after the start is on the next day.

    Raises Invalid, naming `date`, for a date outside FIRST_DAY to LAST_DAY.
    """
    begins = to_instant(date=date, time=start, zone=zone)
    return Meeting(begins.at, begins.at + clock_duration(start, end), begins.note)


def clock_duration(start: dt.time, end: dt.time) -> dt.timedelta:
    """Return how long it is from one time of day to the next occurrence of another."""
    day = dt.date(2000, 1, 1)
    return (dt.datetime.combine(day, end) - dt.datetime.combine(day, start)) % dt.timedelta(days=1) or dt.timedelta(
        days=1
    )


def wall_clock(at: dt.datetime, zone: str) -> dt.datetime:
    """Return what a clock in the zone shows at a moment, without a zone."""
    return at.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)


def local_date(now: dt.datetime, zone: str) -> dt.date:
    """Return the date in a zone at a moment. Anything with a date ends with that day in the zone it belongs to."""
    return now.astimezone(ZoneInfo(zone)).date()


def check_date(date: dt.date, field: str = "date") -> None:
    """Raise Invalid, naming the field, for a date outside FIRST_DAY to LAST_DAY."""
    if not FIRST_DAY <= date <= LAST_DAY:
        raise invalid_field(field, "out_of_range", _tell_range())


def validate_date(date: dt.date) -> None:
    """Do the same for a field of a model or a form."""
    if not FIRST_DAY <= date <= LAST_DAY:
        raise ValidationError(_tell_range(), code="out_of_range")


def _tell_range() -> str:
    return gettext("Give a date from %(first)s to %(last)s.") % {"first": FIRST_DAY.year, "last": LAST_DAY.year}


# --- Zones ------------------------------------------------------------------------------------------------------------


@functools.cache
def known_zones() -> frozenset[str]:
    """Return the zones of the IANA time zone database."""
    return frozenset(available_timezones()) - _NO_PLACE


def validate_timezone(name: str) -> None:
    """Accept names of the IANA time zone database only."""
    if name not in known_zones():
        raise ValidationError(f"{name} is not a time zone; give a name like America/Chicago.")


def is_not_over(*, now: dt.datetime, date: str, zone: str) -> Q:
    """Select rows whose date has not passed by the clock of the zone they name; `date` and `zone` are their lookups.

    At any moment there are at most three dates on earth, so this compares with those and names the zones of each.
    """
    quarter = now.astimezone(dt.UTC).replace(minute=now.minute // 15 * 15, second=0, microsecond=0)
    *earlier, (latest, _) = _dates_on_earth(quarter)
    lasting = Q(**{f"{date}__gte": latest})
    for last_day, zones in earlier:
        lasting |= Q(**{date: last_day, f"{zone}__among": zones})
    return lasting


def has_come(*, now: dt.datetime, date: str, zone: str) -> Q:
    """Select rows whose date has begun by the clock of the zone they name; `date` and `zone` are their lookups."""
    quarter = now.astimezone(dt.UTC).replace(minute=now.minute // 15 * 15, second=0, microsecond=0)
    dates = _dates_on_earth(quarter)
    come = Q(**{f"{date}__lte": dates[0][0]})
    for (_, behind), (next_day, _) in pairwise(dates):
        come |= Q(**{date: next_day}) & ~Q(**{f"{zone}__among": behind})
    return come


@functools.lru_cache(maxsize=4)
def _dates_on_earth(quarter: dt.datetime) -> list[tuple[dt.date, list[str]]]:
    """Return the current dates on earth, first to last, each with the zones that have that date or an earlier one.

    Present offsets are whole quarters of an hour, so a date lasts at least until the next quarter.
    """
    today = {name: local_date(quarter, name) for name in sorted(known_zones())}
    return [(day, [name for name, local in today.items() if local <= day]) for day in sorted(set(today.values()))]
