"""The back office of money. Importing the modules registers their pages."""

from . import (
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
