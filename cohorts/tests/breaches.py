"""What the invariants of cohorts find wrong, for tests that end with a sound world."""

from cohorts import invariants
from core.clock import utc_now
from core.invariants import Extent


def breaches() -> set[str]:
    """The invariants of cohorts that don't hold."""
    extent = Extent(now=utc_now(), workspace_id=None)
    return {rule.__name__ for rule in invariants.INVARIANTS if list(rule(extent))}
