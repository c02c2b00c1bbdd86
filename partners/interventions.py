"""What staff do about a single step: skip it, complete it by evidence, ask the partner again. Each takes a reason."""

import datetime as dt

from django.db import transaction

from core.actors import Actor
from core.errors import invalid_field

from .history import change_step
from .locks import lock_step
from .models import EnrollmentStep
from .progression import mark_step_complete, settle


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
    """Complete a step that has begun although the partner has not said so, by what staff have seen.

    Raises StepNotFound, TransitionNotAllowed, and Invalid without a reason or without evidence.
    """
    seen = _required("evidence", evidence, "Say what proves it: a certificate's number, a mail of the partner.")
    why = _required("reason", reason, "Say why the partner's own notice is not waited for.")
    return mark_step_complete(step_id=step_id, evidence=seen, reason=why, actor=actor, now=now)


@transaction.atomic
def retry_step(*, step_id: int, reason: str, actor: Actor, now: dt.datetime) -> EnrollmentStep:
    """Have the partner asked again about a failed step. Raises StepNotFound, TransitionNotAllowed, and Invalid without
    a reason."""
    why = _required("reason", reason, "Say what has changed since it failed.")
    step, _ = lock_step(step_id)
    change_step(step, "retry", actor=actor, reason=why, now=now, attempts=0, next_attempt_at=now)
    return step


def _required(field: str, text: str, remedy: str) -> str:
    if not text.strip():
        raise invalid_field(field, "required", remedy)
    return text.strip()
