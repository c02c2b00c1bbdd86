"""Rehearse an action: do it for real, look at it, and undo it, so that what is shown is exactly what will happen."""

from collections.abc import Callable
from typing import TypeVar

from django.db import transaction

Made = TypeVar("Made")
Seen = TypeVar("Seen")


def rehearse(make: Callable[[], Made], *, look: Callable[[Made], Seen]) -> Seen:
    """Return what `look` sees of what `make` did, and undo all of it: rows, events, mails. Refusals pass through.

    `look` must return plain values: rows read later are gone by then.
    """
    with transaction.atomic():
        seen = look(make())
        transaction.set_rollback(True)
    return seen
