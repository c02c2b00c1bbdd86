"""What a family may know of its enrollments: where each one stands, in words that need no glossary."""

from dataclasses import dataclass

from django.db import models
from django.db.models import Prefetch

from accounts.families import learners_of
from accounts.models import User
from billing.models import Checkout, Payment
from billing.states import CheckoutStatus, PaymentStatus, RefundStatus
from core.clock import utc_now
from core.errors import NotFound
from core.ids import is_cuid
from core.money import Money

from ..models import Enrollment, EnrollmentDecision
from ..sellers import Sale
from ..states import PURPOSE, EligibilityStatus, EnrollmentPaymentStatus, ParticipationStatus

ENROLLMENTS_SHOWN = 200


class Standing(models.TextChoices):
    """Where an enrollment is, seen from a family: one answer made of its facets, its checkout and its money."""

    BEING_CHECKED = "being_checked", "Being checked"
    TO_PAY = "to_pay", "Waiting for your payment"
    CONFIRMING = "confirming", "Confirming your payment"  # Stripe could not be asked just now
    PROCESSING = "processing", "Payment on its way"  # a bank debit takes days
    PAYMENT_FAILED = "payment_failed", "Payment failed"
    PAYMENT_EXPIRED = "payment_expired", "Payment time ran out"
    PAYMENT_CANCELLED = "payment_cancelled", "Payment cancelled"
    NOT_PAYABLE = "not_payable", "Payment not possible yet"  # Stripe refuses the price; staff know
    IN_REVIEW = "in_review", "In review"
    ENROLLED = "enrolled", "Enrolled"
    COMPLETED = "completed", "Completed"
    NOT_ELIGIBLE = "not_eligible", "Not eligible"
    NOT_ACCEPTED = "not_accepted", "Not accepted"
    LEFT = "left", "Left the program"
    REFUNDED = "refunded", "Refunded"


_BY_CHECKOUT = {
    CheckoutStatus.PROCESSING: Standing.PROCESSING,
    CheckoutStatus.FAILED: Standing.PAYMENT_FAILED,
    CheckoutStatus.EXPIRED: Standing.PAYMENT_EXPIRED,
    CheckoutStatus.CANCELLED: Standing.PAYMENT_CANCELLED,
    CheckoutStatus.REFUSED: Standing.NOT_PAYABLE,
    CheckoutStatus.PAID: Standing.CONFIRMING,
}
_BY_ELIGIBILITY = {
    EligibilityStatus.CANDIDATE: Standing.BEING_CHECKED,
    EligibilityStatus.ELIGIBLE: Standing.BEING_CHECKED,
    EligibilityStatus.SUBMITTED: Standing.IN_REVIEW,
    EligibilityStatus.APPROVED: Standing.ENROLLED,
    EligibilityStatus.INELIGIBLE: Standing.NOT_ELIGIBLE,
    EligibilityStatus.REJECTED: Standing.NOT_ACCEPTED,
    EligibilityStatus.UNENROLLED: Standing.LEFT,
}
_OVER = (EligibilityStatus.INELIGIBLE, EligibilityStatus.REJECTED, EligibilityStatus.UNENROLLED)
_UNPAID = (EnrollmentPaymentStatus.PENDING, EnrollmentPaymentStatus.FAILED)
_UNPAID_IN_THE_END = (
    Standing.PAYMENT_FAILED,
    Standing.PAYMENT_EXPIRED,
    Standing.PAYMENT_CANCELLED,
    Standing.NOT_PAYABLE,
)
_FAILED_REFUNDS = (RefundStatus.FAILED, RefundStatus.CANCELED)


@dataclass(frozen=True, slots=True)
class FamilyView:
    """One enrollment as its family sees it. `pay_url` is there only while paying is possible, `sale` if it was bought
    and not routed."""

    enrollment: Enrollment
    decision: EnrollmentDecision | None
    standing: Standing
    checkout: Checkout | None
    payment: Payment | None
    sale: Sale | None = None

    @property
    def pay_url(self) -> str:
        return self.checkout.url if self.checkout and self.standing == Standing.TO_PAY else ""

    @property
    def again_url(self) -> str:
        """Where to buy once more what was not paid in the end."""
        return self.sale.again_url if self.sale and self.standing in _UNPAID_IN_THE_END else ""

    @property
    def by_family(self) -> bool:
        """Whether the family pays, has paid or got its money back."""
        return self.checkout is not None or self.enrollment.payment_status != EnrollmentPaymentStatus.NOT_REQUIRED

    @property
    def amount(self) -> Money | None:
        paid_or_asked = self.payment or self.checkout
        return paid_or_asked.money if paid_or_asked else None

    @property
    def refunded(self) -> Money | None:
        """What went back or is on its way back, None if nothing is."""
        return _refunded(self.payment) if self.payment else None

    @property
    def refund_reason(self) -> str:
        """Why money goes back, as RefundReason; empty if none does."""
        refunds = self.payment.refunds.all() if self.payment else ()
        return next((refund.reason for refund in refunds if refund.status not in _FAILED_REFUNDS), "")


