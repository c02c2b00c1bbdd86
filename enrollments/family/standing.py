"""What a family may know about its enrollments: where each one stands, in words that need no glossary."""

import datetime as dt
from dataclasses import dataclass

from django.db import models
from django.db.models import Prefetch
from django.utils.translation import gettext_lazy as _

from accounts.families import learners_of
from accounts.models import User
from billing.models import Checkout, Payment
from billing.outcomes import UNPAID_IN_THE_END, Outcome, Purchase, view_purchase
from billing.purposes import key_of
from core.errors import NotFound
from core.ids import is_cuid
from core.money import Money

from ..models import EligibilityVerdict, Enrollment, EnrollmentDecision, EnrollmentTransition, PlannedExit
from ..reasons import tell_reason
from ..sellers import Sale
from ..states import (
    OVER,
    PAID,
    PURPOSE,
    UNPAID,
    EligibilityStatus,
    EnrollmentPaymentStatus,
    ExitStatus,
    ParticipationStatus,
)

ENROLLMENTS_SHOWN = 200


class Standing(models.TextChoices):
    """Where an enrollment stands for a family, unless its purchase determines that (`billing.outcomes.Outcome`)."""

    BEING_CHECKED = "being_checked", _("Being checked")
    IN_REVIEW = "in_review", _("In review")
    ENROLLED = "enrolled", _("Enrolled")
    COMPLETED = "completed", _("Completed")
    NOT_ELIGIBLE = "not_eligible", _("Not eligible")
    NOT_ACCEPTED = "not_accepted", _("Not accepted")
    LEFT = "left", _("Left the program")


_BY_ELIGIBILITY = {
    EligibilityStatus.CANDIDATE: Standing.BEING_CHECKED,
    EligibilityStatus.ELIGIBLE: Standing.BEING_CHECKED,
    EligibilityStatus.SUBMITTED: Standing.IN_REVIEW,
    EligibilityStatus.APPROVED: Standing.ENROLLED,
    EligibilityStatus.INELIGIBLE: Standing.NOT_ELIGIBLE,
    EligibilityStatus.REJECTED: Standing.NOT_ACCEPTED,
    EligibilityStatus.UNENROLLED: Standing.LEFT,
}


@dataclass(frozen=True, slots=True)
class FamilyView:
    """One enrollment as its family sees it: its `purchase` if a payment was requested, its `sale` if not routed."""

    enrollment: Enrollment
    decision: EnrollmentDecision | None
    standing: Standing | Outcome
    purchase: Purchase | None
    sale: Sale | None = None

    @property
    def checkout(self) -> Checkout | None:
        return self.purchase.checkout if self.purchase else None

    @property
    def payment(self) -> Payment | None:
        return self.purchase.payment if self.purchase else None

    @property
    def reason(self) -> str:
        """Return why it was refused, as the family reads it."""
        return tell_reason(self.enrollment.eligibility_reason)

    @property
    def pay_url(self) -> str:
        """Return the URL to pay at, while that is possible."""
        return self.purchase.pay_url if self.purchase and self.standing == Outcome.TO_PAY else ""

    @property
    def is_unpaid_sale(self) -> bool:
        """Return whether it was bought and nothing has been paid: still open, at a bank, or ended unpaid."""
        unpaid = (Outcome.TO_PAY, Outcome.PROCESSING, *UNPAID_IN_THE_END)
        return self.sale is not None and self.standing in unpaid

    @property
    def again_url(self) -> str:
        """Return the URL to buy again after nothing was paid in the end."""
        return self.sale.again_url if self.sale and self.standing in UNPAID_IN_THE_END else ""

    @property
    def is_over_unpaid(self) -> bool:
        """Return whether nothing was paid in the end, or everything was refunded."""
        return self.standing in (*UNPAID_IN_THE_END, Outcome.REFUNDED)

    @property
    def is_paid_by_family(self) -> bool:
        """Return whether the family pays, has paid, or got its money back."""
        return self.purchase is not None or self.enrollment.payment_status != EnrollmentPaymentStatus.NOT_REQUIRED

    @property
    def was_paid(self) -> bool:
        """Return whether money arrived for it, at Stripe or outside of it, even if it went back."""
        received = (*PAID, EnrollmentPaymentStatus.REFUNDED)
        return self.payment is not None or self.enrollment.payment_status in received

    @property
    def amount(self) -> Money | None:
        """Return what was, or is to be, paid; None if nothing is, or if it was not paid here."""
        if self.purchase is not None:
            return self.purchase.amount
        price = self.enrollment.instance.price if self.enrollment.payment_status in UNPAID else None
        return price.money if price is not None else None

    @property
    def refunded(self) -> Money | None:
        """Return what was refunded or is being refunded; None if nothing is."""
        return self.purchase.refunded if self.purchase else None


