"""What stands beside an enrollment, and the enrollments beside a learner or a lead."""

from django.http import HttpRequest

from accounts.models import Lead, Learner
from backoffice.display import Card, Neighbor, badge, list_url, neighbor, neighbors_of
from events.models import OutboxEvent

from ..models import Enrollment


@neighbors_of(Enrollment)
def history_of_enrollment(request: HttpRequest, enrollment: Enrollment) -> Card:
    rows = [
        Neighbor(
            title=f"{t.number}. {t.get_facet_display()}: {t.from_status.replace('_', ' ')} →",
            badge=badge(t.to_status, t.to_status.replace("_", " ")),
            note=" · ".join(part for part in (t.reason, t.note and f"Note: {t.note}", t.actor) if part),
            at=t.created_at,
        )
        for t in enrollment.transitions.order_by("-number")[:50]
    ]
    return Card("History", rows, empty="Nothing has happened yet.", wide=True)


@neighbors_of(Enrollment)
def funding_of_enrollment(request: HttpRequest, enrollment: Enrollment) -> Card:
    rows: list[Neighbor] = []
    for decision in enrollment.decisions.select_related("checkout").prefetch_related("checkout__payments__refunds"):
        rows.append(neighbor(decision, status="status", note=decision.get_reason_display(), at=decision.created_at))
        if decision.checkout:
            rows.append(neighbor(decision.checkout, status="status", at=decision.checkout.created_at))
            for payment in decision.checkout.payments.all():
                rows.append(neighbor(payment, status="status", at=payment.paid_at))
                rows += [neighbor(r, status="status", note=r.get_reason_display()) for r in payment.refunds.all()]
    return Card("Decisions and money", rows, empty="Not routed.")


@neighbors_of(Enrollment)
def seats_of_enrollment(request: HttpRequest, enrollment: Enrollment) -> Card:
    seats = enrollment.seats.select_related("allocation__district")
    rows = [
        neighbor(s, title=s.allocation.district, status="status", note=s.release_reason, at=s.reserved_at)
        for s in seats
    ]
    return Card("Seats", rows)


@neighbors_of(Enrollment)
def events_of_enrollment(request: HttpRequest, enrollment: Enrollment) -> Card:
    aggregate = f"enrollment:{enrollment.cuid}"
    rows = OutboxEvent.objects.filter(aggregate=aggregate).order_by("-sequence")[:8]
    return Card(
        "Latest events",
        [neighbor(e, title=f"{e.sequence}. {e.type}", status="relay_status", at=e.occurred_at) for e in rows],
        more_url=list_url(OutboxEvent, q=aggregate),
    )


@neighbors_of(Learner)
def enrollments_of_learner(request: HttpRequest, learner: Learner) -> Card:
    rows = learner.enrollments.select_related("instance")[:20]
    return Card("Enrollments", [_in_instance(e) for e in rows], empty="None yet.")


@neighbors_of(Lead)
def enrollments_of_lead(request: HttpRequest, lead: Lead) -> Card:
    rows = lead.enrollments.select_related("instance")[:20]
    return Card("Enrollments", [_in_instance(e) for e in rows], empty="None yet.")


def _in_instance(enrollment: Enrollment) -> Neighbor:
    return neighbor(enrollment, title=enrollment.instance, status="eligibility_status", at=enrollment.created_at)
