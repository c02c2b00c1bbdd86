"""What a family may know of its courses: what became of a payment, and how its learners stand to each cohort."""

import datetime as dt
from dataclasses import dataclass

from django.db import models
from django.db.models import Count, Exists, F, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from accounts.families import learners_of
from accounts.models import Learner, User
from billing.models import Checkout, Payment
from billing.states import LIVE_CHECKOUTS, CheckoutStatus, PaymentStatus, RefundStatus
from core.errors import NotFound
from core.ids import is_cuid
from core.money import Money
from enrollments.models import Program

from .errors import NotInLine
from .models import Cohort, CohortPlace, StudentPackage, WaitlistEntry
from .queries import open_cohorts
from .states import IN_LINE, PURPOSE, PlaceStatus, WaitStatus

LAPSED_SHOWN_FOR = dt.timedelta(days=7)
_FAILED_REFUNDS = (RefundStatus.FAILED, RefundStatus.CANCELED)
_NO_MONEY_YET = (PaymentStatus.PENDING, PaymentStatus.FAILED)


class Standing(models.TextChoices):
    """Where the purchase of a place is."""

    TO_PAY = "to_pay", "Waiting for your payment"
    CONFIRMING = "confirming", "Confirming your payment"  # Stripe could not be asked, or its word is being worked on
    PROCESSING = "processing", "Payment on its way"  # a bank debit takes days
    ENROLLED = "enrolled", "Enrolled"
    REFUNDED = "refunded", "Refunded"
    FAILED = "failed", "Payment failed"
    EXPIRED = "expired", "Payment time ran out"
    CANCELLED = "cancelled", "Payment cancelled"


_BY_CHECKOUT = {
    CheckoutStatus.PAID: Standing.CONFIRMING,
    CheckoutStatus.PROCESSING: Standing.PROCESSING,
    CheckoutStatus.FAILED: Standing.FAILED,
    CheckoutStatus.EXPIRED: Standing.EXPIRED,
    CheckoutStatus.CANCELLED: Standing.CANCELLED,
    CheckoutStatus.REFUSED: Standing.CANCELLED,  # nobody was led to its payment page
}


@dataclass(frozen=True, slots=True)
class Purchase:
    """One checkout for a place, and what came of it."""

    place: CohortPlace
    checkout: Checkout
    payment: Payment | None
    package: StudentPackage | None
    standing: Standing

    @property
    def amount(self) -> Money:
        return self.payment.money if self.payment else self.checkout.money

    @property
    def refund_reason(self) -> str:
        """Why money goes back, as RefundReason; empty if none does."""
        refunds = self.payment.refunds.all() if self.payment else ()
        return next((refund.reason for refund in refunds if refund.status not in _FAILED_REFUNDS), "")


def get_purchase(*, user: User, session_id: str, is_confirmed: bool = True) -> Purchase:
    """The purchase of one of the person's learners that this Stripe session pays for. Raises NotFound.

    `is_confirmed` tells whether Stripe has confirmed an open checkout to be open.
    """
    sessions = Checkout.objects.filter(purpose=PURPOSE, stripe_session_id=session_id)
    checkout = sessions.first() if session_id.isprintable() else None
    mine = CohortPlace.objects.filter(learner__in=learners_of(user), pk=int(checkout.subject) if checkout else 0)
    place = mine.select_related("checkout", "learner", "cohort__instance__program").first()
    if place is None or checkout is None:
        raise NotFound("There is no such payment among yours.")
    payments = checkout.payments.exclude(status__in=_NO_MONEY_YET).prefetch_related("refunds")
    payment = payments.order_by("pk").first()
    package = StudentPackage.objects.filter(payment=payment).first() if payment else None
    standing = _standing(checkout, payment, package, is_confirmed)
    return Purchase(place, checkout, payment, package, standing)


def _standing(
    checkout: Checkout, payment: Payment | None, package: StudentPackage | None, is_confirmed: bool
) -> Standing:
    if package is not None:
        return Standing.REFUNDED if package.revoked_at else Standing.ENROLLED
    if payment is not None:
        sent_back = any(refund.status not in _FAILED_REFUNDS for refund in payment.refunds.all())
        return Standing.REFUNDED if sent_back else Standing.CONFIRMING
    if checkout.status == CheckoutStatus.OPEN:
        return Standing.TO_PAY if is_confirmed and checkout.url else Standing.CONFIRMING
    return _BY_CHECKOUT[CheckoutStatus(checkout.status)]


# --- How the family's learners stand to cohorts -----------------------------------------------------------------------


