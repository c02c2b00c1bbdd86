"""The record of what happens to a step: each change of its status is one FSM transition, one row and one event."""

import datetime as dt
from typing import Any

from django_fsm import ConcurrentTransition
from django_fsm import TransitionNotAllowed as FsmRefusal

from accounts.staff_tasks import raise_staff_task, settle_staff_task
from core.actors import Actor
from core.errors import Contradiction, TransitionNotAllowed
from core.http.middleware import current_request_id
from core.text import fit
from events.publishing import publish

from .events import (
    PartnerStepCompleted,
    PartnerStepEvent,
    PartnerStepFailed,
    PartnerStepQueued,
    PartnerStepReopened,
    PartnerStepSkipped,
    PartnerStepStarted,
    PartnerStepWithdrawn,
)
from .models import EnrollmentStep, StepTransition
from .service_levels import settle_breach
from .states import LEFT, PartnerStepStatus
from .task_kinds import STEP_FAILED

# A call to the partner that is under way has come to something by then.
UNDER_WAY = dt.timedelta(minutes=3)
_TELLS: dict[str, type[PartnerStepEvent]] = {
    PartnerStepStatus.QUEUED: PartnerStepQueued,
    PartnerStepStatus.IN_PROGRESS: PartnerStepStarted,
    PartnerStepStatus.COMPLETED: PartnerStepCompleted,
    PartnerStepStatus.FAILED: PartnerStepFailed,
    PartnerStepStatus.SKIPPED: PartnerStepSkipped,
    PartnerStepStatus.WITHDRAWN: PartnerStepWithdrawn,
}
# What says more than the status that it leads to.
_TELLS_APART: dict[str, type[PartnerStepEvent]] = {"reopen": PartnerStepReopened}


def change_step(
    step: EnrollmentStep, transition: str, *, actor: Actor, reason: str = "", now: dt.datetime, **values: Any
) -> None:
    """Run the FSM method of this name on a locked step, save it with `values`, record the change and publish it.

    A step that has failed is a task for staff as long as it is one. Raises TransitionNotAllowed, naming both states,
    where there is no edge.
    """
    row = move_step(step, transition, actor=actor, reason=reason, now=now)
    if step.status in LEFT:
        values |= {"next_attempt_at": when_to_end(row), "attempts": 0, "last_error": ""}
    was_late = step.breached_at is not None
    if was_late:
        values["breached_at"] = None
    for name, value in values.items():
        setattr(step, name, value)
    try:
        step.save(update_fields=["status", "change_count", "changed_at", *values])
    except ConcurrentTransition as moved:
        raise Contradiction("A step is changed only behind the lock of its enrollment.") from moved
    row.save()
    publish(event_about(step, now, tells=_TELLS_APART.get(transition)))
    if was_late:
        settle_breach(step, status=row.from_status, now=now)
    if row.from_status == PartnerStepStatus.FAILED:
        settle_staff_task(kind=STEP_FAILED, subject=subject_of(step), resolution=f"It is {step.status} now.", now=now)
    if step.status == PartnerStepStatus.FAILED:
        _raise_task(step, reason)


def follow_order(step: EnrollmentStep, *, before: int, now: dt.datetime) -> None:
    """A step that was the `before`th has another place by now: what staff are asked to do about it goes with it."""
    if step.status == PartnerStepStatus.FAILED and step.sequence_order != before:
        place = f"It is step {step.sequence_order} now."
        settle_staff_task(kind=STEP_FAILED, subject=_subject(step, before), resolution=place, now=now)
        _raise_task(step, f"It was step {before}. {step.last_error}")


def when_to_end(row: StepTransition) -> dt.datetime | None:
    """When to have the partner let a learner go who has just left: at once, or once the answer of a partner is in that
    may be asked to take the learner just now. None if it was never asked."""
    match row.from_status:
        case PartnerStepStatus.PENDING:
            return None
        case PartnerStepStatus.QUEUED:
            return row.created_at + UNDER_WAY
    return row.created_at


def subject_of(step: EnrollmentStep) -> str:
    """What a task for staff is about: the enrollment's page, and which of its steps."""
    return _subject(step, step.sequence_order)


def _subject(step: EnrollmentStep, order: int) -> str:
    return f"enrollment:{step.enrollment.cuid}/step:{order}"


def _raise_task(step: EnrollmentStep, why: str) -> None:
    raise_staff_task(
        workspace_id=step.enrollment.workspace_id,
        kind=STEP_FAILED,
        subject=subject_of(step),
        summary=f"{step.provider} did not take the learner for step {step.sequence_order}. {why}".strip(),
    )


def move_step(
    step: EnrollmentStep, transition: str, *, actor: Actor, reason: str = "", now: dt.datetime
) -> StepTransition:
    """Run the FSM method of this name; the row that records it, for a caller that saves both."""
    before = step.status
    try:
        getattr(step, transition)()
    except FsmRefusal as refusal:
        target = next(iter(getattr(step, transition)._django_fsm.transitions.values())).target
        raise TransitionNotAllowed(
            f"A step that is {before} can't become {target}.", from_status=before, to_status=target
        ) from refusal
    step.change_count += 1
    step.changed_at = now
    return StepTransition(
        step=step,
        number=step.change_count,
        from_status=before,
        to_status=step.status,
        reason=fit(StepTransition, "reason", reason),
        actor=str(actor),
        request_id=current_request_id(),
        created_at=now,
    )


def taken_back_at(step: EnrollmentStep) -> dt.datetime | None:
    """When staff took its completion back, the last time: what the partner told of one before counts no more."""
    reopened = step.transitions.filter(from_status=PartnerStepStatus.COMPLETED, to_status=PartnerStepStatus.IN_PROGRESS)
    return reopened.order_by("-number").values_list("created_at", flat=True).first()


def event_about(
    step: EnrollmentStep, now: dt.datetime, *, tells: type[PartnerStepEvent] | None = None
) -> PartnerStepEvent:
    """What its present status tells the world, unless it `tells` more."""
    return (tells or _TELLS[step.status])(
        workspace_id=step.enrollment.workspace_id,
        occurred_at=now,
        step_cuid=step.cuid,
        enrollment_cuid=step.enrollment.cuid,
        partner=step.provider.slug,
        sequence_order=step.sequence_order,
    )
