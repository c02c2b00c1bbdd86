"""The sandbox's current time. It can be moved ahead, so that nobody waits for an expiry."""

import time

from sandbox.knobs.models import Setting

OFFSET = "clock_offset_seconds"


def now() -> int:
    """Return seconds since 1970, ahead of the real time by as much as the clock was advanced."""
    return int(time.time()) + offset_seconds()


def offset_seconds() -> int:
    return Setting.objects.filter(name=OFFSET).values_list("value", flat=True).first() or 0


def advance(*, seconds: int) -> int:
    """Move the clock ahead and return the new time."""
    Setting.objects.update_or_create(name=OFFSET, defaults={"value": offset_seconds() + seconds})
    return now()
