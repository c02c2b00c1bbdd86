"""Merges two learners who turn out to be one person: staff choose the row that stays, and the other's data moves to it.

The other row stays as a tombstone. Its CUID, external id, address, and names lead to the learner who stays.
"""

import datetime as dt
from dataclasses import dataclass

import structlog
from django.db import transaction
from django.db.models import Q

from core.actors import Actor
from core.errors import DomainError, NotFound, Unavailable, invalid_field
from core.numbers import parse_whole_number
from core.rows import lock_rows
from core.text import fit

from .belongings import belongings
from .learners import ATTEMPTS
from .models import Learner, LearnerMerge, StaffTask
from .states import TaskStatus
from .task_kinds import TWINS
from .twins import hand_tasks_on, notice_possible_twins, subject_of

log = structlog.get_logger(__name__)

# What the learner who stays adopts from the other one where it is unknown.
_FILLED_IN = ("phone", "grade_level", "school", "address", "user_id")


class AlreadyMerged(DomainError):
    code = "already_merged"
    title = "One of the learners has already been merged"


class LearnersClash(DomainError):
    code = "learners_clash"
    title = "Both learners hold something that one person may hold only once"


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a merge would do: how many rows of each kind move, and which fields it fills in; or why it can't be done."""

    keep: Learner
    drop: Learner
    moving: dict[str, int]
    filled_in: tuple[str, ...]
    takes_external_id: bool
    clashes: tuple[str, ...]


def foresee_merge(*, keep_id: int, drop_id: int) -> Foreseen:
    """Return what `merge_learners` would do now. Raises the same errors, except LearnersClash."""
    keep, drop = _get_both(keep_id, drop_id)
    return Foreseen(
        keep=keep,
        drop=drop,
        moving={each.plural: count for each in belongings() if (count := each.count_moving(keep_id, drop_id))},
        filled_in=_filled_in(keep, drop),
        takes_external_id=bool(drop.external_id and not keep.external_id),
        clashes=tuple(_find_clashes(keep, drop)),
    )


@transaction.atomic
def merge_learners(*, keep_id: int, drop_id: int, actor: Actor, reason: str, now: dt.datetime) -> LearnerMerge:
    """Merge two learners of a workspace: everything of `drop_id` moves to `keep_id`, which keeps its names, address,
    and external id; only unknown fields are filled in.

    Raises Invalid without a reason or for a learner and themself, NotFound (for an erased one, too), AlreadyMerged, and
    LearnersClash where both have something only one may have; then nothing has changed.
    """
    if not reason.strip():
        raise invalid_field("reason", "required", "Say how you know that they are one person.")
    keep, drop = _lock_both(keep_id, drop_id)
    for belonging in belongings():
        belonging.lock(keep.pk, drop.pk)
    _wait_for_newcomers(drop)
    clashes = _find_clashes(keep, drop)
    if clashes:
        raise LearnersClash(" ".join(clashes), clashes=clashes)
    moved = {each.plural: ids for each in belongings() if (ids := each.move(keep.pk, drop.pk))}
    _join_identities(keep, drop)
    merge = LearnerMerge.objects.create(
        workspace_id=keep.workspace_id,
        kept=keep,
        dropped=drop,
        reason=fit(LearnerMerge, "reason", reason.strip()),
        moved=moved,
        actor=str(actor),
        merged_at=now,
    )
    _settle_tasks(merge, actor, now)
    log.info("learners_merged", kept=keep.pk, dropped=drop.pk, actor=str(actor))
    return merge


def _lock_both(keep_id: int, drop_id: int) -> tuple[Learner, Learner]:
    """Lock both, and those who were merged into the other one before, in the order of their ids. It is the same lock as
    elsewhere, so that others may still add rows that point at them. Raises Unavailable if merges keep coming between.
    """
    earlier = Learner.objects.filter(merged_into=drop_id).order_by("pk").values_list("pk", flat=True)
    for _ in range(ATTEMPTS):
        with transaction.atomic():
            followers = list(earlier.all())
            lock_rows(Learner, keep_id, drop_id, *followers)
            both = _get_both(keep_id, drop_id)
            if list(earlier.all()) == followers:
                return both
            transaction.set_rollback(True)  # this frees the rows, to be locked again in their order
    raise Unavailable("The learner is being merged with others; repeat the request.")


