"""What the invariants of partners find wrong, for tests that end with a sound world."""

import datetime as dt

from core.clock import utc_now
from core.invariants import Extent
from partners import invariants


def breaches(*, now: dt.datetime | None = None) -> set[str]:
    """The invariants of partners that don't hold."""
    extent = Extent(now=now or utc_now())
    return {rule.__name__ for rule in invariants.INVARIANTS if list(rule(extent))}
