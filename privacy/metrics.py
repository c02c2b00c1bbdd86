"""Metrics about data that is kept for a limited time."""

import datetime as dt
from collections.abc import Iterator

from django.db.models import Min
from django.db.models.functions import Coalesce

from core.metrics import Figure, Kind, Reading, sum_by

from .models import Forgotten, Retention


def _since_last_sweep(now: dt.datetime) -> Iterator[Reading]:
    """Return the time of the workspace that has waited longest."""
    seen = Retention.objects.in_force(now=now).aggregate(seen=Min(Coalesce("swept_at", "changed_at")))["seen"]
    if seen is not None:
        yield (), (now - seen).total_seconds()


FIGURES = (
    Figure(
        "forgotten_total",
        "Rows removed under a workspace's retention settings, by kind.",
        ("kind",),
        lambda now: sum_by(Forgotten.objects.all(), "rows", "kind"),
        Kind.COUNTER,
    ),
    Figure(
        "retention_swept_seconds_ago",
        "How long ago the sweep looked at the workspace that has waited longest.",
        (),
        _since_last_sweep,
    ),
)
