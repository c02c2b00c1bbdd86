"""The invariants of emails."""

import datetime as dt
from collections.abc import Iterator

from core.invariants import Breach, Extent, Invariant

from .models import Notification
from .states import NotificationStatus

# The sweep runs twice a minute; an email that has been due for this long is not being sent at all.
SWEEP_NOTICES_WITHIN = dt.timedelta(minutes=15)


def pending_notifications_are_pursued(extent: Extent) -> Iterator[Breach]:
    """A waiting email is tried when it is due."""
    overdue = extent.of(Notification.objects.all()).filter(
        status=NotificationStatus.PENDING, next_attempt_at__lt=extent.now - SWEEP_NOTICES_WITHIN
    )
    for pk, attempts in overdue.values_list("pk", "attempts").iterator():
        yield Breach(f"email {pk}", f"pending after {attempts} attempts, and no sweep does anything about it")


INVARIANTS: tuple[Invariant, ...] = (pending_notifications_are_pursued,)
