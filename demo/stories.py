"""What happens to a learner who wants to enroll, as generators: each `yield` waits, and the code in between acts.

The teller runs them in chronological order, with the clock set to each moment. Moments after the present are not
reached, which leaves learners in every state.
"""

import datetime as dt
import random
from collections.abc import Callable, Iterator
from typing import Any

from django.db import transaction
from django.db.models import F

from accounts.learners import find_or_create_learner
from accounts.models import Lead, Learner, StaffTask
from accounts.staff_tasks import complete_staff_task
from accounts.states import TaskStatus
from billing.models import Checkout, Payment, Refund
from billing.states import PaymentStatus, RefundStatus
from core.actors import SYSTEM, Actor
from core.clock import utc_now
from core.errors import require
from core.local_time import to_instant
from enrollments.funding import decision_changed
from enrollments.history import Journal
from enrollments.lifecycle import (
    approve_enrollment,
    evaluate_enrollment,
    reconsider_enrollment,
    reject_enrollment,
    submit_enrollment,
    unenroll_enrollment,
)
from enrollments.locks import lock_decision, lock_enrollment
from enrollments.models import Enrollment, EnrollmentDecision, ProgramInstance
from enrollments.routing.decide import decide
from enrollments.routing.request import LearnerProfile, RoutingContext, RoutingRequest
from enrollments.routing.result import PROVIDER_DOWN_MESSAGE
from enrollments.states import (
    DecisionStatus,
    EligibilityStatus,
    IdentificationType,
    ParticipationStatus,
    ReviewMode,
)
from events.publishing import publish

from . import stripe
from .catalog import Child, Family, Scene

Story = Iterator[dt.timedelta]
Beginning = Callable[[Scene, Family, Child, ProgramInstance, random.Random], Story]

REJECTIONS = (
    "Below the reading level of this group",
    "The application was incomplete after two reminders",
    "All places of this age group are taken",
)
EXITS = ("Moved to another district", "Schedule conflict with sports", "The family asked for a break", "Found a job")
REFUSALS = ("Outside the grade range", "Prerequisite course missing")


def apply_by_router(
    scene: Scene, family: Family, child: Child, instance: ProgramInstance, chance: random.Random
) -> Story:
    """The usual way: routed to a seat or a checkout, paid or not, reviewed, taking part, and leaving or finishing."""
    decision = _route(scene, family, child, instance)
    if decision.status == DecisionStatus.CHECKOUT_REQUIRED:
        yield from _pay_or_not(decision, family, scene, chance)
        decision = EnrollmentDecision.objects.select_related("enrollment").get(pk=decision.pk)
        if decision.status != DecisionStatus.COMPLETED:
            return
    if decision.status == DecisionStatus.FAILED:
        return
    enrollment = decision.enrollment
    if instance.review_mode == ReviewMode.MANUAL:
        yield from _review(scene, enrollment, chance)
    if _status(enrollment) == EligibilityStatus.REJECTED and chance.random() < 0.4:
        yield _days(chance, 2, 9)
        _route(scene, family, child, instance)  # they ask again and are told why not
    yield from _take_part(scene, enrollment, instance, chance)


def apply_through_staff(
    scene: Scene, family: Family, child: Child, instance: ProgramInstance, chance: random.Random
) -> Story:
    """Entered as a candidate, evaluated, and submitted by staff; nobody is asked to pay."""
    enrollment = enter_candidate(scene, child, instance, as_lead=chance.random() < 0.3)
    if chance.random() < 0.12:
        return
    yield _days(chance, 0.2, 3)
    who = Actor("user", scene.staff.pk)
    if chance.random() < 0.2:
        evaluate_enrollment(
            enrollment_id=enrollment.pk, actor=who, is_eligible=False, reason=chance.choice(REFUSALS), now=utc_now()
        )
        if chance.random() < 0.3:
            yield _days(chance, 10, 25)
            yield from _reconsider(scene, enrollment, who)
        return
    evaluate_enrollment(enrollment_id=enrollment.pk, actor=who, now=utc_now())
    if chance.random() < 0.15:
        return
    yield _days(chance, 0.1, 2)
    submit_enrollment(enrollment_id=enrollment.pk, actor=who, now=utc_now())
    if instance.review_mode == ReviewMode.MANUAL:
        yield from _review(scene, enrollment, chance)
    if _status(enrollment) == EligibilityStatus.APPROVED and enrollment.lead_id is None and chance.random() < 0.15:
        yield _days(chance, 1, 5)
        _route(scene, family, child, instance)  # the portal does not know yet: already enrolled
    yield from _take_part(scene, enrollment, instance, chance)


def meet_an_outage(
    scene: Scene, family: Family, child: Child, instance: ProgramInstance, chance: random.Random
) -> Story:
    """Stripe did not answer: the decision is stored as failed, and a repeat of the same request continues it."""
    decision = _decide(scene, family, child, instance)
    if decision.status == DecisionStatus.CHECKOUT_REQUIRED:
        with transaction.atomic():
            lock_enrollment(decision.enrollment_id)
            locked = lock_decision(decision.pk)
            locked.fail()
            locked.message = PROVIDER_DOWN_MESSAGE
            publish(decision_changed(locked, utc_now()))
    yield from ()