def view_enrollment(
    *,
    enrollment: Enrollment,
    decision: EnrollmentDecision | None,
    now: dt.datetime,
    sale: Sale | None = None,
    is_confirmed: bool = True,
) -> FamilyView:
    """Return where an enrollment stands by this decision about it (its latest one, or the one being paid), or by its
    sale if that is newer.

    `is_confirmed` says whether Stripe has confirmed that an open checkout is open.
    """
    if sale is not None and decision is not None and decision.created_at > sale.checkout.created_at:
        sale = None
    checkout = sale.checkout if sale else decision.checkout if decision else None
    purchase = view_purchase(checkout=checkout, now=now, is_confirmed=is_confirmed) if checkout else None
    return FamilyView(enrollment, decision, _standing(enrollment, purchase), purchase, sale)


def _standing(enrollment: Enrollment, purchase: Purchase | None) -> Standing | Outcome:
    keeps_it = enrollment.is_going_on and enrollment.payment_status in PAID  # until all of the money is back
    if purchase is not None and purchase.outcome == Outcome.REFUNDED and not keeps_it:
        return Outcome.REFUNDED
    if enrollment.payment_status in UNPAID and enrollment.eligibility_status not in OVER:
        if purchase is not None:
            return purchase.unfulfilled
        failed = enrollment.payment_status == EnrollmentPaymentStatus.FAILED
        return Outcome.FAILED if failed else Outcome.TO_PAY
    if enrollment.participation_status == ParticipationStatus.COMPLETED:
        return Standing.COMPLETED
    return _BY_ELIGIBILITY[EligibilityStatus(enrollment.eligibility_status)]


# --- Reads ------------------------------------------------------------------------------------------------------------


def _decisions() -> models.QuerySet[EnrollmentDecision]:
    return EnrollmentDecision.objects.select_related(
        "checkout",
        "district",
        "enrollment__instance__program",
        "enrollment__instance__price",
        "enrollment__learner",
        "enrollment__workspace",
    ).prefetch_related("checkout__payments__refunds")


def get_decision(*, decision_id: int) -> EnrollmentDecision:
    """Reload a decision that was looked up before, with everything that a FamilyView reads."""
    return _decisions().get(pk=decision_id)


def get_decision_by_session(*, session_id: str) -> EnrollmentDecision:
    """Return the decision that this Stripe session, known from the payment page, pays for. Raises NotFound."""
    paid_by = Checkout.objects.filter(purpose=PURPOSE, stripe_session_id=session_id)
    subject = paid_by.values_list("subject", flat=True).first() if session_id.isprintable() else None
    decision = _decisions().filter(pk=key_of(subject)).first() if subject else None
    if decision is None:
        raise NotFound("There is no such payment.")
    return decision


def get_decision_by_enrollment(*, cuid: str) -> EnrollmentDecision:
    """Return the latest decision about this enrollment that asked for a payment. Raises NotFound."""
    asked = _decisions().filter(enrollment__cuid=cuid, checkout__isnull=False).order_by("-id")
    decision = asked.first() if is_cuid(cuid) else None
    if decision is None:
        raise NotFound("There is no such payment.")
    return decision


def view_latest(*, cuid: str, now: dt.datetime) -> FamilyView:
    """View an enrollment that was looked up before, by its latest decision."""
    found = Enrollment.objects.select_related(
        "instance__program", "instance__price", "instance__workspace", "learner", "workspace"
    )
    enrollment = found.get(cuid=cuid)
    decision = _decisions().filter(enrollment=enrollment).order_by("-id").first()
    return view_enrollment(enrollment=enrollment, decision=decision, now=now)


def list_family_enrollments(*, user: User) -> list[Enrollment]:
    """Return the enrollments of the learners this person may act for, as their list shows them.

    Newest first, at most ENROLLMENTS_SHOWN; a constant number of queries, whatever the family's size.
    """
    return list(_of_family(user).order_by("-id")[:ENROLLMENTS_SHOWN])


def get_family_enrollment(*, user: User, cuid: str) -> Enrollment:
    """Return one of those enrollments, with its history and its verdicts. Raises NotFound for anybody else's."""
    found = (
        _of_family(user)
        .filter(cuid=cuid)
        .prefetch_related(
            Prefetch("verdicts", EligibilityVerdict.objects.order_by("-id")),
            Prefetch("transitions", EnrollmentTransition.objects.order_by("number")),
        )
    )
    enrollment = found.first()
    if enrollment is None:
        raise NotFound("There is no such enrollment among yours.")
    return enrollment


def _of_family(user: User) -> models.QuerySet[Enrollment]:
    return (
        Enrollment.objects.kept()
        .filter(learner__in=learners_of(user).values("pk"))
        .select_related("instance__program", "instance__price", "learner", "workspace")
        .prefetch_related(
            Prefetch("planned_exits", PlannedExit.objects.filter(status=ExitStatus.PLANNED)),
            Prefetch("decisions", queryset=_decisions().order_by("-id")),
        )
    )
