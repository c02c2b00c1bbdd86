"""When a cohort runs, and when a session meets in the zone that is current in the template. Filters, because the
template's own take eight for one session, and a page of cohorts writes hundreds."""

import datetime as dt

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime

from ..models import ClassSession, Cohort

register = template.Library()


@register.filter
def hours(session: ClassSession) -> str:
    """5:00 to 6:30 PM CDT"""
    start, end = localtime(session.starts_at), localtime(session.ends_at)
    begins = f"{start:%-I:%M}" if start.hour // 12 == end.hour // 12 else f"{start:%-I:%M %p}"
    return f"{begins} to {end:%-I:%M %p %Z}"


@register.filter
def weekly(session: ClassSession) -> str:
    """Tuesdays, 5:00 to 6:30 PM CDT"""
    return f"{localtime(session.starts_at):%A}s, {hours(session)}"


@register.filter
def meets(session: ClassSession) -> SafeString:
    """Tuesday, October 6, 5:00 to 6:30 PM CDT, as a machine can read it as well."""
    start = localtime(session.starts_at)
    return format_html(
        '<time datetime="{}">{}</time>, <span class="hours">{}</span>',
        start.isoformat(),
        f"{start:%A, %B} {start.day}",
        hours(session),
    )


@register.filter
def term(cohort: Cohort) -> str:
    """Oct 6 to Dec 1, 2026, or Oct 6, 2026 to Jan 5, 2027; a line breaks between the dates only."""
    first, last = cohort.start_date, cohort.end_date
    year = "" if first.year == last.year else f", {first.year}"
    return f"{_whole(f'{first:%b} {first.day}{year}')} to {_whole(f'{last:%b} {last.day}, {last.year}')}"


@register.filter
def moment(at: dt.datetime) -> str:
    """Oct 6, 2026, 5:00 PM CDT; a line breaks between day and time only."""
    local = localtime(at)
    return f"{_whole(f'{local:%b} {local.day}, {local.year},')} {_whole(f'{local:%-I:%M %p %Z}')}"


def _whole(text: str) -> str:
    return text.replace(" ", "\N{NO-BREAK SPACE}")
