"""Partners' service levels: how long they take to accept a learner, and to let them finish. Staff get a task for each
step that takes longer, once for each status it is in.

`is_breach` finds those steps. A task is completed when its step moves on.
"""

import datetime as dt

import structlog
from django.db import transaction
from django.db.models import Q

from accounts.staff_tasks import raise_staff_task, settle_staff_task
from core.numbers import counted

from .locks import lock_step
from .models import EnrollmentStep, is_breach
from .states import PartnerStepStatus
from .task_kinds import ACCEPTANCE_LATE, COMPLETION_LATE

log = structlog.get_logger(__name__)


def raise_breaches(*, limit: int, now: dt.datetime) -> int:
    """Ask staff once about each step whose partner exceeds its terms, oldest first. Returns how many were handled."""
    breach = is_breach(now)
    found = EnrollmentStep.objects.filter(breach, breached_at=None).order_by("changed_at", "pk")
    step_ids = list(found.values_list("pk", flat=True)[:limit])
    return sum(_try_to_raise(step_id, breach, now) for step_id in step_ids)


def _try_to_raise(step_id: int, breach: Q, now: dt.datetime) -> int:
    """Raise one breach. A failure must not delay the others; the next sweep tries it again."""
    try:
        _raise_breach(step_id, breach, now)
    except Exception:
        log.exception("partner_service_level_not_told", step_id=step_id)
        return 0
    return 1


@transaction.atomic
def _raise_breach(step_id: int, breach: Q, now: dt.datetime) -> None:
    """Raise the breach behind the lock of the enrollment, so that a step that moves on in the meantime, or was already
    reported, raises nothing.
    """
    step, _ = lock_step(step_id)
    if step.breached_at is not None or not EnrollmentStep.objects.filter(breach, pk=step_id).exists():
        return
    step.breached_at = now
    step.save(update_fields=["breached_at"])
    _ask_staff(step)
    log.info("partner_service_level_breached", step=step.cuid, partner=step.provider_id, status=step.status)


def settle_breach(step: EnrollmentStep, *, status: str, now: dt.datetime) -> None:
    """Settle the task about a step that has moved on from this status. Part of the caller's transaction."""
    kind = ACCEPTANCE_LATE if status == PartnerStepStatus.QUEUED else COMPLETION_LATE
    settle_staff_task(kind=kind, subject=_subject(step), resolution=f"It is {step.status} now.", now=now)


def _subject(step: EnrollmentStep) -> str:
    return f"partner_step:{step.cuid}"


def _ask_staff(step: EnrollmentStep) -> None:
    workspace_id = step.enrollment.workspace_id
    provider = step.provider
    if step.status == PartnerStepStatus.QUEUED:
        summary = f"{provider} has not taken a learner within {counted(provider.accept_within_hours, 'hour')}."
        raise_staff_task(workspace_id=workspace_id, kind=ACCEPTANCE_LATE, subject=_subject(step), summary=summary)
    else:
        summary = f"A learner has not finished at {provider} within {counted(provider.expected_days, 'day')}."
        raise_staff_task(workspace_id=workspace_id, kind=COMPLETION_LATE, subject=_subject(step), summary=summary)
