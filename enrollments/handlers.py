"""Reactions to billing events and to the end of enrollments, inside the transaction and at the moment of the event.

Billing has locked the enrollment and the decision before its own rows, by the purpose registered in `apps.py`.
"""

import datetime as dt
from collections.abc import Sequence

from accounts.guardians import ask_who_is_guardian
from billing.checkout import REFUSAL
from billing.discounts import release_discount
from billing.events import (
    CheckoutCancelled,
    CheckoutExpired,
    CheckoutRefused,
    CheckoutReplaced,
    MoneyEvent,
    PaymentFailed,
    PaymentRefunded,
    PaymentRestored,
    PaymentSucceeded,
)
from billing.purposes import Purpose, key_of, register_purpose
from billing.refunds import request_refund
from billing.states import RefundReason
from core.actors import STRIPE, SYSTEM
from events.event import DomainEvent
from events.publishing import handles, handles_together, publish

from .consequences import find_stake_of_offline_payment, find_stake_of_payment
from .discounts import find_programs_offered
from .events import EnrollmentStatusChanged
from .exit import settle_overtaken_exits
from .funding import decision_changed
from .history import Journal
from .lifecycle import approve_if_automatic
from .locks import lock_decision, lock_decision_subject, lock_enrollment_with_seat
from .models import Enrollment, EnrollmentDecision
from .offline import follow_reversal, lock_offline_subject
from .purchase import MONEY_IS_BACK, fail_purchase, refund_purchase, restore_purchase
from .queries import (
    describe_decision,
    describe_enrollment,
    find_decisions_of_learners,
    find_enrollments_of_learners,
    find_learner_of_decision,
    find_learner_of_enrollment,
    find_live_decision,
    find_matters_of_decisions,
    find_matters_of_enrollments,
    find_prices_of_decisions,
    find_prices_of_enrollments,
    find_service_of_decision,
    find_service_of_enrollment,
)
from .refund_rules import find_policy
from .routing.result import PARENT_PAID_MESSAGE
from .states import ENDED_PARTICIPATION, GIVEN_BACK, OFFLINE_PURPOSE, PURPOSE, DecisionStatus, EnrollmentPaymentStatus

register_purpose(
    Purpose(
        name=PURPOSE,
        lock_subject=lock_decision_subject,
        describe=describe_decision,
        find_learner_id=find_learner_of_decision,
        find_stake=find_stake_of_payment,
        find_matters=find_matters_of_decisions,
        find_subjects=find_decisions_of_learners,
        find_price_ids=find_prices_of_decisions,
        find_offers=find_programs_offered,
        find_service=find_service_of_decision,
    )
)
register_purpose(
    Purpose(
        name=OFFLINE_PURPOSE,
        lock_subject=lock_offline_subject,
        describe=describe_enrollment,
        find_learner_id=find_learner_of_enrollment,
        find_stake=find_stake_of_offline_payment,
        find_matters=find_matters_of_enrollments,
        find_subjects=find_enrollments_of_learners,
        find_price_ids=find_prices_of_enrollments,
        find_service=find_service_of_enrollment,
    )
)


def _decision_of(event: MoneyEvent) -> EnrollmentDecision | None:
    return lock_decision(key_of(event.subject)) if event.purpose == PURPOSE else None


@handles_together(EnrollmentStatusChanged)
def follow_ends(events: Sequence[EnrollmentStatusChanged]) -> None:
    """Settle planned exits: any other end, completion included, overtakes an exit that was planned for a later day."""
    ended = [event for event in events if event.to_status in (*GIVEN_BACK, *ENDED_PARTICIPATION)]
    if ended:
        cuids = {event.enrollment_cuid for event in ended}
        settle_overtaken_exits(enrollment_cuids=cuids, actor=SYSTEM, now=ended[0].occurred_at)


@handles(PaymentSucceeded)
def complete_paid_decision(event: PaymentSucceeded) -> None:
    """The parent paid: complete the decision and mark the enrollment paid, and approve it if review is automatic.

    Money for an enrollment that is already funded, or has ended, is refunded.
    """
    decision = _decision_of(event)
    if decision is None or decision.payment_id == event.payment_id:
        return
    now = event.occurred_at
    enrollment, seat = lock_enrollment_with_seat(decision.enrollment_id)
    refused = _refund_reason(decision, enrollment)
    if refused is not None:
        request_refund(payment_id=event.payment_id, amount_minor=None, reason=refused, actor=SYSTEM, now=now)
        _end_refused(decision, now)
        if decision.checkout is not None:
            release_discount(checkout=decision.checkout, now=now)
        return
    journal = Journal(enrollment, STRIPE, now)
    journal.change("mark_paid")
    journal.set(refund_policy=find_policy(enrollment.instance, at=_agreed_at(decision, now)))
    more = approve_if_automatic(journal=journal, seat=seat)
    decision.complete()
    decision.payment_id = event.payment_id
    decision.message = PARENT_PAID_MESSAGE
    events: list[DomainEvent] = [*journal.write(), *more, decision_changed(decision, now)]
    if decision.guardian_id is not None:
        ask_who_is_guardian(guardian_id=decision.guardian_id)
    publish(*events)


