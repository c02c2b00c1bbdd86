"""Moving active learners to the newest version of their program's sequence: one, or all of them.

`plan_move` plans what happens to a learner's steps as a function of rows that were read, so a preview says exactly what
the move then does. For what carries over, and why, see docs/decisions/0075.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Sequence
from copy import copy
from dataclasses import dataclass

import structlog
from django.db import transaction
from django.db.models import F, QuerySet

from core.actors import Actor
from core.errors import invalid_field
from core.logs import after_commit
from enrollments.models import Enrollment
from enrollments.states import ParticipationStatus
from events.publishing import publish

from .errors import LearnerNotUnderWay, SequenceChanged
from .events import PartnerSequenceChanged
from .groups import are_satisfied
from .history import change_step, follow_order
from .locks import lock_steps
from .models import EnrollmentStep, PartnerSequence, SequenceItem
from .progression import settle
from .queries import get_active_sequence, list_current_items, list_items
from .states import OPEN, PartnerStepStatus

log = structlog.get_logger(__name__)

# An offset clear of the positions that the steps get.
_ASIDE = 10_000

NO_PARTNERS = "The program has no partners any more, so there is no version to move to."


@dataclass(frozen=True, slots=True)
class Move:
    """What moving means for one learner."""

    kept: list[tuple[EnrollmentStep, SequenceItem]]  # steps that continue in their new position
    added: list[SequenceItem]  # what the learner has not been asked to do yet
    dropped: list[EnrollmentStep]  # what is no longer required, done or not
    steps: list[EnrollmentStep]  # the steps of the new version, in order, as they would be

    @property
    def completes(self) -> bool:
        """Return whether nothing is left to do: the program is completed at once, and the certificate issued."""
        return are_satisfied(self.steps)


def plan_move(steps: Sequence[EnrollmentStep], items: Sequence[SequenceItem]) -> Move:
    """Return what happens to a learner's steps in a version with these items. Reads and writes no rows.

    A step carries over to the item with the same partner and course; a reassigned step also to the item that it
    replaced. A withdrawn step does not, because the partner is no longer asked for it.
    """
    going = [step for step in steps if step.status != PartnerStepStatus.WITHDRAWN]
    by_course = {(step.provider_id, step.course): step for step in going}
    stood_for = {(step.item.provider_id, step.item.course_id): step for step in going}
    kept: list[tuple[EnrollmentStep, SequenceItem]] = []
    added: list[SequenceItem] = []
    placed: list[EnrollmentStep] = []
    taken: set[int] = set()
    wanted = {(item.provider_id, item.course_id) for item in items}
    for order, item in enumerate(items, start=1):
        course = (item.provider_id, item.course_id)
        step = by_course.get(course) or stood_for.get(course)
        if step is not None and (step.provider_id, step.course) != course and (step.provider_id, step.course) in wanted:
            step = None  # it carries over to its own course's item
        if step is None or step.pk in taken:
            added.append(item)
            placed.append(EnrollmentStep(item=item, provider=item.provider, sequence_order=order))
        else:
            taken.add(step.pk)
            kept.append((step, item))
            placed.append(_standing_at(step, item, order))
    return Move(kept, added, [step for step in steps if step.pk not in taken], placed)


def check_version(sequence: PartnerSequence | None, version: int) -> PartnerSequence:
    """Return the program's current sequence, if it is this version; raises SequenceChanged if it is another one, or if
    there is none."""
    if sequence is None:
        raise SequenceChanged(NO_PARTNERS)
    if sequence.version != version:
        raise SequenceChanged(f"Version {version} is not the present one of this program: look at it again.")
    return sequence


def foresee_move(*, enrollment_id: int, sequence: PartnerSequence) -> Move:
    """Return what `move_learner` would do now."""
    return plan_move(list(EnrollmentStep.objects.of(enrollment_id)), list_items(sequence))


def foresee_moves(enrollment_ids: Collection[int]) -> dict[int, Move]:
    """Return what `move_learner` would do now for each of these, by enrollment, in as many queries as for one. Those
    whose program has no sequence any more are left out.
    """
    keys = Enrollment.objects.filter(pk__in=enrollment_ids).order_by("pk")
    programs = dict(keys.values_list("pk", "instance__program"))
    items: dict[int, list[SequenceItem]] = defaultdict(list)
    for item in list_current_items(set(programs.values())):
        items[item.group.sequence.program_id].append(item)
    ways: dict[int, list[EnrollmentStep]] = defaultdict(list)
    for step in EnrollmentStep.objects.filter(enrollment__in=programs).on_the_way():
        ways[step.enrollment_id].append(step)
    return {key: plan_move(ways[key], items[program]) for key, program in programs.items() if program in items}


def list_learners_to_move(sequence: PartnerSequence) -> QuerySet[Enrollment]:
    """Return the program's active learners in another version than this one, in the order in which they came."""
    behind = EnrollmentStep.objects.current().filter(sequence_order=1).exclude(item__group__sequence=sequence)
    active = Enrollment.objects.filter(
        participation_status=ParticipationStatus.ACTIVE,
        instance__program=sequence.program_id,
        pk__in=behind.filter(item__group__sequence__program=sequence.program_id).values("enrollment"),
    )
    return active.order_by("pk")


