"""The public pages: the catalog, and a course with its cohorts."""

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.families import find_family
from accounts.models import User
from billing.checkout import catch_up_with_prices
from core.clock import utc_now
from core.http.pagination import page_of
from core.http.zones import zone_of
from core.money import Money
from enrollments.models import Program
from enrollments.refund_rules import find_policies

from ..course_page import Tie, course_context, view_cohort
from ..errors import CourseNotFound
from ..family import live_packages, unpaid_places, waiting_entries
from ..queries import browse_courses, current_cohorts, get_course, sort_courses
from .forms import CatalogForm
from .payment import leads_to_payment

COURSES_ON_A_PAGE = 24
COHORTS_ON_A_PAGE = 12


@dataclass(frozen=True, slots=True)
class CourseCard:
    """A course in the catalog."""

    course: Program
    step_count: int
    available_cohorts: int
    next_start: dt.date | None
    price: Money | None


@require_safe
def show_catalog(request: HttpRequest) -> HttpResponse:
    form = CatalogForm(request.GET)
    form.is_valid()  # invalid values are missing from the cleaned data
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
    views = [
        view_cohort(cohort, zone=zone, ties=ties.get(cohort.pk, []), policy=policies.get(cohort.instance_id), now=now)
        for cohort in page
    ]
    context = course_context(course, views, local=zone is not None, now=now)
    return render(request, "cohorts/course.html", {**context, "page": page})


def course_or_404(code: str) -> Program:
    """Return a listed course by its code."""
    try:
        return get_course(code=code)
    except CourseNotFound as error:
        raise Http404 from error


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
