"""Buying a place: it is held when the checkout starts, so nobody can pay for a place that is gone."""

import datetime as dt
from urllib.parse import quote

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import Learner, User
from billing.checkout import SHORTEST_TIME, open_checkout, request_cancellation, settle_checkout, submit_checkout
from billing.discounts import was_discounted_by
from billing.errors import VoucherTooLate
from billing.models import Checkout
from billing.purposes import as_subject
from billing.repricing import is_outdated
from billing.states import CheckoutStatus
from core.actors import Actor
from core.errors import require
from core.text import limit_of, shorten_together
from enrollments.errors import PaymentOnItsWay
from enrollments.models import Program
from enrollments.purchase import begin_purchase

from ..errors import (
    AlreadyOwned,
    CohortFull,
    CohortNotActive,
    CourseNotFound,
    DeadlinePassed,
    NotForSale,
)
from ..locks import lock_cohort, lock_learner, lock_sessions_of_purchase
from ..models import Cohort, CohortPlace, StudentPackage
from ..queries import get_cohort
from ..states import PURPOSE
from .fulfilment import give_place
from .limits import account_of, refuse_hoarding
from .places import hold_place
from .pricing import find_discount_of_place

# Our hold outlives the session: it ends once Stripe has confirmed that nothing was paid.
HOLD_TIME = SHORTEST_TIME + dt.timedelta(minutes=10)


def start_checkout(
    *,
    learner_id: int,
    course_code: str,
    cohort_id: int,
    success_url: str,
    cancel_url: str,
    voucher: str = "",
    actor: Actor,
    now: dt.datetime,
) -> CohortPlace:
    """Hold a place for the learner and open a checkout for it; a second click returns the open one. If a discount
    covers the whole price, the place is theirs at once and has no checkout.

    `success_url` may contain {CHECKOUT_SESSION_ID}; the caller has validated both URLs. An open checkout for another
    cohort of the same course is given up for this one.

    Raises, in this order: CourseNotFound (also for a course of another workspace than the learner's), CourseNotActive,
    CohortNotFound, PaymentOnItsWay, CohortNotActive, CohortFull, DeadlinePassed, AlreadyOwned, NotForSale,
    TooManyPlacesHeld, VoucherNotAccepted, Ineligible; VoucherTooLate while a checkout without this code is open;
    PaymentProviderDown, after which the same call continues; PaymentRejected, after which nothing is held.
    """
    settle_overdue(learner_id=learner_id, cohort_id=cohort_id, now=now)
    place = reserve_place(
        learner_id=learner_id,
        course_code=course_code,
        cohort_id=cohort_id,
        success_url=success_url,
        cancel_url=cancel_url,
        voucher=voucher,
        actor=actor,
        now=now,
    )
    return submit_place(place=place, now=now)


def submit_place(*, place: CohortPlace, now: dt.datetime) -> CohortPlace:
    """Open the Stripe checkout of a place that was reserved; nothing is charged for a place that is already taken."""
    if place.checkout_id is not None:
        place.checkout = submit_checkout(checkout_id=place.checkout_id, now=now)
    return place


@transaction.atomic
def reserve_place(
    *,
    learner_id: int,
    course_code: str,
    cohort_id: int,
    success_url: str,
    cancel_url: str,
    voucher: str = "",
    actor: Actor,
    now: dt.datetime,
) -> CohortPlace:
    """Do what `start_checkout` does before it calls Stripe: return the held place, with its checkout recorded, or the
    taken place, if nothing is left to pay.
    """
    learner = lock_learner(learner_id)
    place = _held_place(learner, cohort_id)  # before the cohort: if an offer ends in between, its place is seen free
    cohort = get_cohort(course_code=course_code, cohort_id=cohort_id)
    if learner.workspace_id != cohort.instance.workspace_id:
        raise CourseNotFound(f"There is no course {course_code}.")
    _refuse_second_payment(learner, cohort.instance.program)
    if place is not None and place.checkout is None:  # it is an offer, which somebody may be ending
        cohort = lock_cohort(cohort.pk)
        place = _held_place(learner, cohort_id)
    _validate(cohort, learner, place, now)
    if place is None or place.checkout is None:
        place = _hold_and_open(
            learner,
            cohort,
            place,
            success_url=success_url,
            cancel_url=cancel_url,
            voucher=voucher,
            actor=actor,
            now=now,
        )
        _give_up_others(learner, cohort.instance.program, cohort, now)  # checkouts, whose rows come after the cohort's
    elif voucher and not was_discounted_by(place.checkout, voucher):
        raise VoucherTooLate(
            _("A payment page without this code is open. Give the place back first, then enroll again with the code.")
        )
    return place


def settle_overdue(*, learner_id: int, cohort_id: int, now: dt.datetime) -> None:
    """Ask Stripe about a checkout of theirs that is past its time, was given up, or has a price other than the current
    one: it may be paid, or the place may be free again. Returning its URL would send them to a page that is closed, or
    that charges a price no page shows.
    """
    places = CohortPlace.objects.held().filter(learner=learner_id, cohort=cohort_id)
    for checkout in Checkout.objects.filter(pk__in=places.values("checkout")).order_by("pk"):
        if checkout.expires_at <= now or checkout.cancel_requested_at or is_outdated(checkout):
            settle_checkout(checkout_id=checkout.pk, now=now)


def _held_place(learner: Learner, cohort_id: int) -> CohortPlace | None:
    """Return the place they already hold in this cohort: by an open checkout, or by an offer from the waiting list."""
    held = CohortPlace.objects.held().filter(learner=learner, cohort=cohort_id)
    return held.select_related("checkout", "cohort", "learner").first()


