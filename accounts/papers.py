"""Documents that show a learner's name, registered by the apps above that issue them: how many there are, and how to
reissue them after a name change. This app knows nothing of the apps above."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from core.actors import Actor


@dataclass(frozen=True, slots=True)
class Papers:
    """`count(learner_id)` returns how many are valid; `reissue(learner_id, reason, actor, now)` reissues each of them
    in the caller's transaction, which holds the learner's lock, and returns how many."""

    count: Callable[[int], int]
    reissue: Callable[[int, str, Actor, dt.datetime], int]


_registered: list[Papers] = []


def register_papers(papers: Papers) -> None:
    """Register the papers of an app, once, from its `ready()`."""
    _registered.append(papers)


def count_papers(learner_id: int) -> int:
    """Return how many valid documents show this learner's name."""
    return sum(papers.count(learner_id) for papers in _registered)


def reissue_papers(*, learner_id: int, reason: str, actor: Actor, now: dt.datetime) -> int:
    """Reissue all of them with the current name."""
    return sum(papers.reissue(learner_id, reason, actor, now) for papers in _registered)
