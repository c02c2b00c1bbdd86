"""What the apps above register for enrollments that are bought from them, so that a family reads here how its payment
stands and where to go on."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from billing.models import Checkout


@dataclass(frozen=True, slots=True)
class Sale:
    """The latest checkout for an enrollment, with its payments and their refunds. A POST to `leave_url` with the CUID
    of the `learner` calls it off while it is open; `again_url` is where to buy once more, empty if nowhere."""

    checkout: Checkout
    leave_url: str
    again_url: str


Seller = Callable[[Collection[int]], dict[int, Sale]]
_sellers: list[Seller] = []


def register_seller(find: Seller) -> None:
    """Called once per selling app from its `ready()`. `find(enrollment_ids)` returns the sales there are, by id."""
    _sellers.append(find)


def find_sales(enrollment_ids: Collection[int]) -> dict[int, Sale]:
    """The sale of each of these enrollments that was bought, by id; a constant number of queries."""
    return {pk: sale for find in _sellers for pk, sale in find(enrollment_ids).items()}
