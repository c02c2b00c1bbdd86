"""What a discount takes off a price, in minor units.

A percentage is rounded half up to the smallest amount that cards can process. A discount never exceeds the price. If
less than Stripe's smallest charge would be left, the rest is taken off too, and nothing is charged.
"""

from decimal import ROUND_HALF_UP, Decimal

from core.currencies import currency_of
from core.money import Money

WHOLE = Decimal(1)


def share_of(price: Money, percent: Decimal) -> int:
    """Return what a percentage takes off."""
    step = currency_of(price.currency).step
    steps = (price.minor * percent / (100 * step)).quantize(WHOLE, rounding=ROUND_HALF_UP)
    return fit(price, int(steps) * step)


def amount_of(price: Money, amount: Money) -> int:
    """Return what a fixed amount takes off: nothing in another currency."""
    return fit(price, amount.minor) if amount.currency == price.currency else 0


def fit(price: Money, off_minor: int) -> int:
    """Return as much of it as the price allows, or the whole price if too little would be left to charge."""
    left = price.minor - off_minor
    return price.minor if left < currency_of(price.currency).least else off_minor
