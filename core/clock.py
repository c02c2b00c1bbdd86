"""The only place that reads the time, so that a test or a backfill can say what time it is."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.utils import timezone

_said: ContextVar[dt.datetime | None] = ContextVar("said_time", default=None)


def utc_now() -> dt.datetime:
    """Return the present moment, timezone-aware, in UTC."""
    return _said.get() or timezone.now()


def utc_text(moment: dt.datetime) -> str:
    """Return a moment as programs exchange it: ISO 8601 in UTC, `2026-09-01T12:00:00Z`."""
    return moment.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


@contextmanager
def time_is(moment: dt.datetime) -> Iterator[None]:
    """Make `moment` the current time within this block of this thread, for rows written as if they dated from then."""
    token = _said.set(moment)
    try:
        yield
    finally:
        _said.reset(token)
