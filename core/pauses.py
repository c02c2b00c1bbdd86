"""Pauses that grow with each try: they slow down guessing without a lock that a stranger could put on somebody else.

A subject's tries are a row of `SharedCounter`, deleted a day after the last of them; their number determines how long
the next one has to wait. A try is counted before it is made, so that many at once can't all be the first.
"""

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass

from django.db import transaction
from django.db.models import F

from .models import SharedCounter

FORGOTTEN_AFTER = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Growth:
    """The first `free` tries need not wait; each later one waits twice as long as the last, up to `longest` seconds."""

    free: int
    longest: int

    def seconds_after(self, tries: int) -> int:
        return min(self.longest, 2 ** min(tries - self.free, 30)) if tries >= self.free else 0


@transaction.atomic
def count_try(subjects: Mapping[str, Growth], *, now: dt.datetime) -> int:
    """Count a try for all subjects, or for none while one must wait; return the seconds until the next is allowed."""
    keys = sorted(subjects)
    SharedCounter.objects.bulk_create(
        [SharedCounter(key=key, value=0, ends_at=now + FORGOTTEN_AFTER) for key in keys], ignore_conflicts=True
    )
    rows = list(SharedCounter.objects.select_for_update().filter(pk__in=keys).order_by("pk"))
    for row in rows:
        if row.ends_at <= now:
            row.value = 0
    wait = max(_seconds_left(row, subjects[row.key], now) for row in rows)
    if wait == 0:
        for row in rows:
            row.value += 1
            row.ends_at = now + FORGOTTEN_AFTER
            row.save(update_fields=["value", "ends_at"])
    return wait


def seconds_to_wait(subjects: Mapping[str, Growth], *, now: dt.datetime) -> int:
    """Return how long the next try has to wait, without counting one."""
    rows = SharedCounter.objects.filter(pk__in=subjects, ends_at__gt=now)
    return max((_seconds_left(row, subjects[row.key], now) for row in rows), default=0)


def forgive(subject: str) -> None:
    """Forget all tries of a subject that has proven its identity."""
    SharedCounter.objects.filter(pk=subject).delete()


def take_back(subject: str) -> None:
    """Undo the count of one try that turned out to be right; others' wrong tries stay counted."""
    SharedCounter.objects.filter(pk=subject, value__gt=0).update(value=F("value") - 1)


def _seconds_left(row: SharedCounter, growth: Growth, now: dt.datetime) -> int:
    """Return 0 while tries are free, even if another was counted with a later `now`: both come at the same moment."""
    pause = growth.seconds_after(row.value)
    last = row.ends_at - FORGOTTEN_AFTER
    ends = last + dt.timedelta(seconds=pause)
    return max(0, math.ceil((ends - now).total_seconds())) if pause else 0
