"""How much of a payment comes back under a refund policy, to the smallest unit. Pure: billing knows money, and the app
above says when the purchase starts and when somebody leaves.

A policy is a list of tiers in the order of their last days. Each applies from the day after the previous one, so there
are neither gaps nor overlaps; after the last one nothing comes back.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from core.currencies import currency_of
from core.money import Money


@dataclass(frozen=True, slots=True)
class RefundTier:
    """A family that leaves by this tier's last day leaves `kept_percent` of the price and `kept_fee_minor` with us.
    That day is `days_before_start` days before the start (a negative number counts the days after it), or `until_date`.
    """

    days_before_start: int | None = None
    until_date: dt.date | None = None
    kept_percent: int = 0
    kept_fee_minor: int = 0

    def last_day(self, starts_on: dt.date | None) -> dt.date | None:
        """Return the last day on which it applies; None if that depends on an unknown start."""
        if self.until_date is not None:
            return self.until_date
        if starts_on is None or self.days_before_start is None:
            return None
        return starts_on - dt.timedelta(days=self.days_before_start)

    def keeps(self, price: Money) -> Money:
        """Return how much of this price stays with us: the percentage and the fee, rounded half up to what cards can
        process, and never more than the price."""
        step = currency_of(price.currency).step
        hundredths = price.minor * self.kept_percent + 100 * self.kept_fee_minor
        rounded = (2 * hundredths + 100 * step) // (200 * step) * step
        return Money(min(rounded, price.minor), price.currency)


# Applies after a policy's last tier.
NOTHING_BACK = RefundTier(kept_percent=100)


@dataclass(frozen=True, slots=True)
class Share:
    """How a payment is divided: what stays with us by the rule, and what comes back now."""

    kept: Money
    returned: Money


def tier_on(*, tiers: Sequence[RefundTier], starts_on: dt.date | None, day: dt.date) -> RefundTier | None:
    """Return the tier for a family that leaves on `day`, NOTHING_BACK after the last one; None if the tiers count from
    an unknown start."""
    for tier in tiers:
        last_day = tier.last_day(starts_on)
        if last_day is None:
            return None
        if day <= last_day:
            return tier
    return NOTHING_BACK


def divide(*, paid: Money, tier: RefundTier, promised_minor: int, refundable_minor: int) -> Share:
    """Divide a payment by a tier. Money that has gone back or is on its way (`promised_minor`) counts toward what comes
    back, and never more than `refundable_minor` comes back."""
    kept = tier.keeps(paid)
    step = currency_of(paid.currency).step
    owed = max(0, min(paid.minor - kept.minor - promised_minor, refundable_minor))
    return Share(kept=kept, returned=Money(owed - owed % step, paid.currency))