def ask_and_hesitate(
    scene: Scene, family: Family, child: Child, instance: ProgramInstance, chance: random.Random
) -> Story:
    """Asked, and has not paid yet."""
    _route(scene, family, child, instance)
    yield from ()


def _route(scene: Scene, family: Family, child: Child, instance: ProgramInstance) -> EnrollmentDecision:
    decision = _decide(scene, family, child, instance)
    if decision.status == DecisionStatus.CHECKOUT_REQUIRED and decision.checkout is not None:
        stripe.open_page(decision.checkout)
    return decision


def _decide(scene: Scene, family: Family, child: Child, instance: ProgramInstance) -> EnrollmentDecision:
    profile: dict[str, Any] = {
        "learner_id": child.external_id,
        "email": child.email,
        "first_name": child.first_name,
        "last_name": child.last_name,
        "grade_level": child.grade,
        "school": child.school,
    }
    context: dict[str, Any] = {"guardian_id": family.guardian_id, "source": "parent_portal"}
    if family.tenant_id is not None:
        context |= {"tenant_id": family.tenant_id, "source": "district_portal"}
    request = RoutingRequest(
        workspace_id=scene.workspace.pk,
        actor=SYSTEM,
        profile=LearnerProfile(**profile, received=profile),
        context=RoutingContext(
            tenant_id=family.tenant_id,
            guardian_id=family.guardian_id,
            program_instance=instance.cuid,
            received=context,
        ),
        now=utc_now(),
    )
    with transaction.atomic():
        return decide(request, set()).decision


@transaction.atomic
def enter_learner(scene: Scene, child: Child) -> Learner:
    """Return the child as a learner: an existing one if any, even from an approved lead without the school's id."""
    learner, _ = find_or_create_learner(
        workspace_id=scene.workspace.pk,
        learner_id=child.external_id,
        email=child.email,
        first_name=child.first_name,
        last_name=child.last_name,
        grade_level=child.grade,
        school=child.school,
    )
    return learner


def enter_candidate(scene: Scene, child: Child, instance: ProgramInstance, *, as_lead: bool) -> Enrollment:
    known = scene.workspace.learners.filter(external_id=child.external_id).first()
    person: dict[str, Any] = {
        "workspace": scene.workspace,
        "first_name": child.first_name,
        "last_name": child.last_name,
    }
    if as_lead and known is None:
        about: dict[str, Any] = {"lead": Lead.objects.create(email=child.email, **person)}
        identified = IdentificationType.LEAD_ID
    else:
        about = {"learner": known or enter_learner(scene, child)}
        identified = IdentificationType.CUSTOMER_ID
    enrollment = Enrollment(
        workspace=scene.workspace,
        instance=instance,
        identification_type=identified,
        end_date=instance.end_date,
        created_at=utc_now(),
        **about,
    )
    with transaction.atomic():
        publish(*Journal(enrollment, Actor("user", scene.staff.pk), utc_now()).write())
    return enrollment


def _pay_or_not(decision: EnrollmentDecision, family: Family, scene: Scene, chance: random.Random) -> Story:
    checkout = require(decision.checkout, "a decision for the parent path has its checkout")
    fate = chance.random()
    if fate < 0.12:
        yield checkout.expires_at + dt.timedelta(minutes=1) - utc_now()
        stripe.expire(checkout)
    elif fate < 0.122:
        yield checkout.expires_at + dt.timedelta(minutes=1) - utc_now()
        stripe.leave_unhandled(checkout)
    elif fate < 0.16:
        yield _hours(chance, 1, 8)
        stripe.cancel(checkout)
    elif fate < 0.22:
        yield _hours(chance, 0.2, 6)
        stripe.start_bank_debit(checkout, family.email)
        yield _days(chance, 2, 4)
        if chance.random() < 0.35:
            stripe.refuse_bank_debit(checkout, family.email)
        else:
            stripe.pay(checkout, family.email)
    elif fate < 0.235:
        yield _hours(chance, 0.2, 6)
        yield from _pay_wrong_amount(checkout, family, scene, chance)
    else:
        yield _hours(chance, 0.05, 15)
        stripe.pay(checkout, family.email)


