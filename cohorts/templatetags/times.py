"""When a cohort runs, and when a session meets in the template's current time zone. These are filters, because the
template's own would take eight for one session, and a page of cohorts writes hundreds.
"""

import datetime as dt
from zoneinfo import ZoneInfo

from django import template
from django.utils.dateformat import format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import get_current_timezone_name, localtime
from django.utils.translation import gettext as _

from core import time_words

from ..models import ClassSession, Cohort

register = template.Library()


@register.filter
def hours(session: ClassSession) -> str:
    """For example: 5:00 to 6:30 PM CDT"""
    return time_words.hours(session.starts_at, session.ends_at, get_current_timezone_name())


@register.filter
def weekly(session: ClassSession, zone: str) -> str:
    """For example: Tuesdays, 5:00 to 6:30 PM, Chicago time"""
    return time_words.weekly(session.starts_at, session.ends_at, zone)


@register.filter
def meets(session: ClassSession, home: str = "") -> SafeString:
    """For example: Tuesday, October 6, 5:00 to 6:30 PM CDT, also machine-readable. With `home`, the time zone of its
    cohort, which mails use, that zone's time is added if it differs: (6:00 to 7:30 PM EDT).
    """
    return _meets(session.starts_at, session.ends_at, get_current_timezone_name(), home)


@time_words.written_once
def _meets(starts_at: dt.datetime, ends_at: dt.datetime, zone: str, home: str) -> SafeString:
    start = starts_at.astimezone(ZoneInfo(zone))
    there = ""
    if home and start.utcoffset() != starts_at.astimezone(ZoneInfo(home)).utcoffset():
        there = f" ({time_words.hours(starts_at, ends_at, home)})"
    return format_html(
        '<time datetime="{}">{}</time>, <span class="hours">{}</span>{}',
        start.isoformat(),
        time_words.weekday(start),
        time_words.hours(starts_at, ends_at, zone),
        format_html('<span class="home-hours">{}</span>', there) if there else "",
    )


@register.filter
def term(cohort: Cohort) -> str:
    """For example: Oct 6 to Dec 1, 2026, or Oct 6, 2026 to Jan 5, 2027; lines break only between the dates."""
    first = cohort.start_date
    last = cohort.end_date
    begin = format(first, _("M j")) if first.year == last.year else time_words.day(first)
    return _("%(begin)s to %(end)s") % {"begin": _whole(begin), "end": _whole(time_words.day(last))}


@register.filter
def moment(at: dt.datetime) -> str:
    """For example: Oct 6, 2026, 5:00 PM CDT; lines break only between date and time."""
    local = localtime(at)
    day = f"{time_words.day(local)},"
    time = f"{time_words.clock(local)} {time_words.zone_label(local)}"
    return f"{_whole(day)} {_whole(time)}"


def _whole(text: str) -> str:
    return text.replace(" ", "\N{NO-BREAK SPACE}")