def _agreed_at(decision: EnrollmentDecision, now: dt.datetime) -> dt.datetime:
    """Return when the payer was shown what is paid for, and which refund policy applies."""
    return decision.checkout.created_at if decision.checkout else now


def _refund_reason(decision: EnrollmentDecision, enrollment: Enrollment) -> RefundReason | None:
    if not enrollment.is_going_on:
        return RefundReason.NOT_NEEDED
    if enrollment.payment_status != EnrollmentPaymentStatus.PENDING:
        return RefundReason.DUPLICATE
    live = find_live_decision(enrollment_id=decision.enrollment_id)
    if live is not None and live.pk != decision.pk:
        return RefundReason.DUPLICATE
    return None


def _end_refused(decision: EnrollmentDecision, now: dt.datetime) -> None:
    """End a decision whose money is refunded at once, so that it does not wait for another payment."""
    if decision.status == DecisionStatus.CHECKOUT_REQUIRED:
        decision.cancel()
        decision.message = "The payment arrived when it was no longer needed; it is being refunded"
        publish(decision_changed(decision, now))


@handles(CheckoutExpired)
def expire_decision(event: CheckoutExpired) -> None:
    """The checkout expired unpaid. The enrollment stays submitted: asking again creates a new decision about it."""
    _end_unpaid(event, "expire", "The checkout expired unpaid")


@handles(CheckoutCancelled)
def cancel_unpaid_decision(event: CheckoutCancelled) -> None:
    """The checkout was ended on purpose."""
    _end_unpaid(event, "cancel", "The checkout was canceled")


@handles(CheckoutReplaced)
def ask_the_present_price(event: CheckoutReplaced) -> None:
    """The price changed before it was paid: the decision waits for the checkout with the new price."""
    decision = _decision_of(event)
    if decision is None or decision.checkout_id != event.checkout_id:
        return
    decision.checkout_id = event.replacement_id
    publish(decision_changed(decision, event.occurred_at))


@handles(CheckoutRefused)
def fail_refused_decision(event: CheckoutRefused) -> None:
    """Nobody can pay this checkout. The enrollment stays submitted: asking again creates a new decision about it."""
    _end_unpaid(event, "fail", REFUSAL)


@handles(PaymentFailed)
def fail_decision(event: PaymentFailed) -> None:
    """The bank declined: the decision failed, and a new request may try another way to pay."""
    decision = _end_unpaid(event, "fail", "The payment failed")
    if decision is not None:
        fail_purchase(enrollment_id=decision.enrollment_id, actor=STRIPE, now=event.occurred_at)


def _end_unpaid(event: MoneyEvent, transition: str, message: str) -> EnrollmentDecision | None:
    decision = _decision_of(event)
    if decision is None or decision.status != DecisionStatus.CHECKOUT_REQUIRED:
        return None
    getattr(decision, transition)()
    decision.message = message
    publish(decision_changed(decision, event.occurred_at))
    return decision


@handles(PaymentRefunded)
def follow_refund(event: PaymentRefunded) -> None:
    """Record a partial refund; a full one ends the enrollment it paid for. A refunded duplicate changes nothing."""
    decision = _decision_of(event)
    if decision is None or decision.payment_id != event.payment_id:
        return
    if event.refunded_minor:
        now = event.occurred_at
        refund_purchase(enrollment_id=decision.enrollment_id, fully=event.fully, actor=STRIPE, now=now)


@handles(PaymentRefunded)
def follow_reversed_payment(event: PaymentRefunded) -> None:
    """A payment outside of Stripe was reversed."""
    if event.purpose == OFFLINE_PURPOSE:
        follow_reversal(enrollment_id=key_of(event.subject), payment_id=event.payment_id, now=event.occurred_at)


@handles(PaymentRestored)
def follow_return(event: PaymentRestored) -> None:
    """Refunded money has come back."""
    decision = _decision_of(event)
    if decision is not None and decision.payment_id == event.payment_id and not event.refunded_minor:
        now = event.occurred_at
        restore_purchase(enrollment_id=decision.enrollment_id, reason=MONEY_IS_BACK, actor=STRIPE, now=now)
