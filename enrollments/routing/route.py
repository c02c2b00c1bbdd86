"""Routing: a learner asks to enroll; a district seat is taken, or a parent is sent to pay.

A district decision is one transaction. A parent decision is three steps: record the decision and the intent to charge,
ask Stripe for a checkout session, record the response. Whichever step is lost, repeating the request continues from
there.
"""

import datetime as dt

import structlog
from django.db import IntegrityError, transaction

from billing.checkout import settle_checkout, submit_checkout
from billing.errors import PaymentProviderDown, PaymentRejected
from core.actors import Actor
from core.database_errors import violated_by
from core.errors import Unavailable
from core.http.idempotency import Claim
from events.publishing import publish

from ..errors import SeatsExhausted
from ..funding import decision_changed
from ..locks import lock_decision, lock_enrollment
from ..models import EnrollmentDecision
from ..queries import decisions_of
from ..states import DecisionStatus
from .decide import decide
from .request import LearnerProfile, RoutingContext, RoutingRequest
from .result import PARENT_MESSAGE, PROVIDER_DOWN_MESSAGE, PaymentStep, Routed

log = structlog.get_logger(__name__)

# Two requests about one learner, or a seat that somebody else took: deciding again resolves it.
ATTEMPTS = 4


def route_learner(
    *,
    workspace_id: int,
    actor: Actor,
    profile: LearnerProfile,
    context: RoutingContext,
    claim: Claim,
    now: dt.datetime,
) -> Routed:
    """Decide how this learner's enrollment is funded, and fund it.

    Asking again for the same learner and program returns the decision that stands. The response is stored under `claim`
    in the transaction that completes it.

    Raises Invalid, NotFound, NotForSale, VoucherNotAccepted, VoucherTooLate (nothing is written); PaymentProviderDown
    (the decision is kept as failed, and repeating the request continues it); PaymentRejected (the decision has failed,
    and staff know what to fix); AlreadyAnswered, RequestInFlight, KeyReused, TooManyKeys from the claim.
    """
    request = RoutingRequest(workspace_id, actor, profile, context, now)
    routed = _decide_until_settled(request, claim)
    if routed.payment_step(request.now) == PaymentStep.OPEN_SESSION:
        _send_to_stripe(routed, claim, request.now)
    return routed


def _decide_until_settled(request: RoutingRequest, claim: Claim) -> Routed:
    exhausted: set[int] = set()
    refused = []
    for _ in range(ATTEMPTS):
        try:
            with transaction.atomic():
                claim.take(request.now)
                routed = decide(request, exhausted)
                overdue = routed.payment_step(request.now) == PaymentStep.ASK_STRIPE
                if routed.refusal is not None or overdue:
                    claim.release()
                elif routed.payment_step(request.now) == PaymentStep.NONE:
                    claim.store(200, routed.answer())
        except SeatsExhausted as race:
            exhausted.add(race.allocation_id)
        except IntegrityError as race_lost:
            # Somebody else enrolled this learner between our read and our write: the retry finds their result.
            refused.append(violated_by(race_lost))
            log.info("routing_retried", constraint=refused[-1])
        else:
            if not overdue:
                return routed
            settle_checkout(checkout_id=routed.checkout_id, now=request.now)
    # A race is lost once or twice; whoever reads this again and again about one constraint has found a fault.
    log.error("routing_given_up", constraints=refused, exhausted_allocations=sorted(exhausted))
    raise Unavailable("Too much about this learner or these seats changed at once; repeat the request.")


def _send_to_stripe(routed: Routed, claim: Claim, now: dt.datetime) -> None:
    decision = routed.decision
    with claim.released_on_failure():
        try:
            submit_checkout(checkout_id=routed.checkout_id, now=now)
        except PaymentRejected as refusal:  # the decision has failed along with its checkout
            refusal.extra["decision_id"] = decision.pk
            raise
        except PaymentProviderDown:
            with transaction.atomic():
                _mark_interrupted(decision, now)
            raise
        with transaction.atomic():
            _resume_if_interrupted(decision, now)
            routed.decision = decisions_of(decision.workspace_id).get(pk=decision.pk)
            claim.store(200, routed.answer())


def _resume_if_interrupted(decision: EnrollmentDecision, now: dt.datetime) -> None:
    """Resume a decision that a concurrent request about this learner marked as failed while ours got through."""
    lock_enrollment(decision.enrollment_id)
    locked = lock_decision(decision.pk)
    if locked.status == DecisionStatus.FAILED and locked.checkout is not None and locked.checkout.is_live:
        locked.retry()
        locked.message = PARENT_MESSAGE
        publish(decision_changed(locked, now))


def _mark_interrupted(decision: EnrollmentDecision, now: dt.datetime) -> None:
    """Keep the decision as failed; the intent to charge stays, so that repeating the request continues it."""
    lock_enrollment(decision.enrollment_id)
    locked = lock_decision(decision.pk)
    unsent = locked.checkout is not None and locked.checkout.stripe_session_id is None
    if unsent and locked.status == DecisionStatus.CHECKOUT_REQUIRED:
        locked.fail()
        locked.message = PROVIDER_DOWN_MESSAGE
        publish(decision_changed(locked, now))