def _get_both(keep_id: int, drop_id: int) -> tuple[Learner, Learner]:
    if keep_id == drop_id:
        raise invalid_field("other", "same", "Name a learner other than this one.")
    found = Learner.objects.in_bulk((keep_id, drop_id))
    if len(found) < 2 or found[keep_id].workspace_id != found[drop_id].workspace_id:
        raise NotFound("No workspace has both of these learners.")
    for _, learner in sorted(found.items()):
        if learner.merged_into_id is not None:
            raise AlreadyMerged(f"Learner {learner.pk} has already been merged into learner {learner.merged_into_id}.")
        if learner.erased_at is not None:
            raise NotFound(f"Learner {learner.pk} was erased.")
    return found[keep_id], found[drop_id]


def _wait_for_newcomers(drop: Learner) -> None:
    """Wait until any transaction that has just added a row pointing at the learner commits, so that the row is seen and
    moves too; later ones wait for us. This comes last: holding it while waiting for a cohort would deadlock with a
    transaction that has locked the cohort and offers a place to the learner."""
    Learner.objects.select_for_update().only("pk").get(pk=drop.pk)


def _find_clashes(keep: Learner, drop: Learner) -> list[str]:
    clashes = [clash for each in belongings() for clash in each.find_clashes(keep.pk, drop.pk)]
    if None not in (keep.user_id, drop.user_id) and keep.user_id != drop.user_id:
        clashes.append("Each has an account of their own: remove the one that does not belong to the learner.")
    return clashes


def _filled_in(keep: Learner, drop: Learner) -> tuple[str, ...]:
    return tuple(name for name in _FILLED_IN if getattr(drop, name) and not getattr(keep, name))


def _join_identities(keep: Learner, drop: Learner) -> None:
    """Free what only one learner may have. An external id for which the other learner has no room stays with the
    tombstone, and leads on."""
    filled_in = _filled_in(keep, drop)
    for name in filled_in:
        setattr(keep, name, getattr(drop, name))
    if drop.external_id and not keep.external_id:
        keep.external_id = drop.external_id
        drop.external_id = None
    drop.merged_into = keep
    drop.user = None
    drop.save(update_fields=["merged_into", "user", "external_id", "external_key", "identity"])
    keep.save(update_fields=[*filled_in, "external_id", "external_key", "identity"])
    Learner.objects.filter(merged_into=drop).update(merged_into=keep)


def _settle_tasks(merge: LearnerMerge, actor: Actor, now: dt.datetime) -> None:
    """Close the question about the two; other tasks about the merged learner now concern the one who stays, who may
    have more possible twins by now."""
    asked = StaffTask.objects.filter(
        kind=TWINS.name, subject=subject_of(merge.kept_id, merge.dropped_id), status=TaskStatus.OPEN
    )
    asked.update(
        status=TaskStatus.DONE,
        done_at=now,
        done_by=actor.id if actor.kind == "user" else None,
        resolution=f"Learner {merge.dropped_id} is learner {merge.kept_id}. {merge.reason}",
    )
    hand_tasks_on(keep_id=merge.kept_id, drop_id=merge.dropped_id, now=now)
    notice_possible_twins(learner=merge.kept)


def find_by_reference(*, workspace_id: int, reference: str) -> Learner:
    """Return the live learner named by a CUID, an external id, or a number, following merges. Raises Invalid."""
    text = reference.strip()
    named = Q(cuid=text) | Q(external_id=text)
    number = parse_whole_number(text)
    if number is not None:
        named |= Q(pk=number)
    kept = Learner.objects.filter(workspace=workspace_id, erased_at=None)
    found = list(kept.filter(named).select_related("merged_into")[:2])
    if len(found) > 1:
        raise invalid_field("other", "ambiguous", "This names two learners in different ways; give the CUID.")
    if not found:
        raise invalid_field("other", "not_found", "No learner of this workspace has this CUID, external id or number.")
    return found[0].merged_into or found[0]
