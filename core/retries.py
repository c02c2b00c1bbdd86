"""What is retried until it succeeds: emails, events, refunds, Stripe's messages.

The work is a row with three columns: `attempts` so far, `next_attempt_at`, and `last_error`. Taking a row up moves its
`next_attempt_at` ahead by a lease, in one conditional UPDATE: no two workers do the same work, and a worker that dies
leaves its row due again when the lease is over. A failed try postpones the row, longer each time, with jitter, so that
rows that failed together do not come back together.
"""

import datetime as dt
import random
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db import models, transaction

from .text import fit

Row = TypeVar("Row", bound=models.Model)


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and how soon something is retried. The pauses double from the first to the longest."""

    first_pause_seconds: float
    longest_pause_seconds: float
    lease: dt.timedelta
    attempts: int  # after this many failures a row is given up, or staff are told: the caller decides which

    def next_attempt_at(self, *, attempts: int, now: dt.datetime, retry_after: float = 0.0) -> dt.datetime:
        """Return when to retry after `attempts` failures, but not before a vendor's `retry_after` seconds."""
        pause = jittered(self.first_pause_seconds, attempts, cap_seconds=self.longest_pause_seconds, random=random)
        return now + dt.timedelta(seconds=max(pause, retry_after))

    def is_used_up(self, attempts: int) -> bool:
        return attempts >= self.attempts


def due(rows: models.QuerySet[Row], *, now: dt.datetime) -> models.QuerySet[Row]:
    """Return the rows whose time has come, the longest overdue first."""
    return rows.filter(next_attempt_at__lte=now).order_by("next_attempt_at", "pk")


def claim(rows: models.QuerySet[Row], *, now: dt.datetime, lease: dt.timedelta) -> bool:
    """Take up the one row that `rows` select, if it is due; return False if it is not, or if another worker has it.

    Raises ValueError for rows that are selected by a join. Django would look them up in a subquery, and a worker that
    has waited for another worker's claim would not see it: PostgreSQL rechecks the row, not the subquery.
    """
    free = rows.filter(next_attempt_at__lte=now)
    if free.query.count_active_tables() > 1:
        raise ValueError("Select what is claimed by its own columns, without a join.")
    return free.update(next_attempt_at=now + lease) == 1


@transaction.atomic
def claim_batch(rows: models.QuerySet[Row], *, now: dt.datetime, lease: dt.timedelta, limit: int) -> list[Row]:
    """Take up all due `rows`, up to `limit`, skipping those that another worker is taking up at the moment."""
    free = due(rows, now=now).select_for_update(skip_locked=True, of=("self",))
    claimed = list(free[:limit])
    rows.model._default_manager.filter(pk__in=[row.pk for row in claimed]).update(next_attempt_at=now + lease)
    return claimed


def record_failure(
    rows: models.QuerySet[Row],
    *,
    retry: Retry,
    attempts: int,
    error: str,
    now: dt.datetime,
    retry_after: float = 0.0,
    **changes: Any,
) -> bool:
    """Postpone the one row that `rows` select after failure number `attempts`; `changes` are set along with it. Return
    False if there is no such row any more: somebody else has dealt with it, or erased it, and nobody waits for it.
    """
    recorded = rows.update(
        attempts=attempts,
        next_attempt_at=retry.next_attempt_at(attempts=attempts, now=now, retry_after=retry_after),
        last_error=fit(rows.model, "last_error", error),
        **changes,
    )
    return recorded == 1


def jittered(base_seconds: float, attempt: int, *, cap_seconds: float, random: Any) -> float:
    """Return an exponential backoff with jitter: half to all of the seconds to wait before try `attempt` (from 1)."""
    longest = min(cap_seconds, base_seconds * 2.0 ** min(attempt - 1, 60))
    return float(random.uniform(0.5, 1.0)) * longest
