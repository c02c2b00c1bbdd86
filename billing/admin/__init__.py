"""The back office of money. Importing the modules registers their pages."""

from . import (
    books,
    cards,
    checkouts,
    disputes,
    invoices,
    mismatches,
    payments,
    payouts,
    prices,
    refunds,
    sellers,
    story,
    stripe,
    vouchers,
)

__all__ = [
    "books",
    "cards",
    "checkouts",
    "disputes",
    "invoices",
    "mismatches",
    "payments",
    "payouts",
    "prices",
    "refunds",
    "sellers",
    "story",
    "stripe",
    "vouchers",
]