def _refuse_second_payment(learner: Learner, course: Program) -> None:
    """Refuse another payment while a bank processes one for this course: it could only be refunded."""
    places = CohortPlace.objects.held().filter(learner=learner, cohort__instance__program=course)
    paying = places.filter(checkout__status=CheckoutStatus.PROCESSING).select_related("cohort").first()
    if paying is not None:
        raise PaymentOnItsWay(
            _(
                "The bank is working on the payment for %(cohort)s, which can take some days. The place is held until "
                "it answers, and we write then: please do not pay again."
            )
            % {"cohort": paying.cohort.name}
        )


def _validate(cohort: Cohort, learner: Learner, place: CohortPlace | None, now: dt.datetime) -> None:
    is_paying = place is not None and place.checkout is not None  # then they may, whatever was changed in the meantime
    if not is_paying and not cohort.is_opened:
        raise CohortNotActive(_("%(cohort)s does not take enrollments.") % {"cohort": cohort.name})
    if not is_paying:
        _refuse_without_sessions(cohort, now)
    if place is None and not cohort.has_room:
        raise CohortFull(
            _("%(cohort)s is full. Join its waiting list, or choose another cohort.") % {"cohort": cohort.name}
        )
    if place is None and cohort.is_past_deadline(now):
        raise DeadlinePassed(_("Enrollment in %(cohort)s has ended.") % {"cohort": cohort.name})
    if StudentPackage.objects.live().filter(learner=learner, program=cohort.instance.program_id).exists():
        raise AlreadyOwned(_("You are already enrolled in this course."))
    if not is_paying and cohort.price_asked is None:
        raise NotForSale(_("%(course)s can't be bought at the moment.") % {"course": cohort.instance.program.title})


def _refuse_without_sessions(cohort: Cohort, now: dt.datetime) -> None:
    if not cohort.has_sessions_left(now):
        raise CohortNotActive(_("%(cohort)s has no sessions left to attend.") % {"cohort": cohort.name})


def _address_of(actor: Actor) -> str:
    """Return the address of a signed-in user; the payment page asks everybody else."""
    account_id = account_of(actor)
    return User.objects.filter(pk=account_id).values_list("email", flat=True).first() or "" if account_id else ""


def _give_up_others(learner: Learner, course: Program, cohort: Cohort, now: dt.datetime) -> None:
    """End their open checkouts for other cohorts of this course; Stripe's confirmation frees those places."""
    others = CohortPlace.objects.in_checkout().filter(learner=learner, cohort__instance__program=course)
    others = others.exclude(cohort=cohort)
    for checkout_id in others.values_list("checkout_id", flat=True):
        request_cancellation(checkout_id=checkout_id, now=now)


def _hold_and_open(
    learner: Learner,
    cohort: Cohort,
    place: CohortPlace | None,
    *,
    success_url: str,
    cancel_url: str,
    voucher: str,
    actor: Actor,
    now: dt.datetime,
) -> CohortPlace:
    """Hold the place and open its checkout. The hold locks the cohort's row first; then the sessions of a free place,
    the enrollment, and the new rows are locked.
    """
    if place is None:
        refuse_hoarding(learner=learner, actor=actor)
        place = hold_place(cohort=cohort, learner=learner, enrollment=None, held_until=now + HOLD_TIME, now=now)
        _refuse_without_sessions(
            cohort, now
        )  # checked again: the last one may have been removed before the cohort was locked
    granted = find_discount_of_place(cohort=cohort, learner=learner, voucher=voucher, now=now)
    is_free = granted is not None and granted.is_free
    if is_free:
        lock_sessions_of_purchase(cohort_id=cohort.pk)
    enrollment = begin_purchase(learner=learner, instance=cohort.instance, actor=actor, now=now)
    price = require(cohort.instance.price, "what has no price was refused as not for sale")
    place.enrollment = enrollment
    place.held_by_id = account_of(actor)
    place.held_until = now + HOLD_TIME
    if granted is not None and is_free:
        return give_place(place=place, enrollment_id=enrollment.pk, granted=granted, actor=actor, now=now)
    if granted is not None:
        place.save(update_fields=["enrollment"])  # the lock order is places before vouchers
    place.checkout = open_checkout(
        workspace_id=learner.workspace_id,
        purpose=PURPOSE,
        subject=as_subject(place.pk),
        price=price,
        description=shorten_together(
            cohort.instance.program.title, cohort.name, separator=": ", limit=limit_of(Checkout, "description")
        ),
        success_url=success_url,
        cancel_url=cancel_url,
        expires_at=now + SHORTEST_TIME,
        metadata={
            "studentId": learner.cuid,
            "courseProgramId": str(cohort.instance.program_id),
            "courseCode": cohort.instance.program.code,
            "cohortId": str(cohort.pk),
            "cohortName": cohort.name,
            "entityType": "course_enrollment",
        },
        customer_email=_address_of(actor),
        granted=granted,
        now=now,
    )
    place.save(update_fields=["enrollment", "held_by", "held_until", "checkout"])
    return place


def default_success_url() -> str:
    """Return the URL to which Stripe sends the payer back, unless the caller named another of ours."""
    return f"{settings.PUBLIC_URL}/courses/enrolled?session_id={{CHECKOUT_SESSION_ID}}"


def default_cancel_url(course_code: str) -> str:
    return f"{settings.PUBLIC_URL}/courses/{quote(course_code, safe='')}"
