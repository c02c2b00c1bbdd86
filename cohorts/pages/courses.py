"""The courses of a family's learners, as its pages show them."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from ..models import CohortSession, StepProgress, StudentPackage
from ..queries import bookable_steps, offered_by_cohort
from ..states import DONE, StepStatus
from .wizard import may_change

BADGES = {
    StepStatus.UNBOOKED: ("wait", gettext_noop("Not booked")),
    StepStatus.BOOKED: ("info", gettext_noop("Booked")),
    StepStatus.COMPLETED: ("good", gettext_noop("Attended")),
    StepStatus.MISSED: ("bad", gettext_noop("Missed")),
    StepStatus.EXCUSED: ("good", gettext_noop("Excused")),
    StepStatus.CANCELLED: ("calm", gettext_noop("Canceled")),
}


@dataclass(frozen=True, slots=True)
class StepView:
    """A step of a learner's course, with the available actions."""

    row: StepProgress
    tone: str
    label: str
    can_change: bool


@dataclass(frozen=True, slots=True)
class CourseView:
    """A learner's course as the dashboard shows it, with times in `zone`."""

    package: StudentPackage
    zone: ZoneInfo
    steps: list[StepView]
    done: int
    unbooked: int  # steps that can be booked now
    full: int  # steps whose sessions have no seat left
    stranded: int  # steps without a future session
    has_missed: bool  # a required step, which nobody can book again
    next: StepProgress | None

    @property
    def total(self) -> int:
        return len(self.steps)

    @property
    def is_complete(self) -> bool:
        return self.package.completed_at is not None


def view_courses(packages: Iterable[StudentPackage], *, zone: ZoneInfo | None, now: dt.datetime) -> list[CourseView]:
    """Return a view of each package, fetched with its progress, with times in `zone` or in its cohort's time zone."""
    packages = list(packages)
    offered = offered_by_cohort(cohort_ids={package.cohort_id for package in packages}, now=now)
    return [_view_course(package, offered[package.cohort_id], zone, now) for package in packages]


def _view_course(
    package: StudentPackage, offered: dict[int, list[CohortSession]], zone: ZoneInfo | None, now: dt.datetime
) -> CourseView:
    limit = now + dt.timedelta(hours=settings.BOOKING_CHANGE_HOURS)
    rows = list(package.progress.all())
    coming = [
        (row.class_session.starts_at, row)
        for row in rows
        if row.status == StepStatus.BOOKED and row.class_session is not None and row.class_session.ends_at > now
    ]
    bookable = bookable_steps(package, offered)
    full = sum(all(not session.class_session.has_room for session in sessions) for _, sessions in bookable)
    return CourseView(
        package=package,
        zone=zone or ZoneInfo(package.cohort.timezone),
        steps=[_view_step(row, limit) for row in rows],
        done=sum(row.status in DONE for row in rows),
        unbooked=len(bookable) - full,
        full=full,
        stranded=sum(row.status == StepStatus.UNBOOKED for row in rows) - len(bookable),
        has_missed=any(row.status == StepStatus.MISSED and row.step.required for row in rows),
        next=min(coming, key=lambda pair: pair[0])[1] if coming else None,
    )


def _view_step(row: StepProgress, limit: dt.datetime) -> StepView:
    tone, label = BADGES[StepStatus(row.status)]
    return StepView(row, tone, _(label), may_change(row, limit=limit))
