"""What a payment for a place brings: the place, the package, its steps, the approved enrollment; all of it or none.

Called from the reactions to billing's events, inside its transaction, with every row that is changed here locked (see
`locks.lock_place_subject`).
"""

import datetime as dt
from collections.abc import Collection, Iterable

from django.db.models import QuerySet

from accounts.staff_tasks import raise_staff_task
from billing.discounts import Granted, release_discount, use_up
from billing.purposes import as_subject
from billing.refunds import request_refund
from billing.states import RefundReason
from core.actors import STRIPE, SYSTEM, Actor
from core.compiled import compiled
from core.errors import require
from core.rows import insert_rows
from core.text import fit
from enrollments.locks import lock_enrollment
from enrollments.models import Enrollment
from enrollments.purchase import (
    MONEY_IS_BACK,
    complete_free_purchase,
    complete_purchase,
    may_be_paid,
    refund_purchase,
    restore_purchase,
)
from events.publishing import publish

from ..events import PackageCreated, PackageRevoked, PlaceLost
from ..learning.packages import package_event
from ..learning.steps import Unbooked, close_steps, open_steps
from ..learning.stranded import subject_of
from ..locks import lock_package, lock_place, lock_sessions_of_purchase
from ..models import CohortPlace, CourseStep, StudentPackage
from ..states import PURPOSE
from ..task_kinds import ONLY_SESSION_FULL, ONLY_SESSION_OVERLAPS
from .places import can_be_taken, place_event, release_place, take_place
from .waitlist import end_accepted, free_unpaid_place, offer_free_places, withdraw_renewed_offer


def fulfil_place(*, place_id: int, payment_id: int, now: dt.datetime) -> StudentPackage | None:
    """Turn a paid place into a package. Returns None if the money is refunded instead: the learner already has the
    course, or the enrollment has ended since, or the place was given up and the cohort is full by now. A repeat changes
    nothing.
    """
    place = lock_place(place_id)
    refused = _refund_reason(place)
    if refused and (known := _package_of_payment(payment_id)):
        return known
    if not refused:
        withdraw_renewed_offer(place=place, now=now)
    if refused or not can_be_taken(place):
        _send_back(place, payment_id, refused or RefundReason.PLACE_LOST, now)
        return None
    enrollment = require(place.enrollment, "a place that is asked money for has its enrollment")
    agreed_at = place.checkout.created_at if place.checkout else now
    complete_purchase(enrollment=enrollment, agreed_at=agreed_at, actor=STRIPE, now=now)
    package = _create_package(place, enrollment, payment_id, now)
    end_accepted(place=place, now=now)
    return package


def _package_of_payment(payment_id: int) -> StudentPackage | None:
    return StudentPackage.objects.filter(payment=payment_id).order_by("pk").first()


def give_place(
    *, place: CohortPlace, enrollment_id: int, granted: Granted, actor: Actor, now: dt.datetime
) -> CohortPlace:
    """Give the learner a held place without payment, because a discount covers the whole price; its package comes with
    it. The cohort and its sessions are locked. Raises VoucherNotAccepted if the voucher's last use is gone.
    """
    enrollment = lock_enrollment(enrollment_id)
    complete_free_purchase(enrollment=enrollment, reason=granted.label, actor=actor, now=now)
    place.enrollment = enrollment
    place.save(update_fields=["enrollment", "held_by", "held_until"])
    place = lock_place(place.pk)
    use_up(
        granted=granted,
        workspace_id=enrollment.workspace_id,
        purpose=PURPOSE,
        subject=as_subject(place.pk),
        now=now,
    )
    _create_package(place, enrollment, None, now)
    end_accepted(place=place, now=now)
    return place


def refund_place(*, payment_id: int, fully: bool, now: dt.datetime) -> None:
    """Follow a refund. A full one ends the enrollment, which revokes the package and frees the place and the sessions
    (`revocation.give_back`); after a partial one, or one of a payment that bought nothing, everything stays.
    """
    package = StudentPackage.objects.filter(payment=payment_id).first()
    if package is None:
        return
    refund_purchase(enrollment_id=package.enrollment_id, fully=fully, actor=STRIPE, now=now)


