import datetime as dt

import pytest
from django.db import transaction
from rest_framework.exceptions import ValidationError as RestFault

from core.errors import invalid_field
from core.http.fields import CurrencyField
from core.ids import CuidConverter, is_cuid, new_cuid
from core.money import Money
from core.network import NetworkInsideTransaction, forbid_open_transaction
from core.retries import Retry, jittered


class TestACuid:
    def test_is_new_each_time_and_recognized(self):
        ids = {new_cuid() for _ in range(1_000)}

        assert len(ids) == 1_000
        assert all(is_cuid(each) and len(each) == 24 for each in ids)

    @pytest.mark.parametrize("text", ["cllgn0u4r000008l7eazybfbo", "a" * 20, "z" * 32])
    def test_may_come_from_elsewhere(self, text):
        assert is_cuid(text)

    @pytest.mark.parametrize(
        "text", ["", "123", "a" * 19, "a" * 33, "Cllgn0u4r000008l7eazybfbo", "a" * 24 + "\n", "4" * 24]
    )
    def test_is_not_just_any_text(self, text):
        assert not is_cuid(text)

    def test_passes_through_an_address_unchanged(self):
        converter = CuidConverter()

        assert converter.to_url(converter.to_python("cllgn0u4r000008l7eazybfbo")) == "cllgn0u4r000008l7eazybfbo"


class TestMoney:
    @pytest.mark.parametrize(
        ("money", "text"),
        [
            (Money(4900, "usd"), "49.00 USD"),
            (Money(5, "usd"), "0.05 USD"),
            (Money(123456789, "eur"), "1,234,567.89 EUR"),
            (Money(4900, "jpy"), "4,900 JPY"),
            (Money(4900, "kwd"), "4.900 KWD"),
            (Money(50_000, "ugx"), "50,000 UGX"),
            (Money(50, "isk"), "50 ISK"),
            (Money(17_500, "huf"), "175.00 HUF"),
            (Money(-4900, "usd"), "-49.00 USD"),
        ],
    )
    def test_reads_as_its_currency_is_written(self, money, text):
        assert str(money) == text


class TestARefusedField:
    def test_is_named_in_the_sentence_and_in_the_list(self):
        refusal = invalid_field("total_seats", "min_value", "Must not be negative.")

        assert refusal.detail == "total_seats: Must not be negative."
        assert [(e.field, e.code) for e in refusal.errors] == [("total_seats", "min_value")]


@pytest.mark.django_db(transaction=True)
class TestTheNetwork:
    def test_is_forbidden_inside_a_transaction(self):
        with transaction.atomic(), pytest.raises(NetworkInsideTransaction):
            forbid_open_transaction()

    def test_is_allowed_outside(self):
        assert forbid_open_transaction() is None


@pytest.mark.django_db
class TestTheNetworkInATestsOwnTransaction:
    def test_is_allowed(self):
        assert forbid_open_transaction() is None

    def test_is_forbidden_inside_a_block_of_ours(self):
        with transaction.atomic(), pytest.raises(NetworkInsideTransaction):
            forbid_open_transaction()


class Dice:
    """Rolls either the lowest or the highest value."""

    def __init__(self, pick):
        self.uniform = pick


class TestBackoff:
    @pytest.mark.parametrize(("attempt", "longest"), [(1, 2), (2, 4), (5, 32), (12, 300)])
    def test_doubles_up_to_its_cap_with_half_of_it_left_to_chance(self, attempt, longest):
        high = jittered(2, attempt, cap_seconds=300, random=Dice(max))
        low = jittered(2, attempt, cap_seconds=300, random=Dice(min))

        assert (low, high) == (longest / 2, longest)


NOW = dt.datetime(2027, 1, 5, 12, tzinfo=dt.UTC)


class TestTryingAgain:
    RETRY = Retry(first_pause_seconds=10, longest_pause_seconds=60, lease=dt.timedelta(minutes=1), attempts=3)

    @pytest.mark.parametrize(("attempts", "soonest", "latest"), [(1, 5, 10), (2, 10, 20), (9, 30, 60)])
    def test_waits_longer_each_time_up_to_the_longest_pause(self, attempts: int, soonest: int, latest: int) -> None:
        waits = [(self.RETRY.next_attempt_at(attempts=attempts, now=NOW) - NOW).total_seconds() for _ in range(50)]

        assert soonest <= min(waits) <= max(waits) <= latest

    def test_waits_as_long_as_a_vendor_asks(self) -> None:
        at = self.RETRY.next_attempt_at(attempts=1, now=NOW, retry_after=600)

        assert at == NOW + dt.timedelta(seconds=600)

    def test_is_used_up_after_the_last_attempt(self) -> None:
        assert [self.RETRY.is_used_up(attempts) for attempts in (2, 3, 4)] == [False, True, True]


class TestACurrency:
    @pytest.mark.parametrize("given", ["us", "usdx", " us", "u$d", "ＵＳＤ", "USİ"])
    def test_is_three_letters(self, given: str) -> None:
        with pytest.raises(RestFault, match="three letters of a currency"):
            CurrencyField().run_validation(given)

    def test_is_taken_as_it_is_spelled(self) -> None:
        assert CurrencyField().run_validation(" USD ") == "USD"
