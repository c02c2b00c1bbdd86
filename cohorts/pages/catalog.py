"""The public pages: which courses there are, and a course with its cohorts."""

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from django.db import models
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from accounts.families import find_family
from accounts.models import User
from billing.checkout import catch_up_with_prices
from billing.models import Checkout
from core.clock import utc_now
from core.http.pagination import page_of
from core.http.zones import zone_of
from core.money import Money
from enrollments.family.refunds import tell_policy
from enrollments.models import Program, RefundPolicy
from enrollments.refund_rules import find_policies

from ..errors import CourseNotFound
from ..family import live_packages, unpaid_places, waiting_entries
from ..models import ClassSession, Cohort, CourseStep, WaitlistEntry
from ..queries import browse_courses, current_cohorts, get_course, sort_courses
from .forms import CatalogForm
from .payment import leads_to_payment

COURSES_ON_A_PAGE = 24
COHORTS_ON_A_PAGE = 12
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
class CourseCard:
    """A course in the catalog."""

    course: Program
    step_count: int
    available_cohorts: int
    next_start: dt.date | None
    price: Money | None


@dataclass(frozen=True, slots=True)
class Tie:
    """How a learner of the signed-in person stands to a cohort."""

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


@dataclass(frozen=True, slots=True)
class CohortView:
    """A cohort as the pages show it, with times in `zone`."""

    cohort: Cohort
    availability: Availability
    price: Money | None
    zone: ZoneInfo
    ties: list[Tie]
    refund_rules: list[str]  # what comes back to whoever buys now and leaves

    @property
    def tone(self) -> str:
        return TONES[self.availability]

    @property
    def can_be_bought(self) -> bool:
        return self.availability in (Availability.OPEN, Availability.FEW_LEFT)

    @property
    def weekly(self) -> list[ClassSession]:
        """One session for each weekly time, in the order of the week, by the cohort's clock: there it stays the same
        over the term, whatever other clocks do."""
        zone = ZoneInfo(self.cohort.timezone)
        by_time: dict[tuple[int, dt.time, dt.time], ClassSession] = {}
        for session in sorted(
            (row.class_session for row in self.cohort.sessions.all()), key=lambda session: session.starts_at
        ):
            start = session.starts_at.astimezone(zone)
            end = session.ends_at.astimezone(zone)
            by_time.setdefault((start.weekday(), start.time(), end.time()), session)
        return [by_time[time] for time in sorted(by_time)]

    @property
    def meetings(self) -> list[Meeting]:
        """The steps in order, each with its sessions, soonest first."""
        meetings: dict[int, Meeting] = {}
        for row in self.cohort.sessions.all():
            meetings.setdefault(row.step_id, Meeting(row.step)).sessions.append(row.class_session)
        return list(meetings.values())


@require_safe
def show_catalog(request: HttpRequest) -> HttpResponse:
    form = CatalogForm(request.GET)
    form.is_valid()  # what is not valid is not among the cleaned data
    asked = {name: form.cleaned_data.get(name) for name in form.fields}
    courses = browse_courses(now=utc_now(), search=asked["search"] or "", only_open=bool(asked["free"]))
    by, descending = CatalogForm.SORTED[asked["sort"] or "nextCohort"]
    page = page_of(request, sort_courses(courses, by=by, descending=descending), size=COURSES_ON_A_PAGE)
    context = {
        "form": form,
        "page": page,
        "cards": [_card(course) for course in page],
        "narrowed": asked["search"] or asked["free"],
    }
    return render(request, "cohorts/catalog.html", context)


@require_safe
@leads_to_payment
def show_course(request: HttpRequest, code: str) -> HttpResponse:
    now = utc_now()
    course = course_or_404(code)
    user = find_family(request.user)
    if user is not None:
        unpaid = unpaid_places(user=user, course=course)
        catch_up_with_prices((place.checkout for place in unpaid if place.checkout), now=now)
    ties = _ties(user, course)
    page = page_of(request, current_cohorts(course, now=now, first=ties), size=COHORTS_ON_A_PAGE)
    zone = zone_of(request)
    policies = find_policies([cohort.instance for cohort in page], at=now)
    context = {
        "course": course,
        "steps": list(course.steps.order_by("order")),
        "page": page,
        "cohorts": [
            view_cohort(
                cohort, zone=zone, ties=ties.get(cohort.pk, []), policy=policies.get(cohort.instance_id), now=now
            )
            for cohort in page
        ],
        "local": zone is not None,
        "now": now,
    }
    return render(request, "cohorts/course.html", context)


def course_or_404(code: str) -> Program:
    """A listed course by its code."""
    try:
        return get_course(code=code)
    except CourseNotFound as error:
        raise Http404 from error


def view_cohort(
    cohort: Cohort, *, zone: ZoneInfo | None, ties: list[Tie], policy: RefundPolicy | None, now: dt.datetime
) -> CohortView:
    """Say how a cohort stands; its price is fetched with it, its sessions for the pages that show them."""
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


def _card(course: Any) -> CourseCard:
    price = Money(course.price_minor, course.currency) if course.price_minor else None
    return CourseCard(course, course.step_count, course.available_cohorts, course.next_start, price)


def _ties(user: User | None, course: Program) -> dict[int, list[Tie]]:
    ties: dict[int, list[Tie]] = defaultdict(list)
    if user is None:
        return ties
    for package in live_packages(user=user, course=course):
        ties[package.cohort_id].append(Tie(str(package.learner), package.learner.cuid, "enrolled"))
    for place in unpaid_places(user=user, course=course):
        learner = place.learner
        offer = place.offer
        ties[place.cohort_id].append(Tie(str(learner), learner.cuid, "paying", checkout=place.checkout, entry=offer))
    for entry in waiting_entries(user=user).filter(cohort__instance__program=course):
        ties[entry.cohort_id].append(Tie(str(entry.learner), entry.learner.cuid, entry.status, entry=entry))
    return ties
