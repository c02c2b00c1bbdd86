"""How much comes back under a refund policy, to the smallest unit."""

import datetime as dt

import pytest

from billing.refund_policy import NOTHING_BACK, RefundTier, divide, tier_on
from core.money import Money

START = dt.date(2026, 9, 15)
FREE = RefundTier(days_before_start=14)
HALF = RefundTier(days_before_start=0, kept_percent=50)
LATE = RefundTier(days_before_start=-7, kept_percent=80, kept_fee_minor=500)
TIERS = [FREE, HALF, LATE]


class TestTheTierOfADay:
    @pytest.mark.parametrize(
        ("day", "tier"),
        [
            (dt.date(2026, 1, 1), FREE),
            (dt.date(2026, 9, 1), FREE),
            (dt.date(2026, 9, 2), HALF),
            (dt.date(2026, 9, 15), HALF),
            (dt.date(2026, 9, 16), LATE),
            (dt.date(2026, 9, 22), LATE),
            (dt.date(2026, 9, 23), NOTHING_BACK),
        ],
    )
    def test_is_the_first_whose_last_day_is_not_over(self, day: dt.date, tier: RefundTier) -> None:
        assert tier_on(tiers=TIERS, starts_on=START, day=day) == tier

    def test_is_known_by_dates_without_a_start(self) -> None:
        tiers = [RefundTier(until_date=START), RefundTier(until_date=dt.date(2026, 10, 1), kept_percent=10)]

        assert tier_on(tiers=tiers, starts_on=None, day=dt.date(2026, 9, 16)) == tiers[1]
        assert tier_on(tiers=tiers, starts_on=None, day=dt.date(2026, 10, 2)) == NOTHING_BACK

    def test_is_unknown_while_the_start_is(self) -> None:
        assert tier_on(tiers=TIERS, starts_on=None, day=START) is None


class TestWhatIsKept:
    @pytest.mark.parametrize(
        ("price", "percent", "fee", "kept"),
        [
            (Money(10_000, "usd"), 0, 0, 0),
            (Money(10_000, "usd"), 20, 500, 2_500),
            (Money(9_999, "usd"), 50, 0, 5_000),  # 4,999.5 rounds up
            (Money(9_901, "usd"), 33, 0, 3_267),  # 3,267.33 rounds down
            (Money(333, "jpy"), 50, 0, 167),
            (Money(10_010, "kwd"), 50, 0, 5_010),  # cards leave the last of three decimals out
            (Money(10_000, "usd"), 90, 5_000, 10_000),  # never more than the price
        ],
    )
    def test_is_rounded_half_up(self, price: Money, percent: int, fee: int, kept: int) -> None:
        tier = RefundTier(days_before_start=0, kept_percent=percent, kept_fee_minor=fee)

        assert tier.keeps(price) == Money(kept, price.currency)


class TestDividing:
    def returned(self, tier: RefundTier, *, promised: int = 0, refundable: int = 10_000) -> int:
        share = divide(paid=Money(10_000, "usd"), tier=tier, promised_minor=promised, refundable_minor=refundable)
        return share.returned.minor

    def test_gives_back_what_is_not_kept(self) -> None:
        assert [self.returned(tier) for tier in (*TIERS, NOTHING_BACK)] == [10_000, 5_000, 1_500, 0]

    def test_counts_what_went_back_before(self) -> None:
        assert self.returned(HALF, promised=2_000, refundable=8_000) == 3_000
        assert self.returned(HALF, promised=6_000, refundable=4_000) == 0

    def test_never_gives_more_than_is_here(self) -> None:
        assert self.returned(FREE, refundable=7_000) == 7_000

    @pytest.mark.parametrize("percent", range(0, 101, 7))
    def test_loses_and_makes_no_cent(self, percent: int) -> None:
        tier = RefundTier(days_before_start=0, kept_percent=percent, kept_fee_minor=13)
        paid = Money(9_973, "usd")

        share = divide(paid=paid, tier=tier, promised_minor=0, refundable_minor=paid.minor)

        assert share.kept.minor + share.returned.minor == paid.minor
