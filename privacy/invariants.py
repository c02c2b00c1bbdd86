"""The invariants of data that is kept for a limited time."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator

from core.invariants import Breach, Extent, Invariant

from .models import DELAY, Retention
from .overdue import find_overdue
from .states import RetentionKind

# The sweep runs four times an hour; a row that is still there this long after its time is missed by it.
SWEEP_TAKES_WITHIN = dt.timedelta(days=2)
# After a settings change, years of data may be due at once, and each run removes part of it.
CATCHING_UP = DELAY + dt.timedelta(days=7)


def nothing_is_kept_past_its_time(extent: Extent) -> Iterator[Breach]:
    """Data that a workspace keeps for a number of days is gone two days after them."""
    settled = extent.of(Retention.objects.in_force(now=extent.now - CATCHING_UP))
    workspaces: dict[tuple[RetentionKind, int], list[int]] = defaultdict(list)
    for retention in settled.order_by("pk"):
        for kind, days in retention.days.items():
            workspaces[kind, days].append(retention.workspace_id)
    for (kind, days), found in workspaces.items():
        before = extent.now - dt.timedelta(days=days) - SWEEP_TAKES_WITHIN
        rows = find_overdue(kind, workspaces=found, before=before)
        for pk in rows.order_by("pk").values_list("pk", flat=True).iterator():
            yield Breach(
                f"{rows.model._meta.verbose_name} {pk}",
                f"should have been removed after {days} days, and is still there",
            )


INVARIANTS: tuple[Invariant, ...] = (nothing_is_kept_past_its_time,)