@transaction.atomic
def move_learner(*, enrollment_id: int, version: int, reason: str, actor: Actor, now: dt.datetime) -> Move | None:
    """Move an active learner to this version of their program's sequence, if it is the current one; returns None for a
    learner who is already in it.

    Steps that carry over keep their partner, progress, and history. Other open steps are withdrawn, and their partners
    told. New ones are requested in their turn. Raises SequenceChanged if there is another version by now,
    LearnerNotUnderWay, and Invalid without a reason.
    """
    why = reason.strip()
    if not why:
        raise invalid_field("reason", "required", "Say why the learner is moved.")
    steps = lock_steps(enrollment_id)
    if not steps or steps[0].enrollment.participation_status != ParticipationStatus.ACTIVE:
        raise LearnerNotUnderWay("Only a learner who takes part and has partner steps can be moved.")
    enrollment = steps[0].enrollment
    sequence = check_version(get_active_sequence(program_id=enrollment.instance.program_id), version)
    before = steps[0].item.group.sequence_id
    if before == sequence.pk:
        return None
    move = plan_move(steps, list_items(sequence))
    for step in move.dropped:
        if step.status in OPEN:
            change_step(step, "withdraw", actor=actor, reason=why, now=now)
    dropped = EnrollmentStep.objects.filter(pk__in=[step.pk for step in move.dropped])
    dropped.update(retired_at=now)
    kept = EnrollmentStep.objects.filter(pk__in=[step.pk for step, _ in move.kept])
    kept.update(sequence_order=F("sequence_order") + _ASIDE)
    orders = {step.pk: step.sequence_order for step in steps}
    for step in move.steps:
        step.enrollment = enrollment
        step.placed_at = now
        if step.pk is None:
            step.changed_at = now
            step.created_at = now
            step.save()
        else:
            step.save(update_fields=["item", "course_id", "sequence_order", "placed_at"])
            follow_order(step, before=orders[step.pk], now=now)
    publish(
        PartnerSequenceChanged(
            workspace_id=enrollment.workspace_id,
            occurred_at=now,
            enrollment_cuid=enrollment.cuid,
            version=version,
            kept=len(move.kept),
            added=len(move.added),
            dropped=len(move.dropped),
        )
    )
    settle(move.steps, actor=actor, now=now)
    after_commit(log.info, "learner_moved", enrollment=enrollment.cuid, version=version, kept=len(move.kept))
    return move


def move_next_learners(
    *, program_id: int, version: int, reason: str, limit: int, actor: Actor, now: dt.datetime
) -> int:
    """Move the next learners of a program, each in their own transaction; returns how many there were. A learner who
    has left or finished in the meantime stays. Raises SequenceChanged and Invalid like `move_learner`.
    """
    sequence = check_version(get_active_sequence(program_id=program_id), version)
    keys = list(list_learners_to_move(sequence).values_list("pk", flat=True)[:limit])
    for key in keys:
        try:
            move_learner(enrollment_id=key, version=version, reason=reason, actor=actor, now=now)
        except LearnerNotUnderWay:
            log.info("learner_not_moved", enrollment=key)
    return len(keys)


def _standing_at(step: EnrollmentStep, item: SequenceItem, order: int) -> EnrollmentStep:
    """Return the step in its new position, to be looked at or saved."""
    course = step.course
    moved = copy(step)
    moved.item = item
    moved.course_id = "" if course == item.course_id else course
    moved.sequence_order = order
    return moved
