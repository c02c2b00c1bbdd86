"""Buying a way into a program, for the apps above that sell one: the enrollment's side of the purchase.

Each function is part of the caller's transaction, which holds the locks that come before the enrollment.
"""

import datetime as dt

from accounts.models import Learner
from core.actors import Actor
from events.publishing import publish

from .eligibility.facts import Facts
from .errors import AlreadyEnrolled, Ineligible, NotEvaluated
from .history import Journal
from .lifecycle import approve, end_enrollment, end_submission, evaluate_and_submit
from .locks import held_seat, lock_enrollment, lock_enrollment_with_seat
from .models import Enrollment, ProgramInstance
from .queries import current_enrollment
from .reasons import REFUNDED
from .refund_rules import find_policy
from .renewal import make_way, must_be_renewed
from .states import (
    PAID,
    PAYABLE,
    EligibilityStatus,
    EnrollmentPaymentStatus,
    IdentificationType,
)

MONEY_IS_BACK = "A refund came back from the bank, or a dispute was won"


def begin_purchase(*, learner: Learner, instance: ProgramInstance, actor: Actor, now: dt.datetime) -> Enrollment:
    """Return the learner's enrollment in this instance, evaluated, submitted, and waiting for its payment.

    Raises Ineligible, NotEvaluated, and AlreadyEnrolled if it is approved without a payment to wait for, or already
    paid.
    """
    current = current_enrollment(learner_id=learner.pk, instance_id=instance.pk)
    enrollment = lock_enrollment(current.pk) if current else None
    if enrollment is None or not enrollment.is_current:  # it ended before it was locked
        enrollment = _new_enrollment(learner, instance, now)
    elif must_be_renewed(enrollment) and instance.criteria_version > enrollment.criteria_version:
        make_way(enrollment=enrollment, actor=actor, now=now)
        enrollment = _new_enrollment(learner, instance, now, previous=enrollment)
    journal = Journal(enrollment, actor, now, is_answered=True)
    verdict = evaluate_and_submit(journal=journal, facts=Facts(enrollment, now=now))
    if not verdict.is_decided:
        raise NotEvaluated(verdict.reason)
    if not verdict.is_eligible:
        raise Ineligible(verdict.reason)
    approved = enrollment.eligibility_status == EligibilityStatus.APPROVED
    if enrollment.payment_status not in PAYABLE or (approved and enrollment.is_funded):
        raise AlreadyEnrolled
    if enrollment.payment_status != EnrollmentPaymentStatus.PENDING:
        journal.change("await_payment", reason="Bought by the learner or a parent")
    publish(*journal.write())
    return enrollment


def may_be_paid(enrollment: Enrollment) -> bool:
    """Return whether a payment that arrives now still pays for this (locked) enrollment."""
    return enrollment.payment_status == EnrollmentPaymentStatus.PENDING and enrollment.is_going_on


def complete_purchase(*, enrollment: Enrollment, agreed_at: dt.datetime, actor: Actor, now: dt.datetime) -> None:
    """The money arrived: mark the (locked) enrollment paid and approve it; purchases are not reviewed. The refund
    policy is the one that the payer was shown, at `agreed_at`.
    """
    seat = held_seat(enrollment.pk)
    journal = Journal(enrollment, actor, now, is_told_by_seller=True)
    journal.change("mark_paid")
    journal.set(refund_policy=find_policy(enrollment.instance, at=agreed_at))
    events = []
    if enrollment.eligibility_status == EligibilityStatus.SUBMITTED:
        events = approve(journal=journal, seat=seat, reason="Purchased")
    publish(*journal.write(), *events)


def complete_free_purchase(*, enrollment: Enrollment, reason: str, actor: Actor, now: dt.datetime) -> None:
    """Complete a purchase that a discount made free: the (locked) enrollment is approved as if it had been paid."""
    seat = held_seat(enrollment.pk)
    journal = Journal(enrollment, actor, now, is_told_by_seller=True)
    journal.change("waive_payment", reason=reason)
    events = []
    if enrollment.eligibility_status == EligibilityStatus.SUBMITTED:
        events = approve(journal=journal, seat=seat, reason=reason)
    publish(*journal.write(), *events)


def fail_purchase(*, enrollment_id: int, actor: Actor, now: dt.datetime) -> None:
    """The bank declined an asynchronous payment; another may follow."""
    enrollment = lock_enrollment(enrollment_id)
    if enrollment.payment_status == EnrollmentPaymentStatus.PENDING:
        journal = Journal(enrollment, actor, now)
        journal.change("mark_payment_failed", reason="The bank refused the payment")
        publish(*journal.write())


def refund_purchase(*, enrollment_id: int, fully: bool, reason: str = REFUNDED, actor: Actor, now: dt.datetime) -> None:
    """Money was refunded: record a partial refund; a full one ends the enrollment it paid for, for this reason."""
    enrollment, seat = lock_enrollment_with_seat(enrollment_id)
    journal = Journal(enrollment, actor, now)
    if not fully:
        if enrollment.payment_status == EnrollmentPaymentStatus.PAID:
            journal.change("mark_partially_refunded", reason="A part of the payment was refunded")
            publish(*journal.write())
        return
    if enrollment.payment_status not in PAID:
        return
    journal.change("mark_refunded", reason=reason)
    if enrollment.deleted_at is not None:
        publish(*journal.write())
    elif enrollment.eligibility_status == EligibilityStatus.APPROVED:
        publish(*end_enrollment(journal=journal, seat=seat, reason=reason))
    elif enrollment.eligibility_status == EligibilityStatus.SUBMITTED:
        publish(*end_submission(journal=journal, seat=seat, reason=reason))
    else:
        publish(*journal.write())


def restore_purchase(*, enrollment_id: int, reason: str, actor: Actor, now: dt.datetime) -> None:
    """Everything that had been partially refunded has come back. What ended by a full refund stays ended."""
    enrollment = lock_enrollment(enrollment_id)
    if enrollment.payment_status == EnrollmentPaymentStatus.PARTIALLY_REFUNDED:
        journal = Journal(enrollment, actor, now)
        journal.change("mark_paid_again", reason=reason)
        publish(*journal.write())


def _new_enrollment(
    learner: Learner, instance: ProgramInstance, now: dt.datetime, *, previous: Enrollment | None = None
) -> Enrollment:
    return Enrollment(
        workspace_id=instance.workspace_id,
        learner=learner,
        instance=instance,
        previous=previous,
        identification_type=IdentificationType.CUSTOMER_ID,
        end_date=instance.end_date,
        created_at=now,
    )
