"""Texts that must fit somewhere: in a column, a vendor's field, a subject line."""

from collections.abc import Callable

import regex
from django.db import models

ELLIPSIS = "…"
_CHARACTERS = regex.compile(r"\X")  # characters as readers see them: a letter with its accents, a family emoji


def shorten(text: str, limit: int, *, measure: Callable[[str], int] = len) -> str:
    """Return `text`, cut after a word and ended by an ellipsis if it is longer than `limit`.

    `measure` counts as the destination does: by default in code points, like PostgreSQL and Stripe. A character as the
    reader sees it is kept whole or left out. A single word that is too long is cut inside.
    """
    if measure(text) <= limit:
        return text
    if limit < measure(ELLIPSIS):
        return ""
    kept = ""
    for character in _CHARACTERS.findall(text):
        if measure(kept + character + ELLIPSIS) > limit:
            break
        kept += character
    return _after_a_word(kept, text).rstrip() + ELLIPSIS


def shorten_together(*parts: str, separator: str, limit: int) -> str:
    """Return the parts in one text of at most `limit` characters, each shortened to its share only if they don't fit.

    What a short part leaves of its share goes to the others, so the last part is shown as well as the first.
    """
    left = limit - len(separator) * (len(parts) - 1)
    shares: dict[int, int] = {}
    for position in sorted(range(len(parts)), key=lambda position: len(parts[position])):
        shares[position] = min(len(parts[position]), left // (len(parts) - len(shares)))
        left -= shares[position]
    return separator.join(shorten(part, shares[position]) for position, part in enumerate(parts))


def limit_of(model: type[models.Model], field_name: str) -> int:
    """Return how many characters the column holds."""
    limit = model._meta.get_field(field_name).max_length  # type: ignore[union-attr]
    if limit is None:
        raise TypeError(f"{field_name} is not a column with a limit.")
    return int(limit)


def fit(model: type[models.Model], field_name: str, text: str) -> str:
    """Return `text`, shortened to what the column holds."""
    return shorten(text, limit_of(model, field_name))


def _after_a_word(kept: str, text: str) -> str:
    """Return `kept` up to its last whole word, unless that would drop more than half of it."""
    if text[len(kept) : len(kept) + 1].isspace():
        return kept
    words = kept.rstrip().rpartition(" ")[0]
    return words if len(words) * 2 >= len(kept) else kept
