"""The emails to families who paid: accepted, or not and why. Learners on a district's seat are told by the integrator,
whose request it was; see docs/decisions/0001."""

from accounts.models import Learner
from events.publishing import handles
from notifications.letters import Email, compose, register_email
from notifications.models import Notification
from notifications.recipients import family_addresses
from notifications.sending import notify

from .events import EnrollmentStatusChanged
from .models import Enrollment
from .states import EligibilityStatus, EnrollmentPaymentStatus

APPROVED = "enrollment_approved"
REJECTED = "enrollment_rejected"

_KINDS = {EligibilityStatus.APPROVED: APPROVED, EligibilityStatus.REJECTED: REJECTED}
_PAID = (EnrollmentPaymentStatus.PAID, EnrollmentPaymentStatus.PARTIALLY_REFUNDED)


@handles(EnrollmentStatusChanged)
def tell_family(event: EnrollmentStatusChanged) -> None:
    """Costs a district's learner nothing: only what was paid for is looked up. A course that was bought has mails of
    its own, and no routing decision."""
    if event.to_status not in _KINDS or event.payment_status not in _PAID:
        return
    paid_for = {"decisions__enrollment__cuid": event.enrollment_cuid, "decisions__payment__isnull": False}
    learner = Learner.objects.filter(**paid_for).first()
    for address in family_addresses(learner) if learner else ():
        notify(
            workspace_id=event.workspace_id,
            kind=_KINDS[EligibilityStatus(event.to_status)],
            recipient=address,
            subject_key=f"enrollment:{event.enrollment_cuid}/{event.number}",
            params={"enrollment": event.enrollment_cuid},
        )


def write_approval(notification: Notification) -> Email | None:
    return _write(notification, EligibilityStatus.APPROVED, "enrollments/approved")


def write_rejection(notification: Notification) -> Email | None:
    return _write(notification, EligibilityStatus.REJECTED, "enrollments/rejected")


def _write(notification: Notification, status: EligibilityStatus, template: str) -> Email | None:
    """None if it was decided otherwise meanwhile."""
    found = Enrollment.objects.select_related("learner", "instance__program", "workspace")
    enrollment = found.get(cuid=notification.params["enrollment"])
    if enrollment.eligibility_status != status or enrollment.learner is None:
        return None
    context = {
        "learner": enrollment.learner.first_name,
        "program": enrollment.instance.program.title,
        "instance": enrollment.instance.name,
        "start_date": enrollment.instance.start_date,
        "reason": enrollment.eligibility_reason,
        "workspace": enrollment.workspace.name,
    }
    return compose(template, context)


register_email(APPROVED, write_approval)
register_email(REJECTED, write_rejection)
