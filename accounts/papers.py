"""Documents that say a learner's name, for the apps above that give them: whether there are any, and how they are given
anew once the name has changed. This app knows nothing of the apps above."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from core.actors import Actor


@dataclass(frozen=True, slots=True)
class Papers:
    """`count(learner_id)` says how many are valid; `reissue(learner_id, reason, actor, now)` gives each of them anew,
    in the caller's transaction, which holds the learner's lock, and returns how many."""

    count: Callable[[int], int]
    reissue: Callable[[int, str, Actor, dt.datetime], int]


_registered: list[Papers] = []


def register_papers(papers: Papers) -> None:
    """Called once per app that gives papers, from its `ready()`."""
    _registered.append(papers)


def count_papers(learner_id: int) -> int:
    """How many valid documents say this learner's name."""
    return sum(papers.count(learner_id) for papers in _registered)


def reissue_papers(*, learner_id: int, reason: str, actor: Actor, now: dt.datetime) -> int:
    """Give all of them anew with the present name."""
    return sum(papers.reissue(learner_id, reason, actor, now) for papers in _registered)
