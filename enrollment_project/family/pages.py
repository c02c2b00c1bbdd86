"""The views of a family's home page and of the page of one enrollment."""

from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Prefetch
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from accounts.family_pages import for_families
from accounts.models import User
from billing.checkout import catch_up_with_prices
from billing.models import Invoice
from cohorts.family import ended_packages
from cohorts.pages.courses import view_courses
from cohorts.pages.payment import leads_to_payment
from cohorts.queries import packages_of
from core.clock import utc_now
from core.errors import NotFound
from core.http.zones import zone_of
from enrollments.cards import checkouts_of, view_card
from enrollments.family.standing import get_family_enrollment
from enrollments.models import Enrollment
from enrollments.sellers import find_sales
from partners.progress import list_progress

from .actions import actions_of
from .belongings import Belonging
from .home import view_home


@require_safe
@leads_to_payment
@for_families
def show_home(request: HttpRequest, user: User) -> HttpResponse:
    """Show what the family has to do, and how each of its learners is doing."""
    now = utc_now()
    home = view_home(user=user, zone=zone_of(request), now=now)
    context = {"home": home, "email": user.email, "zone": zone_of(request), "now": now}
    return render(request, "family/home.html", context)


@require_safe
@for_families
def lead_home(request: HttpRequest, user: User) -> HttpResponse:
    return redirect("my-enrollments")


@require_safe
@leads_to_payment
@for_families
def show_enrollment(request: HttpRequest, user: User, cuid: str) -> HttpResponse:
    """Show one enrollment with everything that belongs to it: status, course, partners, and history."""
    now = utc_now()
    enrollment = _enrollment_or_404(user, cuid)
    sales = find_sales([enrollment.pk], now)
    if catch_up_with_prices(checkouts_of([enrollment], sales), now=now):
        enrollment = _enrollment_or_404(user, cuid)
        sales = find_sales([enrollment.pk], now)
    zone = zone_of(request)
    bought = packages_of(user).filter(enrollment=enrollment)
    with_invoices = bought.prefetch_related(Prefetch("payment__invoices", Invoice.objects.standing().order_by("-id")))
    course = next(iter(view_courses(with_invoices, zone=zone, now=now)), None)
    ways = [each for group in list_progress(user=user) for each in group.enrollments]
    progress = next((each for each in ways if each.enrollment.pk == enrollment.pk), None)
    card = view_card(enrollment, sale=sales.get(enrollment.pk), now=now)
    context = {
        "card": card,
        "course": course,
        "progress": progress,
        "ended": ended_packages(user=user).filter(enrollment=enrollment),
        "actions": actions_of([Belonging(card.view, course, progress)]),
        "zone": zone,
        "times": zone or ZoneInfo(enrollment.workspace.timezone),
        "hours": settings.BOOKING_CHANGE_HOURS,
        "now": now,
    }
    return render(request, "family/enrollment.html", context)


def _enrollment_or_404(user: User, cuid: str) -> Enrollment:
    try:
        return get_family_enrollment(user=user, cuid=cuid)
    except NotFound as error:
        raise Http404 from error
