"""What a family may know about its courses: the result of a payment, and its learners' relations to each cohort."""

import datetime as dt
from dataclasses import dataclass

from django.db.models import Count, F, OuterRef, Prefetch, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from accounts.families import learners_of
from accounts.models import Learner, User
from billing.models import Checkout, Invoice
from billing.outcomes import Outcome, Purchase, view_purchase
from billing.purposes import key_of
from billing.states import LIVE_CHECKOUTS
from core.errors import NotFound
from core.ids import is_cuid
from enrollments.models import Program

from .errors import NotInLine
from .models import Cohort, CohortPlace, StudentPackage, WaitlistEntry
from .states import PURPOSE, WaitStatus


@dataclass(frozen=True, slots=True)
class PlacePurchase:
    """One checkout for a place, and its result."""

    place: CohortPlace
    purchase: Purchase
    package: StudentPackage | None  # even if it was revoked since

    @property
    def is_enrolled(self) -> bool:
        return self.package is not None and self.package.is_live

    @property
    def has_ended(self) -> bool:
        """Return whether the course was revoked without a refund."""
        return self.package is not None and not self.is_enrolled and self.purchase.outcome == Outcome.PAID


def get_purchase(*, user: User, session_id: str, now: dt.datetime, is_confirmed: bool = True) -> PlacePurchase:
    """Return the purchase by this Stripe session for one of the person's learners. Raises NotFound.

    `is_confirmed` says whether Stripe has confirmed that an open checkout is open.
    """
    sessions = Checkout.objects.filter(purpose=PURPOSE, stripe_session_id=session_id)
    checkout = sessions.first() if session_id.isprintable() else None
    mine = CohortPlace.objects.filter(learner__in=learners_of(user), pk=key_of(checkout.subject) if checkout else 0)
    place = mine.select_related("learner", "cohort__instance__program").first()
    if place is None or checkout is None:
        raise NotFound("There is no such payment among yours.")
    purchase = view_purchase(checkout=checkout, now=now, is_confirmed=is_confirmed)
    package = StudentPackage.objects.filter(payment=purchase.payment).first() if purchase.payment else None
    return PlacePurchase(place, purchase, package)


# --- How the family's learners stand to cohorts -----------------------------------------------------------------------


def live_packages(*, user: User, course: Program) -> QuerySet[StudentPackage]:
    """Return the packages of the person's learners in a course."""
    mine = StudentPackage.objects.live().filter(learner__in=learners_of(user), program=course)
    return mine.select_related("learner").order_by("pk")


def ended_packages(*, user: User) -> QuerySet[StudentPackage]:
    """Return the packages that the person's learners no longer have, with their invoices; the latest first."""
    kept = StudentPackage.objects.revoked().filter(enrollment__deleted_at__isnull=True)
    ended = kept.filter(learner__in=learners_of(user))
    related = ended.select_related("learner", "program", "cohort", "payment").prefetch_related(
        Prefetch("payment__invoices", Invoice.objects.standing().order_by("-id"))
    )
    return related.order_by("-revoked_at", "-pk")


def unpaid_places(*, user: User, course: Program | None = None) -> QuerySet[CohortPlace]:
    """Return the places held for the person's learners (in this course) by checkouts that may still be paid, or are
    being processed by a bank.
    """
    held = CohortPlace.objects.held().filter(learner__in=learners_of(user), checkout__status__in=LIVE_CHECKOUTS)
    held = held.filter(cohort__instance__program=course) if course else held
    related = held.select_related("learner", "checkout", "cohort__instance__program", "waitlist_entry")
    return related.order_by("pk")


def waiting_entries(*, user: User) -> QuerySet[WaitlistEntry]:
    """Return where the person's learners are in line, with their `position` (1 is next) and their offer, if any.

    A learner who accepted the offer and is about to pay is no longer in line.
    """
    ahead = WaitlistEntry.objects.ahead_of(cohort=OuterRef("cohort"), rank=OuterRef("rank"))
    counted = ahead.values("cohort").annotate(n=Count("pk")).values("n")
    return (
        WaitlistEntry.objects.in_line()
        .filter(learner__in=learners_of(user))
        .exclude(place__checkout__status__in=LIVE_CHECKOUTS)
        .annotate(position=Coalesce(Subquery(counted), 0) + 1)
        .select_related("learner", "cohort__instance__program", "cohort__instance__price")
        .order_by("pk")
    )


def offers_in(*, user: User, cohort: Cohort) -> QuerySet[WaitlistEntry]:
    """Return the places of a cohort that are offered to the person's learners and wait to be accepted."""
    return waiting_entries(user=user).filter(cohort=cohort, status=WaitStatus.OFFERED)


def find_offer(*, user: User, place: CohortPlace) -> WaitlistEntry | None:
    """Return the offer that outlives an unpaid place of the same learner."""
    return offers_in(user=user, cohort=place.cohort).filter(learner=place.learner_id).first()


def get_waiting_entry(*, user: User, entry_id: int) -> WaitlistEntry:
    """Return one of those entries. Raises NotInLine for anybody else's."""
    entry = waiting_entries(user=user).filter(pk=entry_id).first()
    if entry is None:
        raise NotInLine(_("You are no longer on this waiting list."))
    return entry


def find_unpaid_place(*, user: User, cohort: Cohort, learner_cuid: str) -> CohortPlace | None:
    """Return the unpaid place of one of the person's learners in a cohort; None also for an invalid CUID."""
    if not is_cuid(learner_cuid):
        return None
    learners = learners_of(user).known_as(learner_cuid).values("pk")
    return unpaid_places(user=user).filter(cohort=cohort, learner__in=learners).first()


def learners_in(*, user: User, workspace_id: int) -> list[Learner]:
    """Return the person's learners that the workspace knows, by name."""
    return list(learners_of(user).filter(workspace=workspace_id).order_by(F("first_name"), F("last_name"), "pk"))
