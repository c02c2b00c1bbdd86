"""A change of seats that is carried out, or only tried: done in a transaction that is rolled back, so that what is told
of it can't differ from what it would do."""

from collections.abc import Callable
from typing import TypeVar

from django.db import transaction

Done = TypeVar("Done")


def carry_out(change: Callable[[], Done], *, dry_run: bool) -> Done:
    """Make the change and return what it returns; keep nothing of it if it is only tried. It must call no vendor."""
    with transaction.atomic():
        done = change()
        if dry_run:
            transaction.set_rollback(True)
    return done
