"""Carrying out a change of seats, or only trying it: a trial runs in a transaction that is rolled back, so its result
can't differ from that of the real change.
"""

from collections.abc import Callable
from typing import TypeVar

from django.db import transaction

Done = TypeVar("Done")


def carry_out(change: Callable[[], Done], *, dry_run: bool) -> Done:
    """Make the change and return its result; roll it back if it is only tried. The change must not call a vendor."""
    with transaction.atomic():
        done = change()
        if dry_run:
            transaction.set_rollback(True)
    return done
