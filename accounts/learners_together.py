"""Recognizes or creates the learners of a batch, as `learners.find_or_create_learner` does for one without an id."""

from collections.abc import Sequence
from operator import attrgetter

from core.rows import insert_with_keys

from .learners import complete_learner, lock_live_learners
from .models import Learner
from .twins import notice_possible_twins_among


def find_or_create_learners(*, workspace_id: int, asked: Sequence[Learner]) -> list[Learner]:
    """Return the workspace's learner for each of `asked`, which are unsaved, are different persons, and have their
    identity set. Call it inside a transaction. Known learners stay locked until its end, and adopt what was unknown of
    them.

    Raises LearnerMerged if one is being merged, and IntegrityError if somebody else creates one of the new ones
    concurrently: the batch has to be repeated.
    """
    known = _find_known(workspace_id, [learner.person for learner in asked])
    new = [learner for learner in asked if learner.person not in known]
    insert_with_keys(sorted(new, key=attrgetter("person")))  # of two batches, one waits for the other
    notice_possible_twins_among(workspace_id=workspace_id, learners=new)
    return [complete_learner(known[one.person], one) if one.person in known else one for one in asked]


def lock_learners(*, workspace_id: int, cuids: Sequence[str]) -> dict[str, Learner]:
    """Return the live learners by the requested CUIDs, following merges, and lock them. Raises LearnerMerged or
    NotFound if one is being merged or erased at the moment: the batch has to be repeated."""
    found = Learner.objects.filter(workspace=workspace_id, cuid__among=cuids, erased_at=None)
    return _locked({cuid: merged or pk for cuid, pk, merged in found.values_list("cuid", "pk", "merged_into")})


def _find_known(workspace_id: int, persons: Sequence[str]) -> dict[str, Learner]:
    """Find them by email and names, the oldest if there are several."""
    found = Learner.objects.filter(workspace=workspace_id, person__among=persons).order_by("-pk")
    return _locked({person: merged or pk for person, pk, merged in found.values_list("person", "pk", "merged_into")})


def _locked(targets: dict[str, int]) -> dict[str, Learner]:
    learners = lock_live_learners(set(targets.values()))
    return {name: learners[pk] for name, pk in targets.items()}
