"""Where a parent lands after paying or leaving the payment page, and the list of a family's enrollments."""

from dataclasses import dataclass
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.family_pages import for_families
from accounts.models import Learner, User
from billing.checkout import catch_up_with_prices, catch_up_with_stripe
from billing.models import Checkout
from billing.queries import list_payments_made
from core.errors import NotFound
from core.http.zones import zone_of
from core.numbers import parse_whole_number

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

TONES = {
    Standing.BEING_CHECKED: "info",
    Standing.TO_PAY: "wait",
    Standing.CONFIRMING: "info",
    Standing.PROCESSING: "info",
    Standing.PAYMENT_FAILED: "bad",
    Standing.PAYMENT_EXPIRED: "bad",
    Standing.PAYMENT_CANCELLED: "calm",
    Standing.NOT_PAYABLE: "wait",
    Standing.IN_REVIEW: "info",
    Standing.ENROLLED: "good",
    Standing.COMPLETED: "good",
    Standing.NOT_ELIGIBLE: "bad",
    Standing.NOT_ACCEPTED: "bad",
    Standing.LEFT: "calm",
    Standing.REFUNDED: "calm",
}
# The page asks again after so many seconds, then leaves it to the reader.
REFRESH_AFTER_SECONDS = (2, 3, 5, 8, 13, 20, 30)


@dataclass(frozen=True, slots=True)
class Step:
    """One station on the way in: done, current, ahead or stopped."""

    label: str
    state: str


@dataclass(frozen=True, slots=True)
class EnrollmentCard:
    """One enrollment on the family's list."""

    view: FamilyView
    tone: str
    steps: list[Step]
    history: list[Moment]

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
    is_confirmed = catch_up_with_stripe(checkout=decision.checkout, visit="return")
    return _render_outcome(request, decision, is_confirmed)


@require_safe
@never_cache
def show_cancelled(request: HttpRequest) -> HttpResponse:
    """After leaving the payment page. Stripe fills the session id into the return address only, so this one names the
    enrollment. Should it have been paid in another tab, or ended, that is what the page says."""
    if session_id := request.GET.get("session_id", ""):
        decision = _decision_or_404(session_id=session_id)
    else:
        decision = _decision_or_404(enrollment=request.GET.get("enrollment", ""))
    is_confirmed = catch_up_with_stripe(checkout=decision.checkout, visit="cancelled")
    return _render_outcome(request, decision, is_confirmed, left_payment_page=True)


@require_safe
@for_families
def show_my_enrollments(request: HttpRequest, user: User) -> HttpResponse:
    enrollments = list_family_enrollments(user=user)
    sales = find_sales([enrollment.pk for enrollment in enrollments])
    if catch_up_with_prices(_checkouts_of(enrollments, sales)):
        enrollments = list_family_enrollments(user=user)
        sales = find_sales([enrollment.pk for enrollment in enrollments])
    learners = _by_learner(enrollments, sales)
    told = [card.view.payment.pk for group in learners for card in group.cards if card.view.payment]
    payments = list_payments_made(user=user, besides=told)
    context = {"learners": learners, "payments": payments, "email": user.email, "zone": zone_of(request)}
    return render(request, "enrollments/mine.html", context)


def _checkouts_of(enrollments: list[Enrollment], sales: dict[int, Sale]) -> list[Checkout]:
    """What a family may be led to pay from its list."""
    decisions = [decision for enrollment in enrollments for decision in enrollment.decisions.all()]
    return [decision.checkout for decision in decisions if decision.checkout] + [s.checkout for s in sales.values()]


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
    view = view_enrollment(enrollment=fresh.enrollment, decision=fresh, is_confirmed=is_confirmed)
    context = {
        "view": view,
        "tone": TONES[view.standing],
        "steps": _steps(view),
        "left_payment_page": left_payment_page,
        "zone": zone_of(request) or ZoneInfo(fresh.enrollment.workspace.timezone),
        **_refresh(request, view),
    }
    return render(request, f"enrollments/outcomes/{view.standing}.html", context)


def _refresh(request: HttpRequest, view: FamilyView) -> dict[str, Any]:
    """When and where the page should look again by itself, while the answer is still on its way."""
    count = parse_whole_number(request.GET.get("tried", "")) or 0
    if view.standing != Standing.CONFIRMING or view.checkout is None:
        return {}
    session = {"session_id": view.checkout.stripe_session_id or ""}
    here = f"{reverse('enroll-return')}?{urlencode(session)}"
    if count >= len(REFRESH_AFTER_SECONDS):
        return {"look_again_url": here}
    return {
        "look_again_url": here,
        "refresh_url": f"{here}&tried={count + 1}",
        "refresh_after": REFRESH_AFTER_SECONDS[count],
    }


def _by_learner(enrollments: list[Enrollment], sales: dict[int, Sale]) -> list[LearnerCards]:
    people = sorted(
        enrollments, key=lambda enrollment: (str(enrollment.learner), enrollment.learner_id, -enrollment.pk)
    )
    return [
        LearnerCards(learner, [_card(enrollment, sales.get(enrollment.pk)) for enrollment in group])
        for learner, group in groupby(people, key=lambda enrollment: enrollment.learner)
        if learner is not None
    ]


def _card(enrollment: Enrollment, sale: Sale | None) -> EnrollmentCard:
    decision = next(iter(enrollment.decisions.all()), None)
    view = view_enrollment(enrollment=enrollment, decision=decision, sale=sale)
    history = retell(asked_at=enrollment.created_at, transitions=enrollment.transitions.all())
    return EnrollmentCard(view, TONES[view.standing], _steps(view), history)


def _steps(view: FamilyView) -> list[Step]:
    """The way in as stations; the one where it stands, or ended, is marked."""
    funding = "Payment" if view.by_family else "District seat" if view.decision and view.decision.seat_id else ""
    manual = view.enrollment.instance.review_mode == ReviewMode.MANUAL
    stations = ["Request", funding, "Review" if manual else "", "Enrolled"]
    labels = [label for label in stations if label]
    return [Step(label, _state(view, label, labels)) for label in labels]


_AT = {
    Standing.BEING_CHECKED: "Request",
    Standing.NOT_ELIGIBLE: "Request",
    Standing.TO_PAY: "Payment",
    Standing.CONFIRMING: "Payment",
    Standing.PROCESSING: "Payment",
    Standing.PAYMENT_FAILED: "Payment",
    Standing.PAYMENT_EXPIRED: "Payment",
    Standing.PAYMENT_CANCELLED: "Payment",
    Standing.NOT_PAYABLE: "Payment",
    Standing.REFUNDED: "Payment",
    Standing.IN_REVIEW: "Review",
    Standing.NOT_ACCEPTED: "Review",
    Standing.LEFT: "Enrolled",
}
_STOPPED = (
    Standing.NOT_ELIGIBLE,
    Standing.PAYMENT_FAILED,
    Standing.PAYMENT_EXPIRED,
    Standing.PAYMENT_CANCELLED,
    Standing.NOT_PAYABLE,
    Standing.REFUNDED,
    Standing.NOT_ACCEPTED,
    Standing.LEFT,
)


def _state(view: FamilyView, label: str, labels: list[str]) -> str:
    if view.standing in (Standing.ENROLLED, Standing.COMPLETED):
        return "done"
    station = _AT[view.standing]
    here = labels.index(station) if station in labels else len(labels) - 1
    place = labels.index(label)
    if label == "Payment" and place < here and view.payment is None:
        return "ahead"  # decided before it was paid
    if place != here:
        return "done" if place < here else "ahead"
    return "stopped" if view.standing in _STOPPED else "current"
