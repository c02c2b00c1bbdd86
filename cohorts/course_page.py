"""What families see of a course: its steps, and its cohorts with the actions available for each."""

import datetime as dt
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from django.db import models
from django.utils.translation import gettext_lazy as _

from billing.models import Checkout
from core.money import Money
from enrollments.family.refunds import tell_policy
from enrollments.models import Program, RefundPolicy

from .models import ClassSession, Cohort, CourseStep, WaitlistEntry

FEW_PLACES = 3


class Availability(models.TextChoices):
    """What a visitor can do about a cohort."""

    OPEN = "open", _("Open")
    FEW_LEFT = "few_left", _("Few places left")
    FULL = "full", _("Full")
    CLOSED = "closed", _("Enrollment closed")
    NOT_FOR_SALE = "not_for_sale", _("Not on sale")


TONES = {
    Availability.OPEN: "good",
    Availability.FEW_LEFT: "wait",
    Availability.FULL: "bad",
    Availability.CLOSED: "calm",
    Availability.NOT_FOR_SALE: "calm",
}


@dataclass(frozen=True, slots=True)
class Tie:
    """The relation of one of the signed-in user's learners to a cohort."""

    learner: str
    cuid: str
    kind: str  # enrolled | paying | waiting | offered
    checkout: Checkout | None = None
    entry: WaitlistEntry | None = None

    @property
    def kept_until(self) -> dt.datetime | None:
        return self.entry.offer_expires_at if self.entry else None


@dataclass(frozen=True, slots=True)
class Meeting:
    """When a step can be attended."""

    step: CourseStep
    sessions: list[ClassSession] = field(default_factory=list)


@dataclass(frozen=True)
class CohortView:
    """A cohort as the pages show it, with times in `zone`."""

    cohort: Cohort
    availability: Availability
    price: Money | None
    zone: ZoneInfo
    ties: list[Tie]
    refund_rules: list[str]  # what a family that buys now gets back if it leaves

    @property
    def tone(self) -> str:
        return TONES[self.availability]

    @property
    def can_be_bought(self) -> bool:
        return self.availability in (Availability.OPEN, Availability.FEW_LEFT)

    @cached_property
    def weekly(self) -> list[ClassSession]:
        """Return one session for each weekly time, ordered within the week in the cohort's time zone, in which it stays
        the same over the term whatever other clocks do.
        """
        zone = ZoneInfo(self.cohort.timezone)
        by_time: dict[tuple[int, dt.time, dt.time], ClassSession] = {}
        for session in sorted(
            (row.class_session for row in self.cohort.sessions.all()), key=lambda session: session.starts_at
        ):
            start = session.starts_at.astimezone(zone)
            end = session.ends_at.astimezone(zone)
            by_time.setdefault((start.weekday(), start.time(), end.time()), session)
        return [by_time[time] for time in sorted(by_time)]

    @cached_property
    def meetings(self) -> list[Meeting]:
        """Return the steps in order, each with its sessions, soonest first."""
        meetings: dict[int, Meeting] = {}
        for row in self.cohort.sessions.all():
            meetings.setdefault(row.step_id, Meeting(row.step)).sessions.append(row.class_session)
        return list(meetings.values())


def view_cohort(
    cohort: Cohort, *, zone: ZoneInfo | None, ties: list[Tie], policy: RefundPolicy | None, now: dt.datetime
) -> CohortView:
    """Return the view of a cohort; its price was fetched with it, and its sessions for pages that show them."""
    return CohortView(
        cohort=cohort,
        availability=_availability(cohort, now),
        price=cohort.price_asked,
        zone=zone or ZoneInfo(cohort.timezone),
        ties=ties,
        refund_rules=tell_policy(policy, starts_on=cohort.start_date),
    )


def _availability(cohort: Cohort, now: dt.datetime) -> Availability:
    if not cohort.takes_enrollments(now):
        return Availability.CLOSED
    if cohort.price_asked is None:
        return Availability.NOT_FOR_SALE
    if not cohort.has_room:
        return Availability.FULL
    return Availability.FEW_LEFT if cohort.places_left <= FEW_PLACES else Availability.OPEN


def course_context(course: Program, views: list[CohortView], *, local: bool, now: dt.datetime) -> dict[str, Any]:
    """Return the context of a course page; `local` means that its times are in the reader's time zone."""
    return {
        "course": course,
        "steps": list(course.steps.order_by("order")),
        "cohorts": views,
        "local": local,
        "now": now,
    }
