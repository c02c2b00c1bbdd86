"""The cards on an enrollment page, and the enrollment cards on the pages of learners and leads."""

from django.db.models import Prefetch
from django.http import HttpRequest

from accounts.models import Lead, Learner
from backoffice.actors import name_actors
from backoffice.display import Card, Neighbor, badge, neighbor, neighbors_of
from backoffice.scoping import access_of
from billing.models import Payment, Refund
from billing.purposes import as_subject
from core.clock import utc_now

from ..models import Enrollment
from ..queries import find_live_decision
from ..receipts import find_payments
from ..sellers import find_sales
from ..states import HELD_SEATS, OFFLINE_PURPOSE, UNPAID


def _words(status: str) -> str:
    return status.replace("_", " ")


def history_of_enrollment(request: HttpRequest, enrollment: Enrollment) -> Card:
    transitions = list(enrollment.transitions.order_by("-number")[:50])
    names = name_actors(access_of(request), {transition.actor for transition in transitions})
    rows = [
        Neighbor(
            title=f"{transition.number}. {transition.get_facet_display()}: {_words(transition.from_status)} →",
            badge=badge(transition.to_status, _words(transition.to_status)),
            note=" · ".join(
                part
                for part in (transition.reason, transition.note and f"Note: {transition.note}", names[transition.actor])
                if part
            ),
            at=transition.created_at,
        )
        for transition in transitions
    ]
    return Card("History", rows, empty="Nothing has happened yet.", wide=True)


def tell_funding(enrollment: Enrollment) -> str:
    """Say who pays for the enrollment, or how it was paid."""
    now = utc_now()
    seat = enrollment.seats.filter(status__in=HELD_SEATS).select_related("allocation__district").first()
    if seat is not None:
        return f"Seat of {seat.allocation.district}"
    payment = find_payments([enrollment], now=now).get(enrollment.pk)
    if payment is not None:
        how = f"outside of Stripe, {payment.get_means_display().lower()}" if payment.means else "through Stripe"
        return f"{payment.money} paid {how}"
    if enrollment.payment_status not in UNPAID:
        return "Nothing has to be paid"
    asked = find_sales([enrollment.pk], now) or find_live_decision(enrollment_id=enrollment.pk)
    return "The family was asked to pay" if asked else "On account: the money is still to come"


@neighbors_of(Enrollment)
def funding_of_enrollment(request: HttpRequest, enrollment: Enrollment) -> Card:
    rows: list[Neighbor] = []
    decisions = enrollment.decisions.select_related("checkout").prefetch_related(
        Prefetch("checkout__payments", Payment.objects.order_by("-id")),
        Prefetch("checkout__payments__refunds", Refund.objects.order_by("-id")),
    )
    for decision in decisions.order_by("-id"):
        rows.append(
            neighbor(
                decision, title="Decision", status="status", note=decision.get_reason_display(), at=decision.created_at
            )
        )
        if decision.checkout:
            rows.append(neighbor(decision.checkout, status="status", at=decision.checkout.created_at))
            for payment in decision.checkout.payments.all():
                rows.append(neighbor(payment, status="status", at=payment.paid_at))
                rows += [
                    neighbor(refund, status="status", note=refund.get_reason_display())
                    for refund in payment.refunds.all()
                ]
    for sale in find_sales([enrollment.pk], utc_now()).values():
        rows.append(neighbor(sale.checkout, status="status", at=sale.checkout.created_at))
        rows += [neighbor(payment, status="status", at=payment.paid_at) for payment in sale.checkout.payments.all()]
    offline = Payment.objects.filter(purpose=OFFLINE_PURPOSE, subject=as_subject(enrollment.pk))
    rows += [neighbor(payment, status="status", at=payment.paid_at) for payment in offline.order_by("-id")]
    return Card("Decisions and money", rows, empty="" if rows else f"{tell_funding(enrollment)}.")


@neighbors_of(Enrollment)
def seats_of_enrollment(request: HttpRequest, enrollment: Enrollment) -> Card:
    seats = enrollment.seats.select_related("allocation__district").order_by("-id")
    rows = [
        neighbor(seat, title=seat.allocation.district, status="status", note=seat.release_reason, at=seat.reserved_at)
        for seat in seats
    ]
    return Card("Seats", rows)


@neighbors_of(Learner)
def enrollments_of_learner(request: HttpRequest, learner: Learner) -> Card:
    rows = learner.enrollments.kept().select_related("instance").order_by("-id")[:20]
    return Card("Enrollments", [_in_instance(enrollment) for enrollment in rows], empty="None yet.")


@neighbors_of(Lead)
def enrollments_of_lead(request: HttpRequest, lead: Lead) -> Card:
    rows = lead.enrollments.kept().select_related("instance").order_by("-id")[:20]
    return Card("Enrollments", [_in_instance(enrollment) for enrollment in rows], empty="None yet.")


def _in_instance(enrollment: Enrollment) -> Neighbor:
    money = f"Payment: {enrollment.get_payment_status_display().lower()}"
    return neighbor(
        enrollment, title=enrollment.instance, status="eligibility_status", note=money, at=enrollment.created_at
    )
