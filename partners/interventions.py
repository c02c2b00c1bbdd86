"""What staff can do about a single step: ask the partner again, skip it, complete it by evidence, send the learner
elsewhere, take a completion back. Each requires a reason.

For what a decision means for the learner, the partner, and the certificate, see docs/decisions/0074.
"""

import datetime as dt
from collections.abc import Sequence

import structlog
from django.db import transaction

from core.actors import Actor
from core.errors import invalid_field
from core.logs import after_commit
from enrollments.lifecycle import resume_participation

from .groups import are_satisfied, check_reopenable, refuse_repeated
from .history import change_step
from .locks import lock_step
from .models import EnrollmentStep, Provider
from .progression import ENOUGH_DONE, mark_step_complete, settle
from .states import PartnerStepStatus

log = structlog.get_logger(__name__)

# What the family may read in the enrollment's history; the staff's own words stay with the step.
DONE_AGAIN = "A step at a partner is to be done again"


@transaction.atomic
def skip_step(*, step_id: int, reason: str, actor: Actor, now: dt.datetime) -> EnrollmentStep:
    """Let an open step count as done. Raises StepNotFound, TransitionNotAllowed, and Invalid without a reason."""
    why = _required("reason", reason, "Say why the step may be skipped.")
    step, steps = lock_step(step_id)
    change_step(step, "skip", actor=actor, reason=why, now=now)
    settle(steps, actor=actor, now=now)
    return step


def complete_step_by_evidence(
    *, step_id: int, evidence: str, reason: str, actor: Actor, now: dt.datetime
) -> EnrollmentStep:
    """Complete a step that has begun although the partner has not reported it, by evidence that staff have seen.

    Raises StepNotFound, TransitionNotAllowed, and Invalid without a reason or without evidence.
    """
    seen = _required("evidence", evidence, "Give the evidence: a certificate number, or a mail from the partner.")
    why = _required("reason", reason, "Say why the partner's own notice is not waited for.")
    return mark_step_complete(step_id=step_id, evidence=seen, reason=why, actor=actor, now=now)


@transaction.atomic
def retry_step(*, step_id: int, reason: str, actor: Actor, now: dt.datetime) -> EnrollmentStep:
    """Ask the partner again about a failed step. Raises StepNotFound, TransitionNotAllowed, Invalid (no reason)."""
    why = _required("reason", reason, "Say what has changed since it failed.")
    step, _ = lock_step(step_id)
    change_step(step, "retry", actor=actor, reason=why, now=now, attempts=0, next_attempt_at=now)
    return step


@transaction.atomic
def reassign_step(
    *, step_id: int, partner: str, course_id: str = "", reason: str, actor: Actor, now: dt.datetime
) -> EnrollmentStep:
    """Send the learner of an open step to another partner or course; without a course, to the same one.

    The current step is withdrawn and retired, and its partner is told if it has the learner, or may have. The
    replacement, which is returned, is requested in its turn. Raises StepNotFound, TransitionNotAllowed, and Invalid
    naming the field.
    """
    why = _required("reason", reason, "Say why the learner goes to another partner.")
    step, steps = lock_step(step_id)
    provider = Provider.objects.filter(workspace=step.enrollment.workspace_id, slug=partner).first()
    if provider is None:
        raise invalid_field("partner", "not_found", f"There is no partner {partner} in this workspace.")
    course = course_id or step.course
    refuse_repeated(steps, provider=provider, course=course)
    change_step(step, "withdraw", actor=actor, reason=why, now=now)
    placed = _replace(step, provider=provider, course=course, now=now)
    settle(_on_the_way(steps, step, placed), actor=actor, now=now)
    after_commit(log.info, "partner_step_reassigned", step=step.cuid, by=placed.cuid, partner=provider.pk)
    return placed


@transaction.atomic
def reopen_step(*, step_id: int, reason: str, actor: Actor, now: dt.datetime) -> EnrollmentStep:
    """Take back that a step counts as done: the learner has to do it after all. Returns the step to be done.

    If the partner still has the learner, they continue there. Otherwise the step is withdrawn, and its replacement is
    requested in its turn. A completed participation becomes active again, which ends its certificate. Later steps that
    have begun continue. Raises StepNotFound, TransitionNotAllowed for a step that is not done, StepNotReopenable,
    AlreadyEnrolled, and Invalid without a reason.
    """
    why = _required("reason", reason, "Say why the step does not count any more.")
    step, steps = lock_step(step_id)
    was_over = check_reopenable(step, steps)
    if step.status == PartnerStepStatus.COMPLETED and step.external_enrollment_id is not None and step.started_at:
        change_step(
            step,
            "reopen",
            actor=actor,
            reason=why,
            now=now,
            completed_at=None,
            evidence="",
            certificate=None,
            progress=0,
            attempts=0,
            placed_at=now,
            due_at=now + dt.timedelta(days=step.provider.expected_days),
            next_attempt_at=now + dt.timedelta(hours=step.provider.poll_hours),
        )
        placed = step
    else:
        change_step(step, "take_back", actor=actor, reason=why, now=now, completed_at=None)
        placed = _replace(step, provider=step.provider, course=step.course, now=now)
    steps = _on_the_way(steps, step, placed)
    if not are_satisfied(steps):
        resume_participation(enrollment_id=step.enrollment_id, actor=actor, reason=DONE_AGAIN, now=now)
    elif was_over:
        change_step(placed, "withdraw", actor=actor, reason=ENOUGH_DONE, now=now)
    settle(steps, actor=actor, now=now)
    after_commit(log.info, "partner_step_reopened", step=step.cuid, by=placed.cuid)
    return placed


def _replace(step: EnrollmentStep, *, provider: Provider, course: str, now: dt.datetime) -> EnrollmentStep:
    """Retire a step that is over, and put a replacement in its place."""
    step.retired_at = now
    step.save(update_fields=["retired_at"])
    return EnrollmentStep.objects.create(
        enrollment=step.enrollment,
        item=step.item,
        provider=provider,
        course_id="" if course == step.item.course_id else course,
        sequence_order=step.sequence_order,
        placed_at=now,
        changed_at=now,
        created_at=now,
    )


def _on_the_way(steps: Sequence[EnrollmentStep], step: EnrollmentStep, placed: EnrollmentStep) -> list[EnrollmentStep]:
    return [placed if each.pk == step.pk else each for each in steps]


def _required(field: str, text: str, remedy: str) -> str:
    if not text.strip():
        raise invalid_field(field, "required", remedy)
    return text.strip()
