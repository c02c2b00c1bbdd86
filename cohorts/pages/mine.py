"""The dashboard of a family's courses, and changing what is booked."""

import datetime as dt
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib import messages
from django.db.models import Prefetch
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.family_pages import for_families
from accounts.models import Learner, User
from billing.checkout import catch_up_with_prices
from billing.models import Invoice
from core.clock import utc_now
from core.errors import DomainError
from core.http.zones import zone_of
from core.numbers import parse_whole_number

from ..errors import PackageNotFound
from ..family import ended_packages, lapsed_places, unpaid_places, waiting_entries
from ..learning.booking import cancel_booking, swap_booking
from ..learning.calendar import feed_url, find_feed, open_feed, renew_feed
from ..models import CohortPlace, CohortSession, StepProgress, StudentPackage, WaitlistEntry
from ..queries import bookable_steps, offered_by_cohort, offered_by_step, packages_of
from ..states import DONE, StepStatus
from .payment import leads_to_payment
from .wizard import field_of, may_change, package_or_404

ENDED_SHOWN = 20
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
    """A step of a learner's course, with what can be done about it."""

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
    stranded: int  # steps without a session to come
    next: StepProgress | None

    @property
    def total(self) -> int:
        return len(self.steps)

    @property
    def is_complete(self) -> bool:
        return self.package.completed_at is not None


@dataclass(frozen=True, slots=True)
class LearnerCourses:
    """All that concerns one learner."""

    learner: Learner
    courses: list[CourseView] = field(default_factory=list)
    unpaid: list[CohortPlace] = field(default_factory=list)  # held still, or lapsed
    waiting: list[WaitlistEntry] = field(default_factory=list)
    ended: list[StudentPackage] = field(default_factory=list)


@require_safe
@leads_to_payment
@for_families
def show_my_courses(request: HttpRequest, user: User) -> HttpResponse:
    now = utc_now()
    learners: dict[int, LearnerCourses] = {}

    def of(learner: Learner) -> LearnerCourses:
        return learners.setdefault(learner.pk, LearnerCourses(learner))

    catch_up_with_prices((place.checkout for place in unpaid_places(user=user) if place.checkout), now=now)
    packages = list(
        packages_of(user).prefetch_related(Prefetch("payment__invoices", Invoice.objects.standing().order_by("-id")))
    )
    offered = offered_by_cohort(cohort_ids={package.cohort_id for package in packages}, now=now)
    for package in packages:
        of(package.learner).courses.append(_view_course(package, offered[package.cohort_id], zone_of(request), now))
    for place in [*unpaid_places(user=user), *lapsed_places(user=user, now=now)]:
        of(place.learner).unpaid.append(place)
    for entry in waiting_entries(user=user):
        of(entry.learner).waiting.append(entry)
    for package in ended_packages(user=user)[:ENDED_SHOWN]:
        of(package.learner).ended.append(package)
    feed = find_feed(user=user)
    context = {
        "feed_url": feed_url(feed) if feed else "",
        "learners": sorted(learners.values(), key=lambda group: (str(group.learner), group.learner.pk)),
        "has_courses": any(group.courses for group in learners.values()),
        "zone": zone_of(request),
        "hours": settings.BOOKING_CHANGE_HOURS,
        "now": now,
    }
    return render(request, "cohorts/mine.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@for_families
def change_session(request: HttpRequest, user: User, package_id: int, step_id: int) -> HttpResponse:
    """Another session for a step that is booked; the old one is given up only if the new one is booked."""
    package = package_or_404(user, package_id)
    option_id = parse_whole_number(request.POST.get(field_of(step_id), ""))
    if request.method != "POST":
        return _show_change(request, package, step_id)
    if option_id is None:
        return _show_change(request, package, step_id, problem=_("Choose another class first."), status=422)
    try:
        swap_booking(package_id=package.pk, step_id=step_id, option_id=option_id, now=utc_now())
    except PackageNotFound as error:
        raise Http404 from error
    except DomainError as refusal:
        problem = _("Your session stays as it was. %(why)s") % {"why": refusal.detail}
        return _show_change(request, package, step_id, problem=problem, status=max(refusal.status, 409))
    messages.success(request, _("Your session was changed."))
    return redirect("my-courses")


@require_POST
@for_families
def share_calendar(request: HttpRequest, user: User) -> HttpResponse:
    """Give the person's calendar an address to subscribe to, or a new one if the old one got about."""
    renewed = find_feed(user=user) is not None
    if renewed:
        renew_feed(user=user, now=utc_now())
    else:
        open_feed(user=user)
    messages.info(
        request,
        _("The old address no longer works. Use the new one.") if renewed else _("Your calendar has an address."),
    )
    return redirect(f"{reverse('my-courses')}#calendar")


@require_POST
@for_families
def cancel_session(request: HttpRequest, user: User, package_id: int, step_id: int) -> HttpResponse:
    """Give a booked session back; the step can be booked again."""
    package = package_or_404(user, package_id)
    if not any(row.step_id == step_id for row in package.progress.all()):
        raise Http404
    try:
        row = cancel_booking(package_id=package.pk, step_id=step_id, now=utc_now())
    except PackageNotFound as error:
        raise Http404 from error
    except DomainError as refusal:
        messages.error(request, refusal.detail)
    else:
        messages.info(
            request, _("Your session was given back. You can book %(step)s again.") % {"step": row.step.label}
        )
    return redirect("my-courses")


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
        next=min(coming, key=lambda pair: pair[0])[1] if coming else None,
    )


def _view_step(row: StepProgress, limit: dt.datetime) -> StepView:
    tone, label = BADGES[StepStatus(row.status)]
    return StepView(row, tone, _(label), may_change(row, limit=limit))


def _show_change(
    request: HttpRequest, package: StudentPackage, step_id: int, *, problem: str = "", status: int = 200
) -> HttpResponse:
    now = utc_now()
    row = next((row for row in package.progress.all() if row.step_id == step_id), None)
    if row is None or row.class_session is None:
        raise Http404
    limit = now + dt.timedelta(hours=settings.BOOKING_CHANGE_HOURS)
    offered = offered_by_step(cohort_id=package.cohort_id, now=now).get(step_id, [])
    context = {
        "package": package,
        "row": row,
        "field": field_of(step_id),
        "others": [session for session in offered if session.class_session_id != row.class_session_id],
        "can_change": may_change(row, limit=limit),
        "hours": settings.BOOKING_CHANGE_HOURS,
        "problem": problem,
        "zone": zone_of(request) or ZoneInfo(package.cohort.timezone),
        "local": zone_of(request) is not None,
    }
    return render(request, "cohorts/change.html", context, status=status)
