"""Enrolling a learner, or putting them on the waiting list. A new learner is added along with it, or not at all."""

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any

from django.db import transaction

from accounts.consents import check_given, give_consents
from accounts.models import Learner, User
from accounts.states import ConsentWay
from billing.discounts import discount_of
from core.actors import Actor
from core.http.idempotency import Claim

from ..models import Cohort, CohortPlace, StudentPackage, WaitlistEntry
from ..queries import get_cohort
from .checkout import reserve_place, settle_overdue, submit_place
from .participants import Newcomer, Participant, find_or_add_participant, find_participant
from .waitlist import join_waitlist


def enroll(
    *,
    user: User,
    participant: Participant,
    course_code: str,
    cohort_id: int,
    success_url: str,
    cancel_url: str,
    voucher: str,
    package_url: Callable[[int], str],
    claim: Claim,
    now: dt.datetime,
) -> dict[str, Any]:
    """Hold a place and open its checkout: return the session's id and URL, which stay the same while it is open. If a
    discount leaves nothing to pay, return the package with the URL that `package_url` gives for it.

    The claim is taken with the place and stores the response once Stripe has answered; a refusal or an outage gives it
    back. Raises what `checkout.start_checkout` raises, NotFound for a learner who is not theirs, LearnerNameMissing;
    AlreadyAnswered, RequestInFlight, KeyReused, TooManyKeys from the claim.
    """

    def add(workspace_id: int) -> Learner:
        claim.take(now)
        return find_or_add_participant(user=user, workspace_id=workspace_id, participant=participant)

    place = _hold_place(
        user=user,
        named=participant,
        add=add,
        course_code=course_code,
        cohort_id=cohort_id,
        success_url=success_url,
        cancel_url_of=lambda learner: cancel_url,
        voucher=voucher,
        now=now,
    )
    return _answer(place, claim, package_url, now)


def enroll_newcomer(
    *,
    user: User,
    newcomer: Newcomer,
    course_code: str,
    cohort_id: int,
    success_url: str,
    cancel_url_of: Callable[[Learner], str],
    voucher: str = "",
    consents: Sequence[int] = (),
    now: dt.datetime,
) -> CohortPlace:
    """Do what `checkout.start_checkout` does for a new learner, who is added with the place and with what was agreed
    to, or not at all.

    Raises what it raises, ConsentMissing, and TooManyLearners.
    """

    def add(workspace_id: int) -> Learner:
        learner = newcomer.add(user=user, workspace_id=workspace_id)
        agree(user=user, learner=learner, text_ids=consents, now=now)
        return learner

    place = _hold_place(
        user=user,
        named=Participant(first_name=newcomer.first_name, last_name=newcomer.last_name),
        add=add,
        course_code=course_code,
        cohort_id=cohort_id,
        success_url=success_url,
        cancel_url_of=cancel_url_of,
        voucher=voucher,
        now=now,
    )
    return submit_place(place=place, now=now)


def agree(*, user: User, learner: Learner, text_ids: Sequence[int], now: dt.datetime) -> None:
    """Record what the person agrees to about the learner, before a place is held. Raises ConsentMissing for a text that
    the workspace requires and that was not agreed to now or before.
    """
    check_given(workspace_id=learner.workspace_id, given=text_ids, learner_id=learner.pk, address=user.email, now=now)
    actor = Actor("user", user.pk)
    give_consents(
        learner_id=learner.pk, address=user.email, text_ids=text_ids, way=ConsentWay.FORM, actor=actor, now=now
    )


def wait_in_line(*, user: User, who: Newcomer | Participant, cohort: Cohort, now: dt.datetime) -> WaitlistEntry:
    """Put a learner on the waiting list; a new one is added with their place in line, or not at all.

    Raises what `waitlist.join_waitlist` raises, TooManyLearners, and for a Participant what `find_or_add_participant`
    raises.
    """
    workspace_id = cohort.instance.workspace_id
    with transaction.atomic():
        if isinstance(who, Newcomer):
            learner = who.add(user=user, workspace_id=workspace_id)
        else:
            learner = find_or_add_participant(user=user, workspace_id=workspace_id, participant=who)
        return join_waitlist(learner_id=learner.pk, cohort_id=cohort.pk, actor=Actor("user", user.pk), now=now)


def _hold_place(
    *,
    user: User,
    named: Participant,
    add: Callable[[int], Learner],
    course_code: str,
    cohort_id: int,
    success_url: str,
    cancel_url_of: Callable[[Learner], str],
    voucher: str,
    now: dt.datetime,
) -> CohortPlace:
    """Hold a place for the learner whom `add` finds or adds in the cohort's workspace, inside the transaction; it has
    the checkout to open, or is taken. For a known learner, overdue checkouts are settled first.
    """
    cohort = get_cohort(course_code=course_code, cohort_id=cohort_id)
    workspace_id = cohort.instance.workspace_id
    known = find_participant(user=user, workspace_id=workspace_id, participant=named)
    if known is not None:
        settle_overdue(learner_id=known.pk, cohort_id=cohort_id, now=now)
    with transaction.atomic():
        learner = add(workspace_id)
        place = reserve_place(
            learner_id=learner.pk,
            course_code=course_code,
            cohort_id=cohort_id,
            success_url=success_url,
            cancel_url=cancel_url_of(learner),
            voucher=voucher,
            actor=Actor("user", user.pk),
            now=now,
        )
    return place


def _answer(place: CohortPlace, claim: Claim, package_url: Callable[[int], str], now: dt.datetime) -> dict[str, Any]:
    with claim.released_on_failure():
        answer = _submit(place, package_url, now)
        claim.store(200, answer)
        return answer


def _submit(place: CohortPlace, package_url: Callable[[int], str], now: dt.datetime) -> dict[str, Any]:
    checkout = submit_place(place=place, now=now).checkout
    answer: dict[str, Any]
    if checkout is None:
        package_id = StudentPackage.objects.values_list("pk", flat=True).get(place=place)
        answer = {"sessionId": "", "url": package_url(package_id), "packageId": package_id}
    else:
        answer = {"sessionId": checkout.stripe_session_id or "", "url": checkout.url}
        if discount := discount_of(checkout):
            answer |= {
                "listPriceInCents": discount.list_minor,
                "discountInCents": discount.discount_minor,
                "discount": discount.label,
            }
    return answer
