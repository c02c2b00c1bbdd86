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

from .events import EnrollmentStatusChanged, ExitPlanned, ExitWithdrawn
from .letters import write_approval, write_end, write_planned_exit, write_rejection, write_withdrawn_exit
from .models import Enrollment, EnrollmentTransition, PlannedExit
from .sellers import find_sales
from .states import GIVEN_BACK, PAID, EligibilityStatus, EnrollmentPaymentStatus, ExitStatus

APPROVED = "enrollment_approved"
REJECTED = "enrollment_rejected"
ENDED = "enrollment_ended"
EXIT_PLANNED = "enrollment_exit_planned"
EXIT_WITHDRAWN = "enrollment_exit_withdrawn"


@handles(EnrollmentStatusChanged)
def tell_family(event: EnrollmentStatusChanged) -> None:
    """Costs a request of the router nothing: only what a family pays for, and what ends, is looked up."""
    if event.to_status in GIVEN_BACK:
        _tell_of_end(event)
    elif event.to_status == EligibilityStatus.APPROVED and event.payment_status in PAID:
        # A course that was bought has mails of its own, and no routing decision.
        routed = Learner.objects.filter(
            decisions__enrollment__cuid=event.enrollment_cuid, decisions__payment__isnull=False
        )
        _tell(APPROVED, event, routed.first())


def _tell_of_end(event: EnrollmentStatusChanged) -> None:
    enrollment = Enrollment.objects.select_related("learner").get(cuid=event.enrollment_cuid)
    if not hears_from_us(enrollment):
        return
    if event.payment_status == EnrollmentPaymentStatus.REFUNDED:  # a request that ends so was not turned down
        informed = _informed_by_refund(enrollment, event.occurred_at)
        _tell(ENDED, event, enrollment.learner, informed=informed)
    else:
        kind = REJECTED if event.to_status == EligibilityStatus.REJECTED else ENDED
        _tell(kind, event, enrollment.learner)


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


@handles(ExitPlanned)
def tell_of_planned_exit(event: ExitPlanned) -> None:
    """When it is planned, so that nobody is surprised on the day; on the day itself the mail about the end follows."""
    _tell_of_exit(EXIT_PLANNED, event)


@handles(ExitWithdrawn)
def tell_of_withdrawn_exit(event: ExitWithdrawn) -> None:
    _tell_of_exit(EXIT_WITHDRAWN, event)


def _tell_of_exit(kind: str, event: ExitPlanned | ExitWithdrawn) -> None:
    enrollment = Enrollment.objects.select_related("learner").get(cuid=event.enrollment_cuid)
    if enrollment.learner is None or not hears_from_us(enrollment):
        return
    for address in family_addresses(enrollment.learner):
        notify(
            workspace_id=event.workspace_id,
            kind=kind,
            recipient=address,
            subject_key=f"enrollment:{event.enrollment_cuid}/exit/{event.planned_exit_id}",
            params={"exit": event.planned_exit_id},
            now=event.occurred_at,
        )


def hears_from_us(enrollment: Enrollment) -> bool:
    """Whether its family is written to by us: not if an integrator routed the learner to a district's seat, and not
    about what was deleted."""
    if enrollment.deleted_at is not None:
        return False
    return enrollment.payment_status != EnrollmentPaymentStatus.NOT_REQUIRED or not enrollment.decisions.exists()


def _informed_by_refund(enrollment: Enrollment, now: dt.datetime) -> set[str]:
    """Who learns of the end by the mail about the refund. What a bank takes back has no such mail."""
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


def render_planned_exit(notification: Notification) -> Email | None:
    """None once it was withdrawn, replaced or carried out: other mails tell of that."""
    plan = _find_exit(notification)
    if plan.status != ExitStatus.PLANNED:
        return None
    before = plan.enrollment.planned_exits.filter(pk__lt=plan.pk, status=ExitStatus.REPLACED)
    return write_planned_exit(
        plan.enrollment, effective_date=plan.effective_date, reason=plan.reason, is_another_plan=before.exists()
    )


def render_withdrawn_exit(notification: Notification) -> Email | None:
    plan = _find_exit(notification)
    enrollment = plan.enrollment
    goes_on = enrollment.eligibility_status == EligibilityStatus.APPROVED and enrollment.deleted_at is None
    is_planned_anew = plan.enrollment.planned_exits.filter(status=ExitStatus.PLANNED).exists()
    if not goes_on or is_planned_anew:
        return None
    return write_withdrawn_exit(plan.enrollment, effective_date=plan.effective_date)


def _find_exit(notification: Notification) -> PlannedExit:
    plans = PlannedExit.objects.select_related("enrollment__learner", "enrollment__instance__program")
    return plans.select_related("enrollment__workspace").get(pk=notification.params["exit"])


def _find(notification: Notification, *statuses: EligibilityStatus) -> Enrollment | None:
    """None if it has been decided otherwise since, or deleted."""
    found = Enrollment.objects.kept().select_related("learner", "instance__program", "workspace")
    enrollment = found.filter(cuid=notification.params["enrollment"]).first()
    is_so_still = enrollment is not None and enrollment.eligibility_status in statuses and enrollment.learner
    return enrollment if is_so_still else None


register_email(APPROVED, render_approval)
register_email(REJECTED, render_rejection)
register_email(ENDED, render_end)
register_email(EXIT_PLANNED, render_planned_exit)
register_email(EXIT_WITHDRAWN, render_withdrawn_exit)
