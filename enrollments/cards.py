"""An enrollment as a family's pages show it: its state, the steps of the way in, its history, and what was checked."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from billing.models import Checkout
from billing.outcome_pages import TONES as OUTCOME_TONES
from billing.outcome_pages import Step
from billing.outcomes import UNPAID_IN_THE_END, Outcome

from .family.checks import Check, list_checks
from .family.history import Moment, retell
from .family.standing import FamilyView, Standing, view_enrollment
from .models import Enrollment
from .sellers import Sale
from .states import OVER, ReviewMode

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
    """One enrollment as its family sees it."""

    view: FamilyView
    tone: str
    steps: list[Step]
    history: list[Moment]
    checks: list[Check]

    @property
    def leaves_on(self) -> dt.date | None:
        """Return the first day without the learner, if an exit is planned."""
        return next((plan.effective_date for plan in self.view.enrollment.planned_exits.all()), None)

    @property
    def can_leave(self) -> bool:
        return self.view.standing == Standing.ENROLLED

    @property
    def can_ask_back(self) -> bool:
        """Return whether it was paid, is over, and not fully refunded, so that no quote can be made any more."""
        is_over = self.view.standing in (Standing.COMPLETED, Standing.LEFT, Standing.NOT_ACCEPTED)
        return is_over and self.view.payment is not None

    @property
    def why(self) -> str:
        """Return the reason it ended, if one was given for the family to read."""
        if self.view.enrollment.eligibility_status not in OVER or self.view.standing == Standing.COMPLETED:
            return ""
        return next((moment.reason for moment in reversed(self.history) if moment.is_end), "")


def view_in_family(enrollment: Enrollment, *, sale: Sale | None, now: dt.datetime) -> FamilyView:
    """Return how a family's enrollment stands, by its latest decision, fetched with it, or by its sale."""
    decision = next(iter(enrollment.decisions.all()), None)
    return view_enrollment(enrollment=enrollment, decision=decision, sale=sale, now=now)


def view_card(enrollment: Enrollment, *, sale: Sale | None, now: dt.datetime) -> EnrollmentCard:
    """Return everything that the page of one enrollment shows; it was fetched with its history."""
    view = view_in_family(enrollment, sale=sale, now=now)
    history = retell(asked_at=enrollment.created_at, transitions=enrollment.transitions.all())
    checks = list_checks(next(iter(enrollment.verdicts.all()), None))
    return EnrollmentCard(view, TONES[view.standing], view_steps(view), history, checks)


def checkouts_of(enrollments: Iterable[Enrollment], sales: dict[int, Sale]) -> list[Checkout]:
    """Return the checkouts that a family's pages may link to."""
    decisions = [decision for enrollment in enrollments for decision in enrollment.decisions.all()]
    return [decision.checkout for decision in decisions if decision.checkout] + [
        sale.checkout for sale in sales.values()
    ]


def view_steps(view: FamilyView) -> list[Step]:
    """Return the steps of the way in; the one where the enrollment is, or where it ended, is marked."""
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
    if label == PAYMENT and place < here and not view.was_paid:
        return "ahead"  # it was decided before it was paid
    if place != here:
        return "done" if place < here else "ahead"
    return "stopped" if view.standing in _STOPPED else "current"
