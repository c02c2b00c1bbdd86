"""The shapes of refused rows, and some moments to build them with."""

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

NOW = dt.datetime(2026, 3, 2, 17, tzinfo=dt.UTC)
LATER = NOW + dt.timedelta(hours=1)
MONDAY, TUESDAY = dt.date(2026, 3, 2), dt.date(2026, 3, 3)
FIVE, SIX = dt.time(17), dt.time(18)


@dataclass(frozen=True, slots=True)
class Broken:
    """A row that is refused with `bad`, and accepted with `good` in its place."""

    model: str
    bad: dict[str, Any]
    good: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Twice:
    """Two rows that have `same` in common and nothing else that is unique. If the rule has a condition, the second row
    is accepted once it has `apart`, which the condition excludes.
    """

    model: str
    same: dict[str, Any]
    apart: dict[str, Any] = field(default_factory=dict)
