"""The emails to families who pay, or were asked to: accepted, or not and why, or no longer enrolled. Learners on a
district's seat are told by the integrator, whose request it was; see docs/decisions/0036. Which end is told by which
mail: docs/notifications.md."""

import datetime as dt
from collections.abc import Collection

from accounts.models import Learner
from billing.models import Refund
from billing.states import RefundStatus
from events.publishing import handles
from notifications.letters import Email, register_email
from notifications.models import Notification
from notifications.recipients import family_addresses
from notifications.sending import notify

from .events import EnrollmentStatusChanged
from .letters import write_approval, write_end, write_rejection
from .models import Enrollment, EnrollmentTransition
from .sellers import find_sales
from .states import GIVEN_BACK, PAID, EligibilityStatus, EnrollmentPaymentStatus

APPROVED = "enrollment_approved"
REJECTED = "enrollment_rejected"
ENDED = "enrollment_ended"


@handles(EnrollmentStatusChanged)
def tell_family(event: EnrollmentStatusChanged) -> None:
    """Costs a district's learner nothing: only what a family pays for is looked up."""
    if event.payment_status == EnrollmentPaymentStatus.NOT_REQUIRED:
        return
    if event.to_status == EligibilityStatus.APPROVED and event.payment_status in PAID:
        # A course that was bought has mails of its own, and no routing decision.
        routed = Learner.objects.filter(
            decisions__enrollment__cuid=event.enrollment_cuid, decisions__payment__isnull=False
        )
        _tell(APPROVED, event, routed.first())
    elif event.to_status in GIVEN_BACK:
        learner = Learner.objects.filter(enrollments__cuid=event.enrollment_cuid).first()
        if event.payment_status == EnrollmentPaymentStatus.REFUNDED:  # a request that ends so was not turned down
            _tell(ENDED, event, learner, informed=_informed_by_refund(event.enrollment_cuid, event.occurred_at))
        else:
            _tell(REJECTED if event.to_status == EligibilityStatus.REJECTED else ENDED, event, learner)


def _tell(
    kind: str, event: EnrollmentStatusChanged, learner: Learner | None, *, informed: Collection[str] = ()
) -> None:
    for address in family_addresses(learner) if learner else ():
        if address in informed:
            continue
        notify(
            workspace_id=event.workspace_id,
            kind=kind,
            recipient=address,
            subject_key=f"enrollment:{event.enrollment_cuid}/{event.number}",
            params={"enrollment": event.enrollment_cuid, "number": event.number},
            now=event.occurred_at,
        )


def _informed_by_refund(enrollment_cuid: str, now: dt.datetime) -> set[str]:
    """Who learns of the end by the mail about the refund. What a bank takes back has no such mail."""
    enrollment = Enrollment.objects.get(cuid=enrollment_cuid)
    checkouts = list(enrollment.decisions.exclude(checkout=None).values_list("checkout", flat=True))
    checkouts += [sale.checkout.pk for sale in find_sales([enrollment.pk], now).values()]
    refunds = Refund.objects.filter(payment__checkout__in=checkouts, status=RefundStatus.SUCCEEDED)
    return set(refunds.values_list("payment__checkout__payer_email", flat=True))


def render_approval(notification: Notification) -> Email | None:
    enrollment = _find(notification, EligibilityStatus.APPROVED)
    return write_approval(enrollment) if enrollment else None


def render_rejection(notification: Notification) -> Email | None:
    enrollment = _find(notification, EligibilityStatus.REJECTED)
    if enrollment is None:
        return None
    was_paid = enrollment.payment_status in (*PAID, EnrollmentPaymentStatus.REFUNDED)
    return write_rejection(enrollment, reason=enrollment.eligibility_reason, was_paid=was_paid)


def render_end(notification: Notification) -> Email | None:
    enrollment = _find(notification, *GIVEN_BACK)
    if enrollment is None:
        return None
    end = EnrollmentTransition.objects.get(enrollment=enrollment, number=notification.params["number"])
    return write_end(enrollment, reason=end.reason)


def _find(notification: Notification, *statuses: EligibilityStatus) -> Enrollment | None:
    """None if it has been decided otherwise since."""
    found = Enrollment.objects.select_related("learner", "instance__program", "workspace")
    enrollment = found.get(cuid=notification.params["enrollment"])
    return enrollment if enrollment.eligibility_status in statuses and enrollment.learner else None


register_email(APPROVED, render_approval)
register_email(REJECTED, render_rejection)
register_email(ENDED, render_end)
