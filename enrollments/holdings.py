"""What the apps above hold for an enrollment (a place, a course): its end keeps the lock order without knowing it.

The order is allocation < cohort < class session < enrollment: before an enrollment that ends is locked, each app locks
its own rows. What becomes of them is that app's reaction to EnrollmentStatusChanged.
"""

from collections.abc import Callable

_locks: list[Callable[[int], None]] = []


def register_holding(lock: Callable[[int], None]) -> None:
    """Called once per app from its `ready()`: `lock(enrollment_id)` locks, inside the caller's transaction, the rows
    that the app's reaction to the enrollment's end will touch."""
    _locks.append(lock)


def lock_holdings(enrollment_id: int) -> None:
    """Lock all that is held for an enrollment, before the enrollment itself."""
    for lock in _locks:
        lock(enrollment_id)
