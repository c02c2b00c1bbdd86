"""The partner's answer to a request to accept a learner, whether a worker or staff made the request."""

import datetime as dt

from django.db import transaction

from core.actors import Actor
from core.text import fit

from .history import change_step
from .locks import lock_step
from .models import EnrollmentStep
from .progression import keep_external_id
from .states import LEFT, PartnerStepStatus


@transaction.atomic
def record_acceptance(
    *, step_id: int, external_enrollment_id: str, launch_url: str = "", actor: Actor, now: dt.datetime
) -> EnrollmentStep:
    """Record that the partner has the learner: a queued step is now in progress, due after the partner's usual days.

    The id is stored in any state, since the partner knows the learner by it; if the learner has left in the meantime,
    the partner is told. A repeated call changes nothing. Raises StepNotFound, StepHasAnotherId, ExternalIdTaken.
    """
    step, _ = lock_step(step_id)
    is_news = step.external_enrollment_id is None
    keep_external_id(step, external_enrollment_id)
    if is_news and step.status in LEFT:
        step.ended_at = None  # a check before the partner answered found nobody
        step.next_attempt_at = now
        step.save(update_fields=["ended_at", "next_attempt_at"])
    if step.status == PartnerStepStatus.QUEUED:
        change_step(
            step,
            "accept",
            actor=actor,
            now=now,
            launch_url=launch_url,
            started_at=now,
            due_at=now + dt.timedelta(days=step.provider.expected_days),
            attempts=0,
            last_error="",
            next_attempt_at=now + dt.timedelta(hours=step.provider.poll_hours),
        )
    return step


@transaction.atomic
def record_refusal(*, step_id: int, reason: str, actor: Actor, now: dt.datetime) -> EnrollmentStep:
    """Record that the partner does not accept the learner, or can't be asked any more: a queued step fails, and staff
    have to act. One that has moved on in the meantime stays as it is. Raises StepNotFound.
    """
    step, _ = lock_step(step_id)
    if step.status == PartnerStepStatus.QUEUED:
        change_step(
            step, "fail", actor=actor, reason=reason, now=now, last_error=fit(EnrollmentStep, "last_error", reason)
        )
    return step
