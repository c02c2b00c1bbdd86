"""Where a parent lands after paying or leaving the payment page, and the list of a family's enrollments."""

import datetime as dt
from dataclasses import dataclass
from itertools import groupby
from zoneinfo import ZoneInfo

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.family_pages import for_families
from accounts.models import Learner, User
from billing.checkout import catch_up_with_prices, catch_up_with_stripe
from billing.models import Checkout
from billing.outcome_pages import TONES as OUTCOME_TONES
from billing.outcome_pages import Link, OutcomePage, Step, render_outcome
from billing.outcomes import UNPAID_IN_THE_END, Outcome
from billing.queries import list_payments_made
from core.clock import utc_now
from core.errors import NotFound
from core.http.zones import zone_of

from .family.checks import Check, list_checks
from .family.history import Moment, retell
from .family.standing import (
    FamilyView,
    Standing,
    get_decision,
    get_decision_by_enrollment,
    get_decision_by_session,
    list_family_enrollments,
    view_enrollment,
)
from .models import Enrollment, EnrollmentDecision
from .sellers import Sale, find_sales
from .states import ReviewMode

REQUEST = gettext_noop("Request")
PAYMENT = gettext_noop("Payment")
DISTRICT_SEAT = gettext_noop("District seat")
REVIEW = gettext_noop("Review")
ENROLLED = gettext_noop("Enrolled")

TONES: dict[str, str] = {
    **OUTCOME_TONES,
    Standing.BEING_CHECKED: "info",
    Standing.IN_REVIEW: "info",
    Standing.ENROLLED: "good",
    Standing.COMPLETED: "good",
    Standing.NOT_ELIGIBLE: "bad",
    Standing.NOT_ACCEPTED: "bad",
    Standing.LEFT: "calm",
}


@dataclass(frozen=True, slots=True)
class EnrollmentCard:
    """One enrollment on the family's list."""

    view: FamilyView
    tone: str
    steps: list[Step]
    history: list[Moment]
    checks: list[Check]

    @property
    def leaves_on(self) -> dt.date | None:
        """The first day without the learner, where an exit is planned."""
        return next((plan.effective_date for plan in self.view.enrollment.planned_exits.all()), None)

    @property
    def can_leave(self) -> bool:
        return self.view.standing == Standing.ENROLLED

    @property
    def why(self) -> str:
        """The reason it ended for, where one was given for the family to read."""
        return self.history[-1].reason


@dataclass(frozen=True, slots=True)
class LearnerCards:
    learner: Learner
    cards: list[EnrollmentCard]


@require_safe
@never_cache
def show_return(request: HttpRequest) -> HttpResponse:
    """After the payment page. It shows only what the holder of the unguessable session id needs: the learner's first
    name, the program, the amount and where things stand."""
    decision = _decision_or_404(session_id=request.GET.get("session_id", ""))
    is_confirmed = catch_up_with_stripe(checkout=decision.checkout, visit="return", now=utc_now())
    return _render_outcome(request, decision, is_confirmed)


@require_safe
@never_cache
def show_cancelled(request: HttpRequest) -> HttpResponse:
    """After leaving the payment page. Stripe fills the session id into the return address only, so this one names the
    enrollment. If it was paid in another tab, or has ended, the page says so."""
    if session_id := request.GET.get("session_id", ""):
        decision = _decision_or_404(session_id=session_id)
    else:
        decision = _decision_or_404(enrollment=request.GET.get("enrollment", ""))
    is_confirmed = catch_up_with_stripe(checkout=decision.checkout, visit="cancelled", now=utc_now())
    return _render_outcome(request, decision, is_confirmed, left_payment_page=True)


@require_safe
@for_families
def show_my_enrollments(request: HttpRequest, user: User) -> HttpResponse:
    now = utc_now()
    enrollments = list_family_enrollments(user=user)
    sales = find_sales([enrollment.pk for enrollment in enrollments], now)
    if catch_up_with_prices(_checkouts_of(enrollments, sales), now=now):
        enrollments = list_family_enrollments(user=user)
        sales = find_sales([enrollment.pk for enrollment in enrollments], now)
    learners = _by_learner(enrollments, sales, now)
    told = [card.view.payment.pk for group in learners for card in group.cards if card.view.payment]
    payments = list_payments_made(user=user, besides=told)
    context = {"learners": learners, "payments": payments, "email": user.email, "zone": zone_of(request), "now": now}
    return render(request, "enrollments/mine.html", context)


def _checkouts_of(enrollments: list[Enrollment], sales: dict[int, Sale]) -> list[Checkout]:
    """What a family may be led to pay from its list."""
    decisions = [decision for enrollment in enrollments for decision in enrollment.decisions.all()]
    return [decision.checkout for decision in decisions if decision.checkout] + [
        sale.checkout for sale in sales.values()
    ]


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
        steps=_steps(view),
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


def _by_learner(enrollments: list[Enrollment], sales: dict[int, Sale], now: dt.datetime) -> list[LearnerCards]:
    people = sorted(
        enrollments, key=lambda enrollment: (str(enrollment.learner), enrollment.learner_id, -enrollment.pk)
    )
    return [
        LearnerCards(learner, [_card(enrollment, sales.get(enrollment.pk), now) for enrollment in group])
        for learner, group in groupby(people, key=lambda enrollment: enrollment.learner)
        if learner is not None
    ]


def _card(enrollment: Enrollment, sale: Sale | None, now: dt.datetime) -> EnrollmentCard:
    decision = next(iter(enrollment.decisions.all()), None)
    view = view_enrollment(enrollment=enrollment, decision=decision, sale=sale, now=now)
    history = retell(asked_at=enrollment.created_at, transitions=enrollment.transitions.all())
    checks = list_checks(next(iter(enrollment.verdicts.all()), None))
    return EnrollmentCard(view, TONES[view.standing], _steps(view), history, checks)


def _steps(view: FamilyView) -> list[Step]:
    """The way in as stations; the one where it stands, or ended, is marked."""
    funding = PAYMENT if view.is_paid_by_family else "District seat" if view.decision and view.decision.seat_id else ""
    manual = view.enrollment.instance.review_mode == ReviewMode.MANUAL
    stations = [REQUEST, funding, REVIEW if manual else "", ENROLLED]
    labels = [label for label in stations if label]
    return [Step(_(label), _state(view, label, labels)) for label in labels]


_STATIONS = {
    Standing.BEING_CHECKED: REQUEST,
    Standing.NOT_ELIGIBLE: REQUEST,
    Standing.IN_REVIEW: REVIEW,
    Standing.NOT_ACCEPTED: REVIEW,
    Standing.LEFT: ENROLLED,
}
_STOPPED = (*UNPAID_IN_THE_END, Outcome.REFUNDED, Standing.NOT_ELIGIBLE, Standing.NOT_ACCEPTED, Standing.LEFT)


def _state(view: FamilyView, label: str, labels: list[str]) -> str:
    if view.standing in (Standing.ENROLLED, Standing.COMPLETED):
        return "done"
    station = PAYMENT if isinstance(view.standing, Outcome) else _STATIONS[view.standing]
    here = labels.index(station) if station in labels else len(labels) - 1
    place = labels.index(label)
    if label == PAYMENT and place < here and view.payment is None:
        return "ahead"  # decided before it was paid
    if place != here:
        return "done" if place < here else "ahead"
    return "stopped" if view.standing in _STOPPED else "current"
