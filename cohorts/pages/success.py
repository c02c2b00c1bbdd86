"""The page after the payment page: the result of the payment, then the wizard that books the sessions."""

from zoneinfo import ZoneInfo

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.family_pages import for_families
from accounts.models import User
from billing.checkout import catch_up_with_stripe
from billing.outcome_pages import Link, OutcomePage, render_outcome
from core.clock import utc_now
from core.errors import NotFound
from core.http.zones import zone_of

from ..family import PlacePurchase, find_offer, get_purchase
from .wizard import render_wizard


@require_safe
@for_families
def show_enrolled(request: HttpRequest, user: User) -> HttpResponse:
    """Trust Stripe, not the redirect: a payer who arrives before the payment event waits for it."""
    session_id = request.GET.get("session_id", "")
    is_confirmed = catch_up_with_stripe(
        checkout=_find(user, session_id).purchase.checkout, visit="return", now=utc_now()
    )
    bought = _find(user, session_id, is_confirmed=is_confirmed)
    if bought.package is not None and bought.is_enrolled:
        return render_wizard(request, user, package_id=bought.package.pk, purchase=bought.purchase)
    page = _view(request, user, bought)
    if bought.has_ended:
        context = {"page": page, "label": _("Enrollment ended"), "tone": "calm"}
        return render(request, "cohorts/ended.html", context)
    return render_outcome(request, page)


def _find(user: User, session_id: str, *, is_confirmed: bool = True) -> PlacePurchase:
    try:
        return get_purchase(user=user, session_id=session_id, now=utc_now(), is_confirmed=is_confirmed)
    except NotFound as error:
        raise Http404 from error


def _view(request: HttpRequest, user: User, bought: PlacePurchase) -> OutcomePage:
    place = bought.place
    purchase = bought.purchase
    course = place.cohort.instance.program
    is_kept = find_offer(user=user, place=place) is not None
    enroll = reverse("course-enroll", args=[course.code, place.cohort_id])
    return OutcomePage(
        purchase=purchase,
        learner=place.learner.first_name,
        facts=[
            ("Learner", place.learner.first_name),
            ("Course", course.title),
            ("Group", place.cohort.name),
            ("Amount", purchase.amount),
        ],
        here=f"{reverse('course-enrolled')}?{urlencode({'session_id': purchase.checkout.stripe_session_id or ''})}",
        zone=zone_of(request) or ZoneInfo(place.cohort.timezone),
        links=[
            Link(reverse("course", args=[course.code]), _("Back to the course")),
            Link(reverse("my-enrollments"), _("My enrollments")),
        ],
        place=place.cohort.name,
        is_kept=is_kept,
        again=Link(
            f"{enroll}?{urlencode({'learner': place.learner.cuid})}",
            _("See the offer") if is_kept else _("Enroll again"),
        ),
        ended=course.title if bought.package else "",
    )
