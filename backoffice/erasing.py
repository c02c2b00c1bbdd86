"""The buttons that erase a learner, or tell the family why not, on behalf of the app above: this app does not know what
data there is about people.

The app `privacy` registers itself when it is ready, like other apps register their task kinds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from accounts.models import Learner
from core.actors import Actor

from .previews import Preview


@dataclass(frozen=True, slots=True)
class Eraser:
    """`choices` are the reasons that may be stored. `preview` says what would be erased, and raises what prevents it;
    `erase` returns a sentence about what was done.

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
    """Return the registered eraser. Raises LookupError if the app above is not installed."""
    if not _registered:
        raise LookupError("no app has registered how a learner is erased")
    return _registered[0]
