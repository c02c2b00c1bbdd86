"""Converts between our minor units and Stripe's amounts. Nothing else converts them."""

from core.currencies import currency_of
from core.money import Money


def to_stripe(money: Money) -> int:
    """Return the amount to send to Stripe."""
    return money.minor * currency_of(money.currency).stripe_units


def from_stripe(amount: int, currency: str) -> int:
    """Return Stripe's amount in our minor units. Stripe charges whole ones only, so the division loses nothing."""
    return amount // currency_of(currency).stripe_units
