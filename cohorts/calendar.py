"""Sessions for calendar programs: a feed under a secret address, and one session as a file (RFC 5545).

Times are moments in UTC, which every program shows in its owner's zone, summer and winter. A session keeps its UID when
it is moved or swapped, so the entry moves instead of being doubled; one that is cancelled is in the feed no more.
"""

import datetime as dt
from collections.abc import Iterable
from urllib.parse import urlsplit

from django.conf import settings
from django.db.models import QuerySet
from django.urls import reverse
from icalendar import Calendar, Event

from accounts.models import User
from accounts.sign_in import proven_address
from enrollment_project.core.clock import utc_now
from enrollment_project.core.errors import NotFound

from .models import CalendarFeed, StepProgress
from .models.calendar import new_token
from .queries import learners_of
from .states import SEATED

# How long a past session stays in the feed, and how often programs should look.
PAST_SHOWN = dt.timedelta(days=90)
REFRESH_EVERY = dt.timedelta(hours=1)


def find_feed(*, user: User) -> CalendarFeed | None:
    """The person's feed, if they have one."""
    return CalendarFeed.objects.filter(user=user).first()


def open_feed(*, user: User) -> CalendarFeed:
    """The person's feed, made if they have none."""
    feed, _ = CalendarFeed.objects.get_or_create(user=user)
    return feed


def renew_feed(*, user: User, now: dt.datetime | None = None) -> CalendarFeed:
    """Give the person's feed a new address; the old one answers nobody any more."""
    feed, _ = CalendarFeed.objects.update_or_create(
        user=user, defaults={"token": new_token(), "created_at": now or utc_now()}
    )
    return feed


def close_feed(*, user: User) -> None:
    """Take the person's feed away. Without one nothing changes."""
    CalendarFeed.objects.filter(user=user).delete()


def feed_url(feed: CalendarFeed) -> str:
    """Where calendar programs find the feed."""
    return f"{settings.PUBLIC_URL}{reverse('calendar-feed', args=[feed.token])}"


def get_feed_owner(*, token: str) -> User:
    """Whose sessions this token shows. Raises NotFound, also for somebody who left or whose address is not proven."""
    feed = CalendarFeed.objects.select_related("user").filter(token=token, user__is_active=True).first()
    if feed is None or proven_address(user=feed.user) is None:
        raise NotFound("There is no such calendar.")
    return feed.user


def sessions_of(user: User) -> QuerySet[StepProgress]:
    """The steps that hold a seat in a session, of the learners a person may act for, soonest first."""
    seated = StepProgress.objects.filter(
        package__learner__in=learners_of(user), package__revoked_at__isnull=True, status__in=SEATED
    )
    return seated.select_related(
        "step", "class_session__group_class", "package__learner", "package__program", "package__cohort"
    ).order_by("class_session__starts_at", "pk")


def get_session_of(user: User, *, progress_id: int) -> StepProgress:
    """One of those steps. Raises NotFound for anybody else's and for a step without a session."""
    row = sessions_of(user).filter(pk=progress_id).first()
    if row is None:
        raise NotFound("There is no such session among yours.")
    return row


def render_feed(*, user: User, now: dt.datetime | None = None) -> bytes:
    """The person's feed: the sessions to come and those of the last PAST_SHOWN."""
    moment = now or utc_now()
    rows = list(sessions_of(user).filter(class_session__starts_at__gte=moment - PAST_SHOWN))
    calendar = _calendar(rows, name_learners=len({row.package.learner_id for row in rows}) > 1)
    calendar.calendar_name = "Courses"
    calendar.refresh_interval = REFRESH_EVERY
    calendar.add("X-PUBLISHED-TTL", "PT1H")  # what Outlook reads instead
    return calendar.to_ical()


def render_session(*, row: StepProgress) -> bytes:
    """One booked session as a file to import; its step, class and course come with the row."""
    return render_sessions(rows=[row])


def render_sessions(*, rows: Iterable[StepProgress]) -> bytes:
    """Booked sessions of one learner as a file to attach to a mail."""
    return _calendar(rows, name_learners=False).to_ical()


def _calendar(rows: Iterable[StepProgress], *, name_learners: bool) -> Calendar:
    calendar = Calendar()
    calendar.add("prodid", "-//Enrollment Platform//Courses//EN")
    calendar.add("version", "2.0")
    for row in rows:
        calendar.add_component(_event(row, name_learner=name_learners))
    return calendar


def _event(row: StepProgress, *, name_learner: bool) -> Event:
    session = row.class_session
    assert session is not None, "a seated step has a session"
    group_class = session.group_class
    title = f"{row.package.program.title}: {row.step.label}"
    event = Event()
    event.add("uid", f"session-{row.pk}@{urlsplit(settings.PUBLIC_URL).hostname}")
    event.add("dtstamp", row.booked_at or session.starts_at)
    event.add("dtstart", session.starts_at.astimezone(dt.UTC))
    event.add("dtend", session.ends_at.astimezone(dt.UTC))
    event.add("summary", f"{row.package.learner.first_name}: {title}" if name_learner else title)
    lines = [row.step.title, group_class.name, group_class.teacher, group_class.meeting_url]
    event.add("description", "\n".join(line for line in lines if line))
    if group_class.meeting_url:
        event.add("location", group_class.meeting_url)
        event.add("url", group_class.meeting_url)
    return event
