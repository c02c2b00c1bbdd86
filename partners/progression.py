"""How an approved enrollment moves from partner to partner automatically: the document's five operations.

`generate_enrollment_steps`, `get_current_step`, `advance_to_next_step`, `mark_step_complete`, and
`is_enrollment_complete` keep the document's names. Every change of a step (by a partner's webhook, staff, a sweep) ends
with `Advance.settle`, so what follows from a change is decided in one place.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog
from django.db import IntegrityError, transaction

from core.actors import SYSTEM, Actor
from core.database_errors import violates
from core.logs import after_commit
from core.rows import insert_rows
from core.text import fit
from enrollments.lifecycle import finish_participations
from enrollments.locks import lock_enrollment
from enrollments.states import ParticipationStatus
from events.publishing import publish

from .errors import ExternalIdTaken, StepHasAnotherId
from .groups import are_satisfied, find_needless, find_startable
from .history import StepJournal, change_step, event_about, move_step
from .locks import lock_step, lock_steps
from .models import EnrollmentStep
from .queries import get_active_sequence, list_items
from .states import OPEN, PartnerStepStatus

log = structlog.get_logger(__name__)

ALL_DONE = "All partner steps are done"
ENOUGH_DONE = "Enough other steps of the group are done"


@transaction.atomic
def generate_enrollment_steps(*, enrollment_id: int, actor: Actor, now: dt.datetime) -> list[EnrollmentStep]:
    """Give an active enrollment a step for each item of its program's active sequence, and queue those that come first.

    A repeated call changes nothing: an enrollment keeps the version it began with. Without a sequence, or for an
    enrollment that is not active, there are no steps.
    """
    enrollment = lock_enrollment(enrollment_id)
    if present := list(EnrollmentStep.objects.of(enrollment_id)):
        return present
    if enrollment.participation_status != ParticipationStatus.ACTIVE:
        return []
    sequence = get_active_sequence(program_id=enrollment.instance.program_id)
    steps = [
        EnrollmentStep(
            enrollment=enrollment,
            item=item,
            provider=item.provider,
            sequence_order=order,
            changed_at=now,
            created_at=now,
        )
        for order, item in enumerate(list_items(sequence) if sequence else [], start=1)
    ]
    first = find_startable(steps)
    rows = [move_step(step, "queue", actor=actor, now=now) for step in first]
    for step in first:
        step.next_attempt_at = now
    insert_rows(steps)
    for step, row in zip(first, rows, strict=True):
        row.step = step  # it has a key by now
    insert_rows(rows)
    publish(*[event_about(step, now) for step in first])
    if steps:
        after_commit(log.info, "partner_steps_generated", enrollment=enrollment.cuid, steps=len(steps))
    return steps


def get_current_step(*, enrollment_id: int) -> EnrollmentStep | None:
    """Return the first step that has begun and is not over; None before the first, after the last, and without any."""
    return EnrollmentStep.objects.of(enrollment_id).active().first()


@transaction.atomic
def advance_to_next_step(*, enrollment_id: int, actor: Actor, now: dt.datetime) -> EnrollmentStep | None:
    """Queue the steps whose turn has come, or finish the participation if none is left to do; returns the current step.

    A repeated call changes nothing.
    """
    steps = lock_steps(enrollment_id)
    settle(steps, actor=actor, now=now)
    return get_current_step(enrollment_id=enrollment_id)


@transaction.atomic
def mark_step_complete(
    *,
    step_id: int,
    external_enrollment_id: str | None = None,
    evidence: str = "",
    reason: str = "",
    actor: Actor,
    now: dt.datetime,
) -> EnrollmentStep:
    """Record that the learner has finished a step, and advance. A completed step stays as it is, so a repeated
    notification advances nothing.

    Raises StepNotFound, TransitionNotAllowed (its turn has not come, or it was skipped or withdrawn), StepHasAnotherId,
    and ExternalIdTaken.
    """
    step, steps = lock_step(step_id)
    if external_enrollment_id is not None:
        keep_external_id(step, external_enrollment_id)
    if step.status != PartnerStepStatus.COMPLETED:
        advance = Advance(now)
        advance.complete(step, steps, evidence=evidence, reason=reason, actor=actor)
        advance.write()
    return step


@dataclass(slots=True)
class Advance:
    """The progress of enrollments whose steps are locked, decided in memory and written together: a single enrollment,
    or as many as partners report on at once. Part of the caller's transaction.
    """

    now: dt.datetime
    journal: StepJournal = field(init=False)
    _over: dict[Actor, list[int]] = field(default_factory=lambda: defaultdict(list))  # enrollments, by who ends them

    def __post_init__(self) -> None:
        self.journal = StepJournal(self.now)

    def complete(
        self,
        step: EnrollmentStep,
        steps: Sequence[EnrollmentStep],
        *,
        evidence: str = "",
        reason: str = "",
        actor: Actor,
    ) -> None:
        """Complete one of the `steps` of an enrollment. Raises TransitionNotAllowed."""
        self.journal.change(
            step,
            "complete",
            actor=actor,
            reason=reason,
            progress=100,
            completed_at=self.now,
            evidence=fit(EnrollmentStep, "evidence", evidence),
        )
        self.settle(steps, actor=actor)

    def settle(self, steps: Sequence[EnrollmentStep], *, actor: Actor) -> None:
        """Decide what follows for an enrollment from the current state of its steps: the next ones are queued, those
        that are no longer needed are withdrawn, and the participation ends with the last.
        """
        for step in find_needless(steps):
            self.journal.change(step, "withdraw", actor=SYSTEM, reason=ENOUGH_DONE)
        for step in find_startable(steps):
            self.journal.change(step, "queue", actor=SYSTEM, next_attempt_at=self.now)
        if are_satisfied(steps):
            self._over[actor].append(steps[0].enrollment_id)

    @property
    def ends(self) -> int:
        """Return how many participations end: each costs as much as all steps of many enrollments."""
        return sum(len(enrollment_ids) for enrollment_ids in self._over.values())

    def write(self) -> None:
        """Save, record, and publish it."""
        self.journal.write()
        for actor, enrollment_ids in self._over.items():
            finish_participations(enrollment_ids=enrollment_ids, actor=actor, reason=ALL_DONE, now=self.now)


def is_enrollment_complete(*, enrollment_id: int) -> bool:
    """Return whether every required step is completed, or skipped by staff, and there is at least one."""
    return are_satisfied(list(EnrollmentStep.objects.of(enrollment_id)))


@transaction.atomic
def withdraw_open_steps(*, enrollment_id: int, reason: str, now: dt.datetime) -> int:
    """End everything the enrollment still had to do at partners; returns how many steps that were."""
    steps = [step for step in lock_steps(enrollment_id) if step.status in OPEN]
    for step in steps:
        change_step(step, "withdraw", actor=SYSTEM, reason=reason, now=now)
    return len(steps)


def settle(steps: Sequence[EnrollmentStep], *, actor: Actor, now: dt.datetime) -> None:
    """Decide what follows for one enrollment from the current state of its locked steps, and write it at once."""
    advance = Advance(now)
    advance.settle(steps, actor=actor)
    advance.write()


def keep_external_id(step: EnrollmentStep, external_id: str) -> None:
    """Store the partner's id for the step; a step can't have two ids, nor can two steps share one."""
    if step.external_enrollment_id not in (None, external_id):
        raise StepHasAnotherId(f"The partner knows this step as {step.external_enrollment_id}.")
    if step.external_enrollment_id is None:
        step.external_enrollment_id = external_id
        try:
            with transaction.atomic():
                step.save(update_fields=["external_enrollment_id"])
        except IntegrityError as error:
            if not violates(error, "partner_step_external_id_unique"):
                raise
            raise ExternalIdTaken(f"{step.provider} has the id {external_id} for another step.") from error
