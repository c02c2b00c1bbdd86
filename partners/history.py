"""The record of what happens to steps: each status change is one FSM transition, one row, and one event."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import F
from django_fsm import TransitionNotAllowed as FsmRefusal

from accounts.staff_tasks import raise_staff_task, settle_staff_task
from core.actors import Actor
from core.errors import Contradiction, TransitionNotAllowed
from core.http.middleware import current_request_id
from core.rows import insert_many
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
from .models import EnrollmentStep, EnrollmentStepQuerySet, StepTransition
from .service_levels import settle_breach
from .states import LEFT, PartnerStepStatus
from .task_kinds import STEP_FAILED

# By then, a call to the partner that is under way has finished.
UNDER_WAY = dt.timedelta(minutes=3)
_TELLS: dict[str, type[PartnerStepEvent]] = {
    PartnerStepStatus.QUEUED: PartnerStepQueued,
    PartnerStepStatus.IN_PROGRESS: PartnerStepStarted,
    PartnerStepStatus.COMPLETED: PartnerStepCompleted,
    PartnerStepStatus.FAILED: PartnerStepFailed,
    PartnerStepStatus.SKIPPED: PartnerStepSkipped,
    PartnerStepStatus.WITHDRAWN: PartnerStepWithdrawn,
}
# Transitions that say more than the status they lead to.
_TELLS_APART: dict[str, type[PartnerStepEvent]] = {"reopen": PartnerStepReopened}


@dataclass(frozen=True, slots=True)
class _Change:
    """An unsaved change of a locked step, with the row that records it and what is saved with it."""

    step: EnrollmentStep
    row: StepTransition
    values: dict[str, Any]
    was_late: bool
    tells: type[PartnerStepEvent] | None


@dataclass(slots=True)
class StepJournal:
    """Collects at most one change for each of many locked steps inside one transaction, then writes them once in few
    statements, whether the steps belong to one enrollment or to many (docs/decisions/0099).
    """

    now: dt.datetime
    _changes: list[_Change] = field(default_factory=list)
    _notes: dict[int, tuple[EnrollmentStep, dict[str, Any]]] = field(default_factory=dict)

    def change(self, step: EnrollmentStep, transition: str, *, actor: Actor, reason: str = "", **values: Any) -> None:
        """Run the FSM method of this name, to be saved with `values`, recorded, and published. Raises
        TransitionNotAllowed, naming both states, if there is no edge.
        """
        row = move_step(step, transition, actor=actor, reason=reason, now=self.now)
        if step.status in LEFT:
            values |= {"next_attempt_at": when_to_end(row), "attempts": 0, "last_error": ""}
        was_late = step.breached_at is not None
        for name, value in (values | {"breached_at": None}).items():
            setattr(step, name, value)
        self._changes.append(_Change(step, row, values, was_late, _TELLS_APART.get(transition)))

    def note(self, step: EnrollmentStep, **values: Any) -> None:
        """Change plain fields of a step that keeps its status."""
        for name, value in values.items():
            setattr(step, name, value)
        self._notes.setdefault(step.pk, (step, {}))[1].update(values)

    def write(self) -> None:
        """Save, record, and publish everything. A failed step has a task for staff for as long as it is failed."""
        _save_notes(self._notes.values())
        _save_changes(self._changes, self.now)
        insert_many([change.row for change in self._changes])
        publish(*[event_about(change.step, self.now, tells=change.tells) for change in self._changes])
        for change in self._changes:
            _bring_tasks_in_line(change, self.now)


def change_step(
    step: EnrollmentStep, transition: str, *, actor: Actor, reason: str = "", now: dt.datetime, **values: Any
) -> None:
    """Change one locked step and write the change. Raises TransitionNotAllowed, naming both states, without an edge."""
    journal = StepJournal(now)
    journal.change(step, transition, actor=actor, reason=reason, **values)
    journal.write()


def find_unmoved(steps: Sequence[EnrollmentStep], status: str) -> EnrollmentStepQuerySet:
    """Return those of these steps that are still in the status in which they were read: the guard behind the lock."""
    return EnrollmentStep.objects.filter(pk__among=[step.pk for step in steps], status=status)


def _save_changes(changes: Sequence[_Change], now: dt.datetime) -> None:
    """Save steps, with one UPDATE for all that change alike."""
    groups: dict[str, list[_Change]] = defaultdict(list)
    for change in changes:
        groups[repr((change.row.from_status, change.row.to_status, change.values))].append(change)
    for alike in groups.values():
        row = alike[0].row
        saved = find_unmoved([change.step for change in alike], row.from_status).update(
            **{"status": row.to_status, "change_count": F("change_count") + 1, "changed_at": now, "breached_at": None},
            **alike[0].values,
        )
        if saved != len(alike):
            raise Contradiction("A step is changed only behind the lock of its enrollment.")
    for change in changes:
        change.step._update_initial_state()  # the start of its next change


def _save_notes(notes: Iterable[tuple[EnrollmentStep, dict[str, Any]]]) -> None:
    groups: dict[str, list[tuple[EnrollmentStep, dict[str, Any]]]] = defaultdict(list)
    for step, values in notes:
        groups[repr((step.status, values))].append((step, values))
    for alike in groups.values():
        first = alike[0]
        find_unmoved([step for step, _ in alike], first[0].status).update(**first[1])


def _bring_tasks_in_line(change: _Change, now: dt.datetime) -> None:
    """Close the tasks about the step's previous status, and raise one if it has failed."""
    step = change.step
    row = change.row
    if change.was_late:
        settle_breach(step, status=row.from_status, now=now)
    if row.from_status == PartnerStepStatus.FAILED:
        settle_staff_task(kind=STEP_FAILED, subject=subject_of(step), resolution=f"It is {step.status} now.", now=now)
    if step.status == PartnerStepStatus.FAILED:
        _raise_task(step, row.reason)


