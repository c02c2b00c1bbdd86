"""Recognize the learners that a batch is about, or make them, as `learners.find_or_create_learner` does for one who
comes without an id."""

from collections.abc import Sequence

from core.rows import insert_with_keys, lock_rows

from .learners import LearnerMerged, complete_learner
from .models import Learner
from .twins import notice_possible_twins_among


def find_or_create_learners(*, workspace_id: int, asked: Sequence[Learner]) -> list[Learner]:
    """The workspace's learner for each of `asked`, who come unsaved, are different persons and know their identity.
    Call it inside a transaction. Known learners are locked until its end, and take what was unknown of them.

    Raises LearnerMerged if one is merged just now, and IntegrityError if somebody else makes one of the new ones just
    now: the batch has to be done again.
    """
    known = _find_known(workspace_id, [learner.person for learner in asked])
    new = [learner for learner in asked if learner.person not in known]
    insert_with_keys(new)
    notice_possible_twins_among(workspace_id=workspace_id, learners=new)
    return [complete_learner(known[one.person], one) if one.person in known else one for one in asked]


def lock_learners(*, workspace_id: int, cuids: Sequence[str]) -> dict[str, Learner]:
    """The live learners with these CUIDs, or those that they were merged into, by the CUID asked for; locked. Raises
    LearnerMerged."""
    found = Learner.objects.filter(workspace=workspace_id, cuid__among=cuids)
    return _locked({cuid: merged or pk for cuid, pk, merged in found.values_list("cuid", "pk", "merged_into")})


def _find_known(workspace_id: int, persons: Sequence[str]) -> dict[str, Learner]:
    """By email and names, the oldest where there are several."""
    found = Learner.objects.filter(workspace=workspace_id, person__among=persons).order_by("-pk")
    return _locked({person: merged or pk for person, pk, merged in found.values_list("person", "pk", "merged_into")})


def _locked(targets: dict[str, int]) -> dict[str, Learner]:
    lock_rows(Learner, *targets.values())
    learners = Learner.objects.live().in_bulk(list(set(targets.values())))
    if len(learners) < len(set(targets.values())):
        raise LearnerMerged
    return {name: learners[pk] for name, pk in targets.items()}
