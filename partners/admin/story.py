"""The actions of partners and of ours along a learner's steps."""

from typing import Any

from backoffice.display import admin_url, badge
from backoffice.stories import Happening, register_chapter, register_thread
from enrollments.models import Enrollment
from notifications.models import Notification
from notifications.story import tell_mail

from ..models import Certificate, EnrollmentStep, Nudge, PartnerEvent, StepTransition
from ..states import PartnerStepStatus


def tell_transition(row: StepTransition) -> Happening:
    return Happening(
        title=f"Step {row.step.sequence_order} at {row.step.provider}",
        icon="steps",
        badge=badge(row.to_status, PartnerStepStatus(row.to_status).label),
        note=row.reason,
        by=row.actor,
        url=admin_url(row.step),
    )


def tell_event(row: PartnerEvent) -> Happening:
    return Happening(
        title=f"{row.provider} told us: {row.type}",
        icon="move_to_inbox",
        badge=badge("handled", row.outcome or "Handled") if row.handled_at else badge("pending", "Waiting"),
        note=row.last_error,
        url=admin_url(row),
    )


def tell_certificate(row: Certificate) -> Happening:
    return Happening(
        title=f"Certificate {row.serial}",
        icon="workspace_premium",
        badge=badge("revoked", row.get_revocation_display()) if row.revoked_at else "",
        note=row.revoked_reason,
        by=row.issued_by,
        url=admin_url(row),
    )


def tell_nudge(row: Nudge) -> Happening:
    return Happening(
        title=f"Nudge {row.sent_count} in a row", icon="notifications", note=f"To {row.recipient}", url=admin_url(row)
    )


def _serials(ids: Any) -> list[str]:
    serials = Certificate.objects.filter(enrollment__in=ids).values_list("serial", flat=True)
    return [f"certificate:{serial}" for serial in serials]


register_chapter(
    Enrollment,
    lambda ids: StepTransition.objects.filter(step__enrollment__in=ids).select_related("step__provider"),
    at="created_at",
    tell=tell_transition,
)
register_chapter(
    Enrollment,
    lambda ids: PartnerEvent.objects.filter(step__enrollment__in=ids).select_related("provider"),
    at="received_at",
    tell=tell_event,
)
register_chapter(
    Enrollment, lambda ids: Certificate.objects.filter(enrollment__in=ids), at="issued_at", tell=tell_certificate
)
register_chapter(Enrollment, lambda ids: Nudge.objects.filter(enrollment__in=ids), at="last_sent_at", tell=tell_nudge)
register_chapter(Enrollment, lambda ids: Notification.objects.about(_serials(ids)), at="created_at", tell=tell_mail)


def _own_enrollment(row: Any) -> list[int]:
    return [row.enrollment_id]


for part in (EnrollmentStep, Certificate):
    register_thread(part, Enrollment, _own_enrollment)
