"""Sessions for calendar applications: a feed under a secret URL, and one session as a file (RFC 5545).

Times are moments in UTC, which every application shows in its owner's time zone, summer and winter. A step's session
keeps its UID when it is moved or swapped, with a higher SEQUENCE, so the entry moves instead of being duplicated. A
session that is given back is marked as canceled, and stays in the feed for CANCELLED_SHOWN, because applications that
merge a feed would otherwise keep it. Files in mails state their METHOD (RFC 5546): PUBLISH, or CANCEL for a canceled
session.
"""

import datetime as dt
from collections.abc import Iterable
from email.utils import parseaddr
from urllib.parse import urlsplit

from django.conf import settings
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext
from icalendar import Calendar, Event, vCalAddress, vText

from accounts.families import learners_of, require_family
from accounts.models import User
from core.errors import NotFound, require

from ..models import CalendarFeed, StepProgress
from ..models.calendar import new_token
from ..states import SEATED

# How long a past session stays in the feed, and how often applications should refresh it.
PAST_SHOWN = dt.timedelta(days=90)
REFRESH_EVERY = dt.timedelta(hours=1)
# How long a session is shown as canceled after it was given back.
CANCELLED_SHOWN = dt.timedelta(days=30)


def find_feed(*, user: User) -> CalendarFeed | None:
    """Return the person's feed, if they have one."""
    return CalendarFeed.objects.filter(user=user).first()


def open_feed(*, user: User) -> CalendarFeed:
    """Return the person's feed, creating it if they have none."""
    feed, _ = CalendarFeed.objects.get_or_create(user=user)
    return feed


def renew_feed(*, user: User, now: dt.datetime) -> CalendarFeed:
    """Give the person's feed a new URL; the old one stops working."""
    feed, _ = CalendarFeed.objects.update_or_create(user=user, defaults={"token": new_token(), "created_at": now})
    return feed


def close_feed(*, user: User) -> None:
    """Delete the person's feed. Without one, nothing changes."""
    CalendarFeed.objects.filter(user=user).delete()


def feed_url(feed: CalendarFeed) -> str:
    """Return the URL where calendar applications find the feed."""
    return f"{settings.PUBLIC_URL}{reverse('calendar-feed', args=[feed.token])}"


def subscribe_url(feed: CalendarFeed) -> str:
    """Return the same URL in the form that opens a calendar application instead of a download."""
    return f"webcal:{feed_url(feed).partition(':')[2]}"


def get_feed_owner(*, token: str) -> User:
    """Return the user whose sessions this token shows. Raises NotFound, also if they left, and AddressUnproven."""
    feed = CalendarFeed.objects.select_related("user").filter(token=token, user__is_active=True).first()
    if feed is None:
        raise NotFound("There is no such calendar.")
    return require_family(feed.user)


def sessions_of(user: User) -> QuerySet[StepProgress]:
    """Return the steps that hold a seat in a session, of the learners a person may act for, soonest first."""
    seated = StepProgress.objects.of_live_packages().seated().filter(package__learner__in=learners_of(user))
    return seated.select_related(
        "step", "class_session__group_class", "package__learner", "package__program", "package__cohort"
    ).order_by("class_session__starts_at", "pk")


def get_session_of(user: User, *, progress_id: int) -> StepProgress:
    """Return one of those steps. Raises NotFound for anybody else's and for a step without a session."""
    row = sessions_of(user).filter(pk=progress_id).first()
    if row is None:
        raise NotFound("There is no such session among yours.")
    return row


def cancelled_of(user: User, *, since: dt.datetime) -> QuerySet[StepProgress]:
    """Return steps whose session was given back since then and not replaced, including those of refunded courses."""
    given_back = StepProgress.objects.filter(
        package__learner__in=learners_of(user), last_session__isnull=False, changed_at__gte=since
    ).exclude(status__in=SEATED)
    return given_back.select_related(
        "step", "last_session__group_class", "package__learner", "package__program", "package__cohort"
    ).order_by("last_session__starts_at", "pk")


def render_feed(*, user: User, now: dt.datetime) -> bytes:
    """Return the person's feed: future sessions, those of the last PAST_SHOWN, and the canceled ones among them."""
    rows = list(sessions_of(user).filter(class_session__starts_at__gte=now - PAST_SHOWN))
    rows += cancelled_of(user, since=now - CANCELLED_SHOWN).filter(last_session__starts_at__gte=now - PAST_SHOWN)
    calendar = _calendar(rows, name_learners=len({row.package.learner_id for row in rows}) > 1)
    with translation.override(user.language or settings.LANGUAGE_CODE):  # the fetching application requests none
        calendar.calendar_name = gettext("Courses")
    calendar.refresh_interval = REFRESH_EVERY
    calendar.add("X-PUBLISHED-TTL", "PT1H")  # read by Outlook instead
    return bytes(calendar.to_ical())


def render_session(*, row: StepProgress) -> bytes:
    """Return one booked session as a file to import; its step, class, and course come with the row."""
    return render_sessions(rows=[row])


def render_sessions(*, rows: Iterable[StepProgress]) -> bytes:
    """Return booked sessions of one learner as a file to attach to a mail."""
    return bytes(_calendar(rows, name_learners=False, method="PUBLISH").to_ical())


def render_cancellation(*, row: StepProgress) -> bytes:
    """Return the cancellation of a step's session as a file to attach to a mail."""
    return bytes(_calendar([row], name_learners=False, method="CANCEL").to_ical())


def _calendar(rows: Iterable[StepProgress], *, name_learners: bool, method: str = "") -> Calendar:
    calendar = Calendar()
    calendar.add("prodid", "-//Enrollment Platform//Courses//EN")
    calendar.add("version", "2.0")
    if method:
        calendar.add("method", method)
    for row in rows:
        calendar.add_component(_event(row, name_learner=name_learners))
    return calendar


def _event(row: StepProgress, *, name_learner: bool) -> Event:
    is_off = row.class_session is None
    session = require(row.class_session or row.last_session, "a step in a calendar has or had a session")
    group_class = session.group_class
    title = f"{row.package.program.title}: {row.step.label}"
    # Both stamps mean the last change here: each entry is written from the row as it was then.
    changed_at = (row.changed_at or row.booked_at or session.starts_at).astimezone(dt.UTC)
    event = Event()
    event.add("uid", f"session-{row.pk}@{urlsplit(settings.PUBLIC_URL).hostname}")
    event.add("sequence", row.sequence)
    event.add("dtstamp", changed_at)
    event.add("last-modified", changed_at)
    event.add("status", "CANCELLED" if is_off else "CONFIRMED")
    event.add("dtstart", session.starts_at.astimezone(dt.UTC))
    event.add("dtend", session.ends_at.astimezone(dt.UTC))
    event.add("organizer", _organizer(row))
    event.add("summary", f"{row.package.learner.first_name}: {title}" if name_learner else title)
    lines = [row.step.title, group_class.name, group_class.teacher, group_class.meeting_url]
    event.add("description", "\n".join(line for line in lines if line))
    if group_class.meeting_url:
        event.add("location", group_class.meeting_url)
        event.add("url", group_class.meeting_url)
    return event


def _organizer(row: StepProgress) -> vCalAddress:
    """Return the sender of our mails; a calendar with a METHOD must name an organizer."""
    _, address = parseaddr(settings.DEFAULT_FROM_EMAIL)
    organizer = vCalAddress(f"mailto:{address}")
    organizer.params["CN"] = vText(row.package.program.title)
    return organizer
