"""Trying something out: it is done for real, looked at, and undone, so what is shown can't differ from what will be."""

from collections.abc import Callable
from typing import TypeVar

from django.db import transaction

Made = TypeVar("Made")
Seen = TypeVar("Seen")


def rehearse(make: Callable[[], Made], *, look: Callable[[Made], Seen]) -> Seen:
    """What `look` sees of what `make` made. Nothing of it stays: no row, no event, no mail; refusals pass through.

    `look` must return plain values: rows that are read later are gone by then.
    """
    with transaction.atomic():
        seen = look(make())
        transaction.set_rollback(True)
    return seen
