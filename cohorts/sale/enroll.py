"""Enroll somebody, or put them on the waiting list. Who is not known yet is added with it, or not at all."""

import datetime as dt
from collections.abc import Callable

from django.db import transaction

from accounts.models import Learner, User
from billing.checkout import submit_checkout
from billing.errors import PaymentProviderDown, PaymentRejected
from billing.models import Checkout
from core.actors import Actor
from core.errors import require
from core.http.idempotency import Claim

from ..models import Cohort, WaitlistEntry
from ..queries import get_cohort
from .checkout import reserve_place, settle_overdue
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
    claim: Claim,
    now: dt.datetime,
) -> dict[str, str]:
    """Hold a place and open its checkout: the session's id and address, the same ones while it is open.

    The claim is taken with the place and keeps the answer once Stripe has given it; a refusal or an outage gives it
    back. Raises what `checkout.start_checkout` raises, NotFound for a learner who is not theirs, LearnerNameMissing;
    AlreadyAnswered, RequestInFlight, KeyReused, TooManyKeys from the claim.
    """

    def add(workspace_id: int) -> Learner:
        claim.take(now)
        return find_or_add_participant(user=user, workspace_id=workspace_id, participant=participant)

    checkout_id = _hold_place(
        user=user,
        named=participant,
        add=add,
        course_code=course_code,
        cohort_id=cohort_id,
        success_url=success_url,
        cancel_url_of=lambda learner: cancel_url,
        now=now,
    )
    return _answer_from_stripe(checkout_id, claim, now)


def enroll_newcomer(
    *,
    user: User,
    newcomer: Newcomer,
    course_code: str,
    cohort_id: int,
    success_url: str,
    cancel_url_of: Callable[[Learner], str],
    now: dt.datetime,
) -> Checkout:
    """What `checkout.start_checkout` does, for a learner whom nobody knows yet: added with the place, or not at all.

    Raises what it raises, and TooManyLearners.
    """
    checkout_id = _hold_place(
        user=user,
        named=Participant(first_name=newcomer.first_name, last_name=newcomer.last_name),
        add=lambda workspace_id: newcomer.add(user=user, workspace_id=workspace_id),
        course_code=course_code,
        cohort_id=cohort_id,
        success_url=success_url,
        cancel_url_of=cancel_url_of,
        now=now,
    )
    return submit_checkout(checkout_id=checkout_id, now=now)


def wait_in_line(*, user: User, who: Newcomer | Participant, cohort: Cohort, now: dt.datetime) -> WaitlistEntry:
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
    now: dt.datetime,
) -> int:
    """Hold a place for the learner whom `add` finds or adds in the cohort's workspace, inside the transaction; returns
    the checkout to open. If the learner is known, what is overdue of theirs is settled before it."""
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
            actor=Actor("user", user.pk),
            now=now,
        )
    return require(place.checkout_id, "a reserved place has its checkout")


def _answer_from_stripe(checkout_id: int, claim: Claim, now: dt.datetime) -> dict[str, str]:
    try:
        checkout = submit_checkout(checkout_id=checkout_id, now=now)
    except (PaymentProviderDown, PaymentRejected):
        claim.release()
        raise
    answer = {"sessionId": checkout.stripe_session_id or "", "url": checkout.url}
    claim.store(200, answer)
    return answer
