"""Vouchers and the sibling discount: what they take off a price, who may use them, and what becomes of each use."""

from .granting import Granted, Sale, find_discount
from .guessing import refuse_guessing
from .ledger import (
    discount_of,
    find_minor_again,
    move_discount,
    release_discount,
    reserve_discount,
    use_discount,
    use_up,
    was_discounted_by,
)

__all__ = [
    "Granted",
    "Sale",
    "discount_of",
    "find_discount",
    "find_minor_again",
    "move_discount",
    "refuse_guessing",
    "release_discount",
    "reserve_discount",
    "use_discount",
    "use_up",
    "was_discounted_by",
]