def view_enrollment(
    *, enrollment: Enrollment, decision: EnrollmentDecision | None, sale: Sale | None = None, is_confirmed: bool = True
) -> FamilyView:
    """Say where an enrollment stands by this decision about it (its latest one, or the one being paid), or by its sale
    if that is newer.

    `is_confirmed` tells whether Stripe has confirmed an open checkout to be open.
    """
    if sale is not None and decision is not None and decision.created_at > sale.checkout.created_at:
        sale = None
    checkout = sale.checkout if sale else decision.checkout if decision else None
    payment = _payment_of(checkout)
    standing = _standing(enrollment, checkout, payment, is_confirmed)
    return FamilyView(enrollment, decision, standing, checkout, payment, sale)


def _standing(
    enrollment: Enrollment, checkout: Checkout | None, payment: Payment | None, is_confirmed: bool
) -> Standing:
    if payment is not None and _refunded(payment) == payment.money:
        return Standing.REFUNDED
    if enrollment.payment_status in _UNPAID and enrollment.eligibility_status not in _OVER:
        if checkout is None:
            failed = enrollment.payment_status == EnrollmentPaymentStatus.FAILED
            return Standing.PAYMENT_FAILED if failed else Standing.TO_PAY
        if checkout.status != CheckoutStatus.OPEN:
            return _BY_CHECKOUT[CheckoutStatus(checkout.status)]
        if is_confirmed and checkout.cancel_requested_at:
            return Standing.PAYMENT_CANCELLED
        payable = is_confirmed and checkout.url and checkout.expires_at > utc_now()
        return Standing.TO_PAY if payable else Standing.CONFIRMING
    if enrollment.participation_status == ParticipationStatus.COMPLETED:
        return Standing.COMPLETED
    return _BY_ELIGIBILITY[EligibilityStatus(enrollment.eligibility_status)]


def _payment_of(checkout: Checkout | None) -> Payment | None:
    payments = list(checkout.payments.all()) if checkout else []
    received = [payment for payment in payments if payment.status not in (PaymentStatus.PENDING, PaymentStatus.FAILED)]
    return received[0] if received else None


def _refunded(payment: Payment) -> Money | None:
    coming = sum(refund.amount_minor for refund in payment.refunds.all() if refund.status not in _FAILED_REFUNDS)
    minor = max(coming, payment.refunded_minor)
    return Money(minor, payment.currency) if minor else None


# --- Reads ------------------------------------------------------------------------------------------------------------


def _decisions() -> models.QuerySet[EnrollmentDecision]:
    return EnrollmentDecision.objects.select_related(
        "checkout", "district", "enrollment__instance__program", "enrollment__learner", "enrollment__workspace"
    ).prefetch_related("checkout__payments__refunds")


def get_decision(*, decision_id: int) -> EnrollmentDecision:
    """A decision that was looked up before, as it stands now, with all that a FamilyView reads."""
    return _decisions().get(pk=decision_id)


def get_decision_by_session(*, session_id: str) -> EnrollmentDecision:
    """The decision that this Stripe session pays for; its holder came from the payment page. Raises NotFound."""
    paid_by = Checkout.objects.filter(purpose=PURPOSE, stripe_session_id=session_id)
    subject = paid_by.values_list("subject", flat=True).first() if session_id.isprintable() else None
    decision = _decisions().filter(pk=int(subject)).first() if subject else None
    if decision is None:
        raise NotFound("There is no such payment.")
    return decision


def get_decision_by_enrollment(*, cuid: str) -> EnrollmentDecision:
    """The latest decision about this enrollment that asked for a payment. Raises NotFound."""
    asked = _decisions().filter(enrollment__cuid=cuid, checkout__isnull=False).order_by("-id")
    decision = asked.first() if is_cuid(cuid) else None
    if decision is None:
        raise NotFound("There is no such payment.")
    return decision


def list_family_enrollments(*, user: User) -> list[Enrollment]:
    """The enrollments of the learners this person may act for.

    Newest first, at most ENROLLMENTS_SHOWN; a constant number of queries, whatever the family's size.
    """
    mine = learners_of(user).order_by().values("pk")
    return list(
        Enrollment.objects.filter(learner__in=mine)
        .select_related("instance__program", "learner", "workspace")
        .prefetch_related("transitions", Prefetch("decisions", queryset=_decisions().order_by("-id")))
        .order_by("-id")[:ENROLLMENTS_SHOWN]
    )