def _pay_wrong_amount(checkout: Checkout, family: Family, scene: Scene, chance: random.Random) -> Story:
    """Pay an amount other than the one requested; staff refund it sooner or later."""
    stripe.pay(checkout, family.email, amount_minor=checkout.amount_minor // 2)
    yield _days(chance, 1, 20)
    for payment in checkout.payments.order_by("pk"):
        stripe.refund(payment, amount_minor=None, user=scene.staff, note="Not the amount we asked for")
        _close_tasks(scene, f"payment:{payment.pk}", "Refunded in full and told the payer")


def _review(scene: Scene, enrollment: Enrollment, chance: random.Random) -> Story:
    yield _days(chance, 0.3, 5)
    who = Actor("user", scene.staff.pk)
    fate = chance.random()
    if fate < 0.8:
        approve_enrollment(enrollment_id=enrollment.pk, actor=who, reason="Meets the requirements", now=utc_now())
    elif fate < 0.985:
        reject_enrollment(enrollment_id=enrollment.pk, actor=who, reason=chance.choice(REJECTIONS), now=utc_now())
        _confirm_refunds(enrollment)


def _reconsider(scene: Scene, enrollment: Enrollment, who: Actor) -> Story:
    """Change the criteria; learners refused under the old ones become candidates again."""
    ProgramInstance.objects.filter(pk=enrollment.instance_id).update(criteria_version=F("criteria_version") + 1)
    reconsider_enrollment(enrollment_id=enrollment.pk, actor=who, reason="The grade range was widened", now=utc_now())
    yield dt.timedelta(hours=3)
    evaluate_enrollment(enrollment_id=enrollment.pk, actor=who, now=utc_now())


def _take_part(scene: Scene, enrollment: Enrollment, instance: ProgramInstance, chance: random.Random) -> Story:
    if _status(enrollment) != EligibilityStatus.APPROVED:
        return
    fate = chance.random()
    if fate < 0.09:
        yield _days(chance, 4, 45)
        _leave(scene, enrollment, chance)
    elif fate < 0.12:
        yield from _contest(scene, enrollment, chance)
    elif fate < 0.15:
        yield _days(chance, 5, 30)
        for payment in _payments(enrollment):
            third = payment.amount_minor // 3
            stripe.refund(payment, amount_minor=third, user=scene.staff, note="Two sessions were canceled")
    if instance.end_date is not None:
        over = to_instant(date=instance.end_date + dt.timedelta(days=1), time=dt.time(2), zone=instance.zone).at
        yield max(over - utc_now(), dt.timedelta(0))
        _finish(enrollment)


def _leave(scene: Scene, enrollment: Enrollment, chance: random.Random) -> None:
    current = Enrollment.objects.get(pk=enrollment.pk)
    if current.participation_status != ParticipationStatus.ACTIVE:
        return
    unenroll_enrollment(
        enrollment_id=enrollment.pk, actor=Actor("user", scene.staff.pk), reason=chance.choice(EXITS), now=utc_now()
    )
    for payment in _payments(enrollment):
        status = "failed" if chance.random() < 0.12 else "succeeded"
        stripe.refund(payment, amount_minor=None, user=scene.staff, note="Left the program", status=status)
        _close_tasks(scene, f"payment:{payment.pk}", "Refunded in full", kind="refund_to_decide")


def _contest(scene: Scene, enrollment: Enrollment, chance: random.Random) -> Story:
    yield _days(chance, 6, 30)
    for payment in _payments(enrollment):
        stripe.dispute(payment, payment.pk, "needs_response")
        yield _days(chance, 10, 40)
        won = chance.random() < 0.5
        stripe.dispute(payment, payment.pk, "won" if won else "lost")
        _close_tasks(scene, f"payment:{payment.pk}", "The bank decided for us" if won else "Lost; the family was told")


def _finish(enrollment: Enrollment) -> None:
    with transaction.atomic():
        locked = lock_enrollment(enrollment.pk)
        if locked.participation_status != ParticipationStatus.ACTIVE:
            return
        journal = Journal(locked, SYSTEM, utc_now())
        journal.change("finish", reason="expired")
        publish(*journal.write())


def _confirm_refunds(enrollment: Enrollment) -> None:
    """Confirm at once the refunds that a rejection started, as Stripe does."""
    asked = Refund.objects.filter(payment__in=_all_payments(enrollment), status=RefundStatus.REQUESTED).select_related(
        "payment"
    )
    for refund in asked:
        stripe.confirm_refund(refund.payment, refund.reference, refund.amount_minor)


def _payments(enrollment: Enrollment) -> list[Payment]:
    return list(_all_payments(enrollment).filter(status=PaymentStatus.PAID))


def _all_payments(enrollment: Enrollment) -> Any:
    return Payment.objects.filter(checkout__in=enrollment.decisions.values("checkout"))


def _close_tasks(scene: Scene, subject: str, resolution: str, **which: str) -> None:
    for task in StaffTask.objects.filter(subject=subject, status=TaskStatus.OPEN, **which).order_by("pk"):
        complete_staff_task(task_id=task.pk, user=scene.staff, resolution=resolution, now=utc_now())


def _status(enrollment: Enrollment) -> str:
    return Enrollment.objects.values_list("eligibility_status", flat=True).get(pk=enrollment.pk)


def _days(chance: random.Random, least: float, most: float) -> dt.timedelta:
    return dt.timedelta(days=chance.uniform(least, most))


def _hours(chance: random.Random, least: float, most: float) -> dt.timedelta:
    return dt.timedelta(hours=chance.uniform(least, most))
