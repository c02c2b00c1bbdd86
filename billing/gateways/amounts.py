"""Between our minor units and the amounts that Stripe counts. Nothing else converts them."""

from core.currencies import currency_of
from core.money import Money


def to_stripe(money: Money) -> int:
    """What Stripe is told."""
    return money.minor * currency_of(money.currency).stripe_units


def from_stripe(amount: int, currency: str) -> int:
    """What Stripe tells, in our minor units. Stripe charges whole ones only, so nothing is lost by the division."""
    return amount // currency_of(currency).stripe_units
