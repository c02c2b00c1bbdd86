"""The one place that reads the time, so that a test or a backfill can say what time it is."""

import datetime as dt

from django.utils import timezone


def utc_now() -> dt.datetime:
    """The present moment, timezone-aware, UTC."""
    return timezone.now()
