"""The breaches of the invariants of partners, for tests that end in a valid state."""

import datetime as dt

from core.clock import utc_now
from core.invariants import Extent
from partners import invariants


def breaches(*, now: dt.datetime | None = None) -> set[str]:
    """Return the invariants of partners that are violated."""
    extent = Extent(now=now or utc_now())
    return {rule.__name__ for rule in invariants.INVARIANTS if list(rule(extent))}
