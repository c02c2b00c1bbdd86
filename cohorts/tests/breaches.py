"""The breaches of the invariants of cohorts, for tests that end in a valid state."""

from cohorts import invariants
from core.clock import utc_now
from core.invariants import Extent


def breaches() -> set[str]:
    """Return the invariants of cohorts that are violated."""
    extent = Extent(now=utc_now(), workspace_id=None)
    return {rule.__name__ for rule in invariants.INVARIANTS if list(rule(extent))}
