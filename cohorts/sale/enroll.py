"""Enrolling somebody who may not be known yet: who it is for, the answer kept under the request's key, and what became
of the payment."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from django.db import transaction

from accounts.families import learners_of
from accounts.models import Learner, User, person_key
from billing.checkout import catch_up_with_stripe, submit_checkout
from billing.errors import PaymentProviderDown, PaymentRejected
from billing.models import Checkout
from billing.outcomes import Outcome
from billing.states import RefundReason
from core.actors import Actor
from core.clock import utc_now
from core.errors import FieldError, NotFound, require
from core.http.idempotency import Claim

from ..errors import LearnerNameMissing, NothingBought, NotYourPayment
from ..family import PlacePurchase, get_purchase
from ..models import Cohort, StudentPackage, WaitlistEntry
from ..queries import get_cohort
from ..states import PURPOSE
from .checkout import reserve_place, settle_overdue
from .participants import Newcomer, add_myself
from .waitlist import join_waitlist

# Why a payment brought nothing: code, and what to do now.
_REFUNDED: dict[str, tuple[str, str]] = {
    RefundReason.PLACE_LOST: ("place_lost", "The last place went before the payment arrived, so the money goes back."),
    RefundReason.DUPLICATE: ("already_owned", "The learner already had this course, so the money goes back."),
}
_ENDED = {
    Outcome.REFUNDED: ("refunded", "The payment was refunded."),
    Outcome.FAILED: ("payment_failed", "The bank refused the payment. Enroll again to try another way to pay."),
    Outcome.EXPIRED: ("checkout_expired", "The time to pay ran out. Enroll again."),
    Outcome.CANCELLED: ("checkout_cancelled", "The payment was canceled. Enroll again."),
    Outcome.NOT_PAYABLE: ("checkout_cancelled", "The payment could not be asked for. Enroll again later."),
}


@dataclass(frozen=True, slots=True)
class Participant:
    """Who takes the course: a learner by CUID, else the person themself, by these names where theirs are unknown."""

    cuid: str | None = None
    first_name: str = ""
    last_name: str = ""


def enroll(
    *,
    user: User,
    participant: Participant,
    course_code: str,
    cohort_id: int,
    success_url: str,
    cancel_url: str,
    claim: Claim,
    now: dt.datetime | None = None,
) -> dict[str, str]:
    """Hold a place and open its checkout: the session's id and address, the same ones while it is open.

    The claim is taken with the place and keeps the answer once Stripe has given it; a refusal or an outage gives it
    back. Raises what `checkout.start_checkout` raises, NotFound for a learner who is not theirs, LearnerNameMissing;
    AlreadyAnswered, RequestInFlight, KeyReused, TooManyKeys from the claim.
    """
    moment = now or utc_now()
    cohort = get_cohort(course_code=course_code, cohort_id=cohort_id)
    known = find_participant(user=user, workspace_id=cohort.instance.workspace_id, participant=participant)
    if known is not None:
        settle_overdue(learner_id=known.pk, cohort_id=cohort_id, now=moment)
    with transaction.atomic():
        claim.take(moment)
        learner = find_or_add_participant(user=user, workspace_id=cohort.instance.workspace_id, participant=participant)
        place = reserve_place(
            learner_id=learner.pk,
            course_code=course_code,
            cohort_id=cohort_id,
            success_url=success_url,
            cancel_url=cancel_url,
            actor=Actor("user", user.pk),
            now=moment,
        )
    return _answer_from_stripe(require(place.checkout_id, "a reserved place has its checkout"), claim)


def enroll_newcomer(
    *,
    user: User,
    newcomer: Newcomer,
    course_code: str,
    cohort_id: int,
    success_url: str,
    cancel_url_of: Callable[[Learner], str],
    now: dt.datetime | None = None,
) -> Checkout:
    """What `checkout.start_checkout` does, for a learner whom nobody knows yet: added with the place, or not at all.

    Raises what it raises, and TooManyLearners.
    """
    moment = now or utc_now()
    cohort = get_cohort(course_code=course_code, cohort_id=cohort_id)
    named = Participant(first_name=newcomer.first_name, last_name=newcomer.last_name)
    known = find_participant(user=user, workspace_id=cohort.instance.workspace_id, participant=named)
    if known is not None:
        settle_overdue(learner_id=known.pk, cohort_id=cohort_id, now=moment)
    with transaction.atomic():
        learner = newcomer.add(user=user, workspace_id=cohort.instance.workspace_id)
        place = reserve_place(
            learner_id=learner.pk,
            course_code=course_code,
            cohort_id=cohort_id,
            success_url=success_url,
            cancel_url=cancel_url_of(learner),
            actor=Actor("user", user.pk),
            now=moment,
        )
    return submit_checkout(checkout_id=require(place.checkout_id, "a reserved place has its checkout"))


def wait_in_line(*, user: User, who: Newcomer | Participant, cohort: Cohort) -> WaitlistEntry:
    """Put somebody on the waiting list; who is not known yet is added with their place in line, or not at all.

    Raises what `waitlist.join_waitlist` raises, TooManyLearners, and for a Participant what
    `find_or_add_participant` raises.
    """
    workspace_id = cohort.instance.workspace_id
    with transaction.atomic():
        if isinstance(who, Newcomer):
            learner = who.add(user=user, workspace_id=workspace_id)
        else:
            learner = find_or_add_participant(user=user, workspace_id=workspace_id, participant=who)
        return join_waitlist(learner_id=learner.pk, cohort_id=cohort.pk, actor=Actor("user", user.pk))


def _answer_from_stripe(checkout_id: int, claim: Claim) -> dict[str, str]:
    try:
        checkout = submit_checkout(checkout_id=checkout_id)
    except (PaymentProviderDown, PaymentRejected):
        claim.release()
        raise
    answer = {"sessionId": checkout.stripe_session_id or "", "url": checkout.url}
    claim.store(200, answer)
    return answer


# --- Who it is for ----------------------------------------------------------------------------------------------------


def find_participant(*, user: User, workspace_id: int, participant: Participant) -> Learner | None:
    """The learner that is meant, if the workspace knows them. Raises NotFound for a CUID of none of theirs.

    Without a CUID it is the learner of these names and the person's address. Without names it is the learner who has
    this account, else the only one who is known by its address.
    """
    mine = learners_of(user).filter(workspace=workspace_id)
    if participant.cuid is not None:
        learner = mine.known_as(participant.cuid).first()
        if learner is None:
            fault = FieldError("learnerId", "not_found", "There is no such learner among yours.")
            raise NotFound(f"{fault.field}: {fault.detail}", errors=(fault,))
        return learner
    if participant.first_name:
        person = person_key(user.email, participant.first_name, participant.last_name)
        return mine.filter(person=person).order_by("pk").first()
    own = mine.filter(user=user).order_by("pk").first()
    if own is not None or user.get_full_name():
        return own
    by_address = list(mine.filter(email=user.email)[:2])
    return by_address[0] if len(by_address) == 1 else None


def find_or_add_participant(*, user: User, workspace_id: int, participant: Participant) -> Learner:
    """The learner that is meant; the person becomes one if need be, inside the caller's transaction.

    Raises NotFound, and LearnerNameMissing if nothing tells what the person is called.
    """
    known = find_participant(user=user, workspace_id=workspace_id, participant=participant)
    if known is not None and not participant.first_name:
        return known
    first_name = participant.first_name or user.first_name
    last_name = participant.last_name or user.last_name
    faults = tuple(
        FieldError(field, "required", "Give your name, or the learnerId of a child of yours.")
        for field, name in (("firstName", first_name), ("lastName", last_name))
        if not name
    )
    if faults:
        raise LearnerNameMissing(f"{faults[0].field}: {faults[0].detail}", errors=faults)
    return add_myself(user=user, workspace_id=workspace_id, first_name=first_name, last_name=last_name)


# --- What became of it ------------------------------------------------------------------------------------------------


def find_package(*, user: User, session_id: str) -> StudentPackage | None:
    """The course that this Stripe session brought; None while the money is on its way. Stripe is asked first.

    Raises NotFound, NotYourPayment, and NothingBought when no course will come of it.
    """
    bought = _get_purchase(user, session_id)
    checkout = bought.purchase.checkout
    if checkout.is_live:
        is_confirmed = catch_up_with_stripe(checkout=checkout, visit="api")
        bought = get_purchase(user=user, session_id=session_id, now=utc_now(), is_confirmed=is_confirmed)
    if bought.is_enrolled:
        return bought.package
    if bought.has_ended:
        raise NothingBought("enrollment_ended", "The enrollment has ended. Ask the program about the payment.")
    if bought.purchase.outcome in _ENDED:
        raise NothingBought(*_REFUNDED.get(bought.purchase.refund_reason, _ENDED[bought.purchase.outcome]))
    return None


def _get_purchase(user: User, session_id: str) -> PlacePurchase:
    try:
        return get_purchase(user=user, session_id=session_id, now=utc_now())
    except NotFound:
        if Checkout.objects.filter(purpose=PURPOSE, stripe_session_id=session_id).exists():
            raise NotYourPayment("Sign in as the student or guardian who enrolled.") from None
        raise
