"""Where a payer lands after the payment page: what became of the payment, then the wizard that books the sessions."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from accounts.family_pages import for_families
from accounts.models import User
from billing.checkout import catch_up_with_stripe
from core.errors import NotFound
from core.http.zones import zone_of
from core.numbers import parse_whole_number

from ..family import Purchase, Standing, find_offer, get_purchase
from .wizard import render_wizard

TONES = {
    Standing.TO_PAY: "wait",
    Standing.CONFIRMING: "info",
    Standing.PROCESSING: "info",
    Standing.REFUNDED: "calm",
    Standing.FAILED: "bad",
    Standing.EXPIRED: "bad",
    Standing.CANCELLED: "calm",
}
# The page asks again after so many seconds, then leaves it to the reader.
REFRESH_AFTER_SECONDS = (2, 3, 5, 8, 13, 20, 30)


@require_safe
@for_families
def show_enrolled(request: HttpRequest, user: User) -> HttpResponse:
    """Believes Stripe, not the redirect: whoever comes here before the notice of the payment waits for it."""
    session_id = request.GET.get("session_id", "")
    is_confirmed = catch_up_with_stripe(checkout=_find(user, session_id).checkout, visit="return")
    purchase = _find(user, session_id, is_confirmed=is_confirmed)
    if purchase.standing == Standing.ENROLLED:
        assert purchase.package is not None
        return render_wizard(request, user, package_id=purchase.package.pk, purchase=purchase)
    context = {
        "purchase": purchase,
        "course": purchase.place.cohort.instance.program,
        "zone": zone_of(request),
        "tone": TONES[purchase.standing],
        "offer": find_offer(user=user, place=purchase.place),
        **_refresh(request, purchase),
    }
    return render(request, f"cohorts/outcomes/{purchase.standing}.html", context)


def _find(user: User, session_id: str, *, is_confirmed: bool = True) -> Purchase:
    try:
        return get_purchase(user=user, session_id=session_id, is_confirmed=is_confirmed)
    except NotFound as error:
        raise Http404 from error


def _refresh(request: HttpRequest, purchase: Purchase) -> dict[str, Any]:
    """When and where the page should look again by itself, while the answer is still on its way."""
    if purchase.standing != Standing.CONFIRMING:
        return {}
    count = parse_whole_number(request.GET.get("tried", "")) or 0
    here = f"{reverse('course-enrolled')}?{urlencode({'session_id': purchase.checkout.stripe_session_id or ''})}"
    if count >= len(REFRESH_AFTER_SECONDS):
        return {"look_again_url": here}
    return {
        "look_again_url": here,
        "refresh_url": f"{here}&tried={count + 1}",
        "refresh_after": REFRESH_AFTER_SECONDS[count],
    }
