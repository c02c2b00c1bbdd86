"""Enrolling on account: the learner takes part at once, and the money follows."""

import datetime as dt

from django.db import IntegrityError, transaction

from accounts.learners import lock_learner_with_external_id
from accounts.models import Learner
from core.actors import Actor
from core.errors import invalid_field
from events.publishing import publish

from .eligibility.facts import Facts
from .emails import tell_of_enrollment_on_account
from .errors import AlreadyEnrolled, Ineligible, NotEvaluated
from .history import Journal
from .lifecycle import approve, evaluate_and_submit
from .models import Enrollment, ProgramInstance
from .queries import current_enrollment, refuse_closed
from .states import IdentificationType


@transaction.atomic
def enroll_on_account(*, workspace_id: int, course_id: int, user_id: str, actor: Actor, now: dt.datetime) -> Enrollment:
    """Enroll the learner with this external id in the program instance with this number: approved and active at once,
    with the payment pending if there is a price. The family gets a confirmation.

    Criteria and capacity apply as everywhere; nobody reviews it, whatever the review mode (docs/decisions/0063). Raises
    Invalid naming `course_id` or `user_id`, InstanceClosed, AlreadyEnrolled, Ineligible, NotEvaluated, InstanceFull;
    then nothing has changed.
    """
    instance = _find_instance(workspace_id, course_id)
    refuse_closed(instance, now)
    learner = lock_learner_with_external_id(workspace_id=workspace_id, external_id=user_id)
    if learner is None:
        raise invalid_field("user_id", "not_found", "There is no learner with this external id in this workspace.")
    _refuse_second(learner, instance)
    enrollment = Enrollment(
        workspace_id=workspace_id,
        instance=instance,
        learner=learner,
        identification_type=IdentificationType.CUSTOMER_ID,
        end_date=instance.end_date,
        created_at=now,
    )
    journal = Journal(enrollment, actor, now, is_answered=True)
    verdict = evaluate_and_submit(journal=journal, facts=Facts(enrollment, now=now))
    if not verdict.is_decided:
        raise NotEvaluated(verdict.reason)
    if not verdict.is_eligible:
        raise Ineligible(verdict.reason)
    if instance.price_id is not None:
        journal.change("await_payment", reason="On account")
    seat_events = approve(journal=journal, seat=None, reason="On account")
    try:
        with transaction.atomic():
            events = journal.write()
    except IntegrityError:
        _refuse_second(learner, instance)
        raise
    publish(*events, *seat_events)
    tell_of_enrollment_on_account(enrollment=enrollment, now=now)
    return enrollment


def _find_instance(workspace_id: int, number: int) -> ProgramInstance:
    found = ProgramInstance.objects.filter(pk=number, workspace=workspace_id)
    instance = found.select_related("program", "workspace", "price").first()
    if instance is None:
        raise invalid_field("course_id", "not_found", "There is no course with this id in this workspace.")
    return instance


def _refuse_second(learner: Learner, instance: ProgramInstance) -> None:
    current = current_enrollment(learner_id=learner.pk, instance_id=instance.pk)
    if current is not None:
        raise AlreadyEnrolled(
            f"Enrolment {current.pk} of this learner in this course is current.", enrollment_id=current.cuid
        )
