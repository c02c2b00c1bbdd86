"""How the back office displays courses: times in the class's time zone, and how much of a limit is used."""

from zoneinfo import ZoneInfo

from django.utils.safestring import SafeString

from backoffice.display import badge, capacity_bar
from core import time_words
from core.numbers import counted

from ..models import ClassSession, Cohort, GroupClass
from ..states import StepStatus

STEP_TONES = {
    StepStatus.BOOKED: "open",
    StepStatus.COMPLETED: "completed",
    StepStatus.MISSED: "failed",
    StepStatus.EXCUSED: "completed",
}


def place_bar(cohort: Cohort) -> SafeString:
    return capacity_bar(
        firm=cohort.current_enrollment,
        pending=cohort.held_places,
        total=cohort.max_enrollment,
        words=("taken", "held"),
    )


def seat_bar(session: ClassSession) -> SafeString:
    return capacity_bar(firm=session.booked_count, pending=0, total=session.max_students, words=("booked", "held"))


def tell_seats_left(session: ClassSession) -> str:
    return f"{counted(session.seats_left, 'seat')} left"


def weekly_time(group_class: GroupClass) -> str:
    """Return, for example, "Tuesdays, 5:00 PM to 6:00 PM, America/Chicago"."""
    times = f"{time_words.clock(group_class.start_time)} to {time_words.clock(group_class.end_time)}"
    return f"{group_class.get_day_of_week_display()}s, {times}, {group_class.timezone}"


def meeting_time(session: ClassSession) -> str:
    """Return the session's time in its class's time zone: "Tue, Nov 3, 2026, 5:00 to 6:00 PM CST"."""
    zone = ZoneInfo(session.group_class.timezone)
    starts_at = session.starts_at.astimezone(zone)
    ends_at = session.ends_at.astimezone(zone)
    times = time_words.span(starts_at, ends_at)
    return f"{starts_at:%a}, {time_words.day(starts_at)}, {times} {time_words.zone_label(starts_at)}"


def step_badge(status: str) -> SafeString:
    return badge(STEP_TONES.get(StepStatus(status), status), StepStatus(status).label)
