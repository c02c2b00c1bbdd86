"""What enrollments contribute to the story on related pages: changes, decisions, seats, mails, tasks, and webhooks."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import Q

from accounts.models import Lead, Learner, StaffTask
from backoffice.admin.story import tell_task
from backoffice.display import admin_url, badge
from backoffice.stories import Happening, register_chapter, register_thread
from billing.models import Payment
from billing.purposes import as_subject, key_of
from events.admin.story import tell_delivery
from events.models import WebhookDelivery
from notifications.models import Notification
from notifications.story import tell_mail

from ..models import Enrollment, EnrollmentDecision, EnrollmentTransition, PlannedExit, SeatAssignment
from ..states import OFFLINE_PURPOSE


def _words(status: str) -> str:
    return status.replace("_", " ")


def _subjects(ids: Sequence[int]) -> list[str]:
    """Return what mails and tasks call these enrollments: some by their CUID, others by their number."""
    keys = Enrollment.objects.filter(pk__in=ids).values_list("cuid", "pk")
    return [f"enrollment:{key}" for pair in keys for key in pair]


def tell_transition(row: EnrollmentTransition) -> Happening:
    noted = [row.reason, row.note and f"Note: {row.note}"]
    return Happening(
        title=f"{row.enrollment.instance}: {row.get_facet_display().lower()}",
        icon="swap_horiz",
        badge=badge(row.to_status, _words(row.to_status)),
        note=". ".join(part for part in noted if part),
        by=row.actor,
        url=admin_url(row),
    )


def tell_decision(row: EnrollmentDecision) -> Happening:
    return Happening(
        title=f"{row.instance}: decision",
        icon="alt_route",
        badge=badge(row.status, row.get_status_display()),
        note=row.get_reason_display(),
        by=row.actor,
        url=admin_url(row),
    )


def tell_seat(row: SeatAssignment) -> Happening:
    return Happening(
        title=f"Seat of {row.allocation.district}",
        icon="event_seat",
        badge=badge(row.status, row.get_status_display()),
        note=row.release_reason,
        url=admin_url(row),
    )


register_chapter(
    Enrollment,
    lambda ids: EnrollmentTransition.objects.filter(enrollment__in=ids).select_related("enrollment__instance"),
    at="created_at",
    tell=tell_transition,
)
register_chapter(
    Enrollment,
    lambda ids: EnrollmentDecision.objects.filter(enrollment__in=ids).select_related("instance"),
    at="created_at",
    tell=tell_decision,
)
register_chapter(
    Enrollment,
    lambda ids: SeatAssignment.objects.filter(enrollment__in=ids).select_related("allocation__district"),
    at="reserved_at",
    tell=tell_seat,
)
register_chapter(Enrollment, lambda ids: Notification.objects.about(_subjects(ids)), at="created_at", tell=tell_mail)
register_chapter(
    Enrollment, lambda ids: StaffTask.objects.filter(subject__in=_subjects(ids)), at="created_at", tell=tell_task
)
register_chapter(
    Enrollment,
    # Only failed deliveries: staff don't need to know that integrators were notified as they should be.
    lambda ids: (
        WebhookDelivery.objects.filter(event__aggregate__in=_subjects(ids))
        .exclude(last_error="")
        .select_related("event")
    ),
    at="created_at",
    tell=tell_delivery,
)

# --- From the object of a page to the rows its story is about --------------------------------------------------------


def _enrollments_of(person: Learner | Lead) -> Iterable[int]:
    return person.enrollments.kept().order_by("-pk").values_list("pk", flat=True)


def _payments_of(enrollment_ids: Iterable[int]) -> list[int]:
    """Return the payments for routing decisions and outside of Stripe; the apps above add those for what they sell."""
    ids = list(enrollment_ids)
    checkouts = list(EnrollmentDecision.objects.filter(enrollment__in=ids).values_list("checkout", flat=True))
    by_hand = Q(purpose=OFFLINE_PURPOSE, subject__in=[as_subject(key) for key in ids])
    asked = Q(checkout__in=[key for key in checkouts if key])
    return list(Payment.objects.filter(asked | by_hand).values_list("pk", flat=True))


def _enrollments_of_payment(payment: Payment) -> Iterable[int]:
    if payment.purpose == OFFLINE_PURPOSE:
        return [key_of(payment.subject)]
    decisions = EnrollmentDecision.objects.filter(
        Q(payment=payment) | Q(checkout__isnull=False, checkout=payment.checkout_id)
    )
    return decisions.values_list("enrollment", flat=True)


def _own(row: Any) -> list[int]:
    return [row.pk]


def _own_enrollment(row: Any) -> list[int]:
    return [row.enrollment_id]


register_thread(Enrollment, Enrollment, _own)
register_thread(Payment, Enrollment, _enrollments_of_payment)
for person_model in (Learner, Lead):
    register_thread(person_model, Enrollment, _enrollments_of)
    register_thread(person_model, Payment, lambda person: _payments_of(_enrollments_of(person)))
for part in (EnrollmentDecision, SeatAssignment, PlannedExit):
    register_thread(part, Enrollment, _own_enrollment)
register_thread(Enrollment, Payment, lambda enrollment: _payments_of([enrollment.pk]))
register_thread(EnrollmentDecision, Payment, lambda decision: _payments_of([decision.enrollment_id]))
