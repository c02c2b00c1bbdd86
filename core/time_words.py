"""How times are written for people in pages, mails, and lists: always with their zone."""

import datetime as dt
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import ParamSpec, TypeVar
from zoneinfo import ZoneInfo

from django.utils.dateformat import format, time_format
from django.utils.translation import get_language, gettext_noop
from django.utils.translation import gettext as _

P = ParamSpec("P")
T = TypeVar("T", bound=str)

_WEEKLY = (
    gettext_noop("Mondays"),
    gettext_noop("Tuesdays"),
    gettext_noop("Wednesdays"),
    gettext_noop("Thursdays"),
    gettext_noop("Fridays"),
    gettext_noop("Saturdays"),
    gettext_noop("Sundays"),
)
_UTC = {"UTC", "Etc/UTC", "Etc/UCT", "Etc/Universal", "Etc/Zulu", "UCT", "Universal", "Zulu"}


def written_once(write: Callable[P, T]) -> Callable[P, T]:
    """Cache the text for each language: a course page writes the same hundred times for each visitor.

    For functions that receive moments and the name of the zone to write them in. Moments are equal whatever zone they
    carry, so nothing that depends on that zone may be cached.
    """

    @lru_cache(maxsize=4096)
    def _known(language: str | None, *args: P.args, **kwargs: P.kwargs) -> T:
        return write(*args, **kwargs)

    @wraps(write)
    def _written(*args: P.args, **kwargs: P.kwargs) -> T:
        return _known(get_language(), *args, **kwargs)  # type: ignore[arg-type]  # its stub wants Hashable

    return _written


def day(date: dt.date) -> str:
    """Oct 6, 2026"""
    return format(date, _("M j, Y"))


def plain_day(date: dt.date) -> str:
    """October 6, 2026, as used in letters"""
    return format(date, _("F j, Y"))


def full_day(date: dt.date) -> str:
    """Tuesday, October 6, 2026"""
    return format(date, _("l, F j, Y"))


def weekday(date: dt.date) -> str:
    """Tuesday, October 6"""
    return format(date, _("l, F j"))


def term(first: dt.date, last: dt.date) -> str:
    """October 6, 2026 to January 5, 2027"""
    return _("%(begin)s to %(end)s") % {"begin": plain_day(first), "end": plain_day(last)}


def stamp(local: dt.datetime) -> str:
    """Oct 6, 2026, 5:00 PM CDT"""
    return f"{day(local)}, {clock(local)} {zone_label(local)}"


def clock(local: dt.datetime | dt.time) -> str:
    """5:00 PM"""
    return time_format(local, _("g:i A"))


def zone_label(local: dt.datetime) -> str:
    """What a zone is called at a moment: CDT, or UTC-03:00 where it has no abbreviation."""
    label = f"{local:%Z}"
    if label.isalpha():
        return label
    offset = f"{local:%z}"
    return f"UTC{offset[:3]}:{offset[3:5]}"


def zone_name(zone: str) -> str:
    """A zone whatever the season, for what recurs over months: Chicago time."""
    if zone in _UTC:
        return "UTC"
    return _("%(city)s time") % {"city": zone.rpartition("/")[2].replace("_", " ")}


def span(start: dt.datetime, end: dt.datetime) -> str:
    """5:00 to 6:30 PM, or 11:00 AM to 12:30 PM"""
    is_one_half = start.hour // 12 == end.hour // 12 and start.date() == end.date()
    begins = time_format(start, _("g:i")) if is_one_half else clock(start)
    return _("%(begin)s to %(end)s") % {"begin": begins, "end": clock(end)}


@written_once
def hours(starts_at: dt.datetime, ends_at: dt.datetime, zone: str) -> str:
    """5:00 to 6:30 PM CDT, as the zone's clocks show it"""
    start = starts_at.astimezone(ZoneInfo(zone))
    end = ends_at.astimezone(ZoneInfo(zone))
    return f"{span(start, end)} {zone_label(start)}"


@written_once
def weekly(starts_at: dt.datetime, ends_at: dt.datetime, zone: str) -> str:
    """Tuesdays, 5:00 to 6:30 PM, Chicago time: the clock time stays while its offset from UTC changes"""
    start = starts_at.astimezone(ZoneInfo(zone))
    end = ends_at.astimezone(ZoneInfo(zone))
    return f"{_(_WEEKLY[start.weekday()])}, {span(start, end)}, {zone_name(zone)}"


@written_once
def meeting(starts_at: dt.datetime, ends_at: dt.datetime, zone: str) -> str:
    """Tuesday, October 6, 5:00 to 6:00 PM CDT (America/Chicago)"""
    start = starts_at.astimezone(ZoneInfo(zone))
    return f"{weekday(start)}, {_named(hours(starts_at, ends_at, zone), start, zone)}"


@written_once
def moment(at: dt.datetime, zone: str) -> str:
    """Tuesday, October 6, 5:00 PM CDT (America/Chicago)"""
    local = at.astimezone(ZoneInfo(zone))
    return f"{weekday(local)}, {_named(f'{clock(local)} {zone_label(local)}', local, zone)}"


def _named(text: str, local: dt.datetime, zone: str) -> str:
    return text if zone_label(local) == zone else f"{text} ({zone})"
