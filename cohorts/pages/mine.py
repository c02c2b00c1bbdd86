"""Changing a family's bookings, and its calendar's URL."""

import datetime as dt
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.family_pages import for_families
from accounts.models import User
from core.clock import utc_now
from core.errors import DomainError
from core.http.zones import zone_of
from core.numbers import parse_whole_number

from ..errors import PackageNotFound
from ..learning.booking import cancel_booking, swap_booking
from ..learning.calendar import find_feed, open_feed, renew_feed
from ..models import StudentPackage
from ..queries import offered_by_step
from .wizard import field_of, may_change, package_or_404


@require_safe
@for_families
def show_my_courses(request: HttpRequest, user: User) -> HttpResponse:
    """Redirect links from old mails: the courses are among the family's enrollments now."""
    return redirect("my-enrollments")


@require_http_methods(["GET", "HEAD", "POST"])
@for_families
def change_session(request: HttpRequest, user: User, package_id: int, step_id: int) -> HttpResponse:
    """Choose another session for a booked step; the old one is given up only if the new one is booked."""
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
    return redirect("my-enrollment", cuid=package.enrollment.cuid)


@require_POST
@for_families
def share_calendar(request: HttpRequest, user: User) -> HttpResponse:
    """Give the person's calendar a URL to subscribe to, or a new one if the old one has leaked."""
    renewed = find_feed(user=user) is not None
    if renewed:
        renew_feed(user=user, now=utc_now())
    else:
        open_feed(user=user)
    messages.info(
        request,
        _("The old address no longer works. Use the new one.") if renewed else _("Your calendar has an address."),
    )
    return redirect(f"{reverse('my-enrollments')}#calendar")


@require_POST
@for_families
def cancel_session(request: HttpRequest, user: User, package_id: int, step_id: int) -> HttpResponse:
    """Cancel a booked session; the step can be booked again."""
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
    return redirect("my-enrollment", cuid=package.enrollment.cuid)


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