def follow_order(step: EnrollmentStep, *, before: int, now: dt.datetime) -> None:
    """Renew the staff task of a failed step whose position was `before`."""
    if step.status == PartnerStepStatus.FAILED and step.sequence_order != before:
        place = f"It is step {step.sequence_order} now."
        settle_staff_task(kind=STEP_FAILED, subject=_subject(step, before), resolution=place, now=now)
        _raise_task(step, f"It was step {before}. {step.last_error}")


def when_to_end(row: StepTransition) -> dt.datetime | None:
    """Return when to tell the partner to let go of a learner who has just left: now, or once the answer of a partner
    that may be processing our request has arrived. None if it was never asked.
    """
    match row.from_status:
        case PartnerStepStatus.PENDING:
            return None
        case PartnerStepStatus.QUEUED:
            return row.created_at + UNDER_WAY
    return row.created_at


def subject_of(step: EnrollmentStep) -> str:
    """Return the subject of a staff task: the enrollment's page, and which of its steps."""
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
    """Run the FSM method of this name; return the row that records it, for a caller that saves both."""
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
    """Return when staff last took its completion back; completions the partner reported earlier no longer count."""
    if step.placed_at is None:
        return None
    reopened = step.transitions.filter(from_status=PartnerStepStatus.COMPLETED, to_status=PartnerStepStatus.IN_PROGRESS)
    return reopened.order_by("-number").values_list("created_at", flat=True).first()


def event_about(
    step: EnrollmentStep, now: dt.datetime, *, tells: type[PartnerStepEvent] | None = None
) -> PartnerStepEvent:
    """Return the event for its current status, or the one it `tells`."""
    return (tells or _TELLS[step.status])(
        workspace_id=step.enrollment.workspace_id,
        occurred_at=now,
        step_cuid=step.cuid,
        enrollment_cuid=step.enrollment.cuid,
        partner=step.provider.slug,
        sequence_order=step.sequence_order,
    )