def restore_place(*, payment_id: int, now: dt.datetime) -> None:
    """Follow money that came back after a partial refund; a revoked package stays revoked."""
    package = StudentPackage.objects.filter(payment=payment_id).first()
    if package is not None:
        restore_purchase(enrollment_id=package.enrollment_id, reason=MONEY_IS_BACK, actor=STRIPE, now=now)


def revoke_package(*, package_id: int, reason: str, now: dt.datetime) -> None:
    """Revoke a package, with its sessions and its place, whose rows are locked."""
    place_id = StudentPackage.objects.values_list("place_id", flat=True).get(pk=package_id)
    place = lock_place(place_id)
    package = lock_package(package_id)
    if not package.is_live:
        return
    close_steps(package=package, now=now)
    package.revoked_at = now
    package.revoke_reason = fit(StudentPackage, "revoke_reason", reason)
    package.save(update_fields=["revoked_at", "revoke_reason"])
    publish(package_event(PackageRevoked, package, now))
    if release_place(place=place, reason=reason, now=now):
        offer_free_places(cohort_id=place.cohort_id, now=now)


def ask_for_sessions(*, package: StudentPackage, left: Unbooked) -> None:
    """Raise tasks for staff about steps that leave no choice and can't be attended as things are."""
    for step in _steps(left.full):
        raise_staff_task(
            workspace_id=package.learner.workspace_id,
            kind=ONLY_SESSION_FULL,
            subject=subject_of(package.pk, step.pk),
            summary=f"{step.label} was sold, but has no seat left: add some.",
        )
    for step in _steps(left.overlapping):
        raise_staff_task(
            workspace_id=package.learner.workspace_id,
            kind=ONLY_SESSION_OVERLAPS,
            subject=subject_of(package.pk, step.pk),
            summary=f"The only session for {step.label} overlaps with another that the learner has booked: add a "
            "class, or change one of them.",
        )


def _steps(step_ids: Collection[int]) -> Iterable[CourseStep]:
    return CourseStep.objects.filter(pk__in=step_ids).order_by("pk") if step_ids else ()  # usually none: ask nothing


def _refund_reason(place: CohortPlace) -> RefundReason | None:
    if _package_owned.first(place.learner_id, place.cohort.instance.program_id):
        return RefundReason.DUPLICATE
    if place.enrollment is None or not may_be_paid(place.enrollment):
        return RefundReason.NOT_NEEDED
    return None


@compiled
def _package_owned(learner_id: int, program_id: int) -> QuerySet[StudentPackage, int]:
    return StudentPackage.objects.live().filter(learner=learner_id, program=program_id).values_list("pk", flat=True)


def _send_back(place: CohortPlace, payment_id: int, reason: RefundReason, now: dt.datetime) -> None:
    request_refund(payment_id=payment_id, amount_minor=None, reason=reason, actor=SYSTEM, now=now)
    if reason == RefundReason.PLACE_LOST:
        publish(place_event(PlaceLost, place, now))
    free_unpaid_place(place=place, reason=RefundReason(reason).label, now=now)
    if place.checkout is not None:  # last: whoever holds a place with a voucher locks the cohort, then the voucher
        release_discount(checkout=place.checkout, now=now)


def _create_package(
    place: CohortPlace, enrollment: Enrollment, payment_id: int | None, now: dt.datetime
) -> StudentPackage:
    """Create the package with one row per step; steps that leave no choice are booked at once. The events include the
    one that the place was taken.

    The place is counted here, after everything that others need not wait for, and before the course is read: adding a
    step or moving a session waits for the cohort's row.
    """
    cohort = place.cohort
    package = StudentPackage(
        learner=place.learner,
        program=cohort.instance.program,
        enrollment=enrollment,
        cohort=cohort,
        place=place,
        payment_id=payment_id,
        name=StudentPackage.name_in(cohort),
        purchased_at=now,
    )
    insert_rows([package])
    taken = take_place(place=place, now=now)
    lock_sessions_of_purchase(cohort_id=place.cohort_id)
    booked, left = open_steps(package=package, now=now)
    publish(taken, package_event(PackageCreated, package, now, learner=package.learner), *booked)
    ask_for_sessions(package=package, left=left)
    return package
