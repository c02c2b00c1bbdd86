"""The apps above that sell ways into a program, without knowing them: what they hold for an enrollment and sold.

What they hold (a place, a course) is locked before an enrollment that ends: allocation < cohort < class session <
enrollment. Releasing it is up to that app's reaction to EnrollmentStatusChanged. What was bought is read here, so that
a family sees the state of its payment and where to continue.
"""

import datetime as dt
from collections.abc import Callable, Collection
from dataclasses import dataclass

from billing.models import Checkout


@dataclass(frozen=True, slots=True)
class Sale:
    """The latest checkout for an enrollment, with its payments and their refunds. A POST to `leave_url` with the CUID
    of the `learner` cancels it while it is open; `again_url` is where to buy again, empty if nowhere. Until
    `kept_until` the family keeps the place even if this checkout ends unpaid.
    """

    checkout: Checkout
    leave_url: str
    again_url: str
    kept_until: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Holding:
    """What an app above holds for an enrollment, and releases when it ends: a named place, and the number of booked
    future sessions. What was bought starts on `starts_on`.
    """

    place: str
    starts_on: dt.date
    sessions: int


Seller = Callable[[Collection[int], dt.datetime], dict[int, Sale]]
_sellers: list[Seller] = []
Locks = Callable[[Collection[int]], None]
Holdings = Callable[[Collection[int], dt.datetime], dict[int, Holding]]
Tell = Callable[[Collection[int], dt.datetime], list[str]]
_holders: list[tuple[Locks, Holdings, Tell]] = []


def register_seller(find: Seller) -> None:
    """Register a selling app, once from its `ready()`. `find(enrollment_ids, now)` returns the existing sales by id."""
    _sellers.append(find)


def find_sales(enrollment_ids: Collection[int], now: dt.datetime) -> dict[int, Sale]:
    """Return, by id, the sale of each of these enrollments that was bought; a constant number of queries."""
    return {pk: sale for find in _sellers for pk, sale in find(enrollment_ids, now).items()}


def register_holding(lock: Locks, find: Holdings, tell_end: Tell) -> None:
    """Register an app that holds things for enrollments; each calls this once from its `ready()`.
    `lock(enrollment_ids)` locks, inside the caller's transaction, the rows that the app's reaction to the end of these
    enrollments will touch; `find(enrollment_ids, now)` returns what is held for each, by id; `tell_end(enrollment_ids,
    now)` describes to staff what their end brings in that app, one sentence each, from a few queries however many end.
    """
    _holders.append((lock, find, tell_end))


def lock_holdings(*enrollment_ids: int) -> None:
    """Lock everything that is held for enrollments, before the enrollments themselves."""
    for lock, _find, _tell in _holders:
        lock(enrollment_ids)


def find_holdings(enrollment_ids: Collection[int], now: dt.datetime) -> dict[int, Holding]:
    """Return, by id, what is held for each of these enrollments that has anything."""
    return {pk: held for _lock, find, _tell in _holders for pk, held in find(enrollment_ids, now).items()}


def tell_end_of_holdings(enrollment_ids: Collection[int], now: dt.datetime) -> list[str]:
    """Say what the end of enrollments brings to those who would get what is held for them."""
    return [sentence for _lock, _find, tell in _holders for sentence in tell(enrollment_ids, now)]
