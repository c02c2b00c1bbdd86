"""The buttons that erase a learner, or tell the family why not, for the app above that knows how: this one knows
nothing of what is known of them.

The app `privacy` registers itself when it is ready, as others register their kinds of tasks.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from accounts.models import Learner
from core.actors import Actor

from .previews import Preview


@dataclass(frozen=True, slots=True)
class Eraser:
    """`choices` are the reasons that may be kept. `preview` says what would go, and raises what stands against it;
    `erase` returns what was done as a sentence.

    `is_asked` says whether the family waits for an answer, `decline` gives it, and `preview_declining` shows its mail.
    """

    choices: list[tuple[str, Any]]
    preview: Callable[[Learner], Preview]
    erase: Callable[[Learner, str, Actor], str]
    is_asked: Callable[[Learner], bool]
    preview_declining: Callable[[Learner, str], Preview]
    decline: Callable[[Learner, str, Actor], None]


_registered: list[Eraser] = []


def register_eraser(eraser: Eraser) -> None:
    _registered[:] = [eraser]


def the_eraser() -> Eraser:
    """Raises LookupError where the app above is not installed."""
    if not _registered:
        raise LookupError("no app has registered how a learner is erased")
    return _registered[0]
