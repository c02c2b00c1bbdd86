"""The pages that a parent reaches after paying or leaving the payment page."""

from zoneinfo import ZoneInfo

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from billing.checkout import catch_up_with_stripe
from billing.outcome_pages import Link, OutcomePage, render_outcome
from billing.outcomes import Outcome
from core.clock import utc_now
from core.errors import NotFound
from core.http.zones import zone_of

from .cards import TONES, view_steps
from .family.standing import (
    FamilyView,
    get_decision,
    get_decision_by_enrollment,
    get_decision_by_session,
    view_enrollment,
)
from .models import EnrollmentDecision


@require_safe
@never_cache
def show_return(request: HttpRequest) -> HttpResponse:
    """Show the page after the payment page. It shows only what the holder of the unguessable session id needs: the
    learner's first name, the program, the amount, and the status.
    """
    decision = _decision_or_404(session_id=request.GET.get("session_id", ""))
    is_confirmed = catch_up_with_stripe(checkout=decision.checkout, visit="return", now=utc_now())
    return _render_outcome(request, decision, is_confirmed)


@require_safe
@never_cache
def show_cancelled(request: HttpRequest) -> HttpResponse:
    """Show the page after leaving the payment page. Stripe fills the session id into the success URL only, so this URL
    names the enrollment. If it was paid in another tab, or has ended, the page says so.
    """
    if session_id := request.GET.get("session_id", ""):
        decision = _decision_or_404(session_id=session_id)
    else:
        decision = _decision_or_404(enrollment=request.GET.get("enrollment", ""))
    is_confirmed = catch_up_with_stripe(checkout=decision.checkout, visit="cancelled", now=utc_now())
    return _render_outcome(request, decision, is_confirmed, left_payment_page=True)


def _decision_or_404(*, session_id: str = "", enrollment: str = "") -> EnrollmentDecision:
    try:
        if session_id:
            return get_decision_by_session(session_id=session_id)
        return get_decision_by_enrollment(cuid=enrollment)
    except NotFound as error:
        raise Http404 from error


def _render_outcome(
    request: HttpRequest, decision: EnrollmentDecision, is_confirmed: bool, *, left_payment_page: bool = False
) -> HttpResponse:
    fresh = get_decision(decision_id=decision.pk)
    view = view_enrollment(enrollment=fresh.enrollment, decision=fresh, now=utc_now(), is_confirmed=is_confirmed)
    if view.purchase is None:
        raise Http404
    page = OutcomePage(
        purchase=view.purchase,
        learner=fresh.enrollment.learner.first_name if fresh.enrollment.learner else "",
        facts=_facts(view),
        here=f"{reverse('enroll-return')}?{urlencode({'session_id': view.purchase.checkout.stripe_session_id or ''})}",
        zone=zone_of(request) or ZoneInfo(fresh.enrollment.workspace.timezone),
        links=[Link(reverse("my-enrollments"), _("See all my enrollments"))],
        steps=view_steps(view),
        left_payment_page=left_payment_page,
    )
    if isinstance(view.standing, Outcome):
        return render_outcome(request, page)
    context = {"page": page, "view": view, "label": view.standing.label, "tone": TONES[view.standing]}
    return render(request, f"enrollments/outcomes/{view.standing}.html", context)


def _facts(view: FamilyView) -> list[tuple[str, object]]:
    enrollment = view.enrollment
    facts: list[tuple[str, object]] = [
        (_("Learner"), enrollment.learner.first_name if enrollment.learner else ""),
        (_("Program"), enrollment.instance.program.title),
    ]
    if enrollment.instance.start_date:
        facts.append((_("Starts"), date_format(enrollment.instance.start_date, _("F j, Y"))))
    return [*facts, (_("Amount"), view.amount)] if view.amount else facts