def live_packages(*, user: User, course: Program) -> QuerySet[StudentPackage]:
    """What the person's learners have of a course."""
    mine = StudentPackage.objects.filter(learner__in=learners_of(user), program=course, revoked_at__isnull=True)
    return mine.select_related("learner").order_by("pk")


def ended_packages(*, user: User) -> QuerySet[StudentPackage]:
    """What the person's learners had and have no more, with its invoices; the latest first."""
    ended = StudentPackage.objects.filter(learner__in=learners_of(user), revoked_at__isnull=False)
    related = ended.select_related("learner", "program", "cohort", "payment").prefetch_related("payment__invoices")
    return related.order_by("-revoked_at", "-pk")


def unpaid_places(*, user: User, course: Program | None = None) -> QuerySet[CohortPlace]:
    """The places held for the person's learners (in this course) by checkouts that may still be paid, or are being paid
    by a bank."""
    held = CohortPlace.objects.filter(
        learner__in=learners_of(user), status=PlaceStatus.HELD, checkout__status__in=LIVE_CHECKOUTS
    )
    held = held.filter(cohort__instance__program=course) if course else held
    related = held.select_related("learner", "checkout", "cohort__instance__program", "waitlist_entry")
    return related.order_by("pk")


def lapsed_places(*, user: User, now: dt.datetime) -> QuerySet[CohortPlace]:
    """Places that were not paid in time, or that a bank refused to pay, in the last days and in cohorts that go on; not
    those of learners who have tried again since."""
    later = CohortPlace.objects.filter(
        learner=OuterRef("learner"),
        cohort__instance__program=OuterRef("cohort__instance__program"),
        pk__gt=OuterRef("pk"),
    )
    unpaid = CohortPlace.objects.filter(
        ~Exists(later),
        learner__in=learners_of(user),
        status=PlaceStatus.RELEASED,
        released_at__gt=now - LAPSED_SHOWN_FOR,
        checkout__status__in=(CheckoutStatus.EXPIRED, CheckoutStatus.FAILED),
        cohort__in=open_cohorts(now),
        cohort__instance__program__listed=True,
        cohort__instance__program__active=True,
    )
    related = unpaid.select_related("learner", "checkout", "cohort__instance__program", "waitlist_entry")
    return related.order_by("pk")


def waiting_entries(*, user: User) -> QuerySet[WaitlistEntry]:
    """Where the person's learners are in line, with their `position` (1 is next) and the offer they may have.

    One who accepted the offer and is about to pay is not in line any more.
    """
    ahead = WaitlistEntry.objects.filter(
        cohort=OuterRef("cohort"), status=WaitStatus.WAITING, rank__lt=OuterRef("rank")
    ).order_by()
    counted = ahead.values("cohort").annotate(n=Count("pk")).values("n")
    return (
        WaitlistEntry.objects.filter(learner__in=learners_of(user), status__in=IN_LINE)
        .exclude(place__checkout__status__in=LIVE_CHECKOUTS)
        .annotate(position=Coalesce(Subquery(counted), 0) + 1)
        .select_related("learner", "cohort__instance__program", "cohort__instance__price")
        .order_by("pk")
    )


def offers_in(*, user: User, cohort: Cohort) -> QuerySet[WaitlistEntry]:
    """The places of a cohort that are offered to the person's learners, and wait to be accepted."""
    return waiting_entries(user=user).filter(cohort=cohort, status=WaitStatus.OFFERED)


def find_offer(*, user: User, place: CohortPlace) -> WaitlistEntry | None:
    """The offer that outlives an unpaid place of the same learner."""
    return offers_in(user=user, cohort=place.cohort).filter(learner=place.learner_id).first()


def get_waiting_entry(*, user: User, entry_id: int) -> WaitlistEntry:
    """One of those entries. Raises NotInLine for anybody else's."""
    entry = waiting_entries(user=user).filter(pk=entry_id).first()
    if entry is None:
        raise NotInLine("You are not on this waiting list any more.")
    return entry


def find_unpaid_place(*, user: User, cohort: Cohort, learner_cuid: str) -> CohortPlace | None:
    """The unpaid place of one of the person's learners in a cohort; None also for what is no CUID."""
    if not is_cuid(learner_cuid):
        return None
    learners = learners_of(user).known_as(learner_cuid).values("pk")
    return unpaid_places(user=user).filter(cohort=cohort, learner__in=learners).first()


def learners_in(*, user: User, workspace_id: int) -> list[Learner]:
    """The person's learners that the workspace knows, by name."""
    return list(learners_of(user).filter(workspace=workspace_id).order_by(F("first_name"), F("last_name"), "pk"))
