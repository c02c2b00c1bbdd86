"""The tax in what was charged: forty invoices and their corrections, recomputed with fractions."""

import math
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.invoicing import InvoiceLine
from billing.invoicing.lines import change_of, line_of, tax_within

# Charged, rate, and what goes back one after the other.
CASES = [
    (4900, "23", []),
    (4900, "23", [900]),
    (4900, "23", [900, 4000]),
    (1, "23", []),
    (2, "23", [1]),
    (3, "23", [1, 1, 1]),
    (99, "8", [33, 33, 33]),
    (100, "5", [1] * 7),
    (123, "23", []),
    (12300, "23", [1, 2, 3, 4, 5]),
    (10_000, "0", [5_000]),
    (10_000, "0.01", []),
    (99_999_999, "27", [1, 99_999_998]),
    (49_990, "7.7", [10_000, 10_000]),
    (49_990, "8.25", [49_990]),
    (500, "10", [499]),
    (500, "20", [1, 498]),
    (501, "20", [250, 250]),
    (4999, "19", [2500]),
    (1999, "16", []),
    (105, "5", [52, 53]),
    (1050, "5", [525, 525]),
    (107, "7", []),
    (214, "7", [107]),
    (21, "5", [10]),
    (115, "15", [1, 1, 1]),
    (3, "100", [1]),
    (7, "100", [3, 3]),
    (1_000_000, "2.5", [333_333, 333_333]),
    (5_000, "25", [2_499]),
    (10_250, "2.5", []),
    (60, "33.33", [20]),
    (45, "50", [15, 15]),
    (1_230, "12.5", [615]),
    (900, "21", [450, 225, 112]),
    (33, "10", [11, 11]),
    (11, "10", [1]),
    (12, "9.09", []),
    (9_876, "6", [1_234, 5_678]),
    (4_900, None, [900]),
]


def half_up(value: Fraction) -> int:
    return math.floor(value + Fraction(1, 2))


def tax_of(amount: int, rate: str | None) -> int:
    """The same rule, said again without the code under test: exact fractions."""
    percent = Fraction(rate or "0")
    return half_up(Fraction(amount) * percent / (100 + percent))


class TestTheTax:
    @pytest.mark.parametrize(("charged", "rate", "returned"), CASES)
    def test_of_all_documents_is_that_of_what_is_left(
        self, charged: int, rate: str | None, returned: list[int]
    ) -> None:
        documents = [line_of("Algebra I", charged, None if rate is None else Decimal(rate))]
        left = charged
        for amount in returned:
            left -= amount
            documents.append(change_of("Refund: Algebra I", documents, left))

            assert sum(line.amount_minor for line in documents) == left
            assert sum(line.tax_minor for line in documents) == tax_of(left, rate)
            assert documents[-1].amount_minor == -amount

        assert (documents[0].tax_minor, documents[0].net_minor) == (
            tax_of(charged, rate),
            charged - tax_of(charged, rate),
        )

    def test_there_are_forty_of_them(self) -> None:
        assert len(CASES) == 40

    @given(
        amount=st.integers(1, 99_999_999),
        rate=st.decimals("0", "100", places=2),
    )
    def test_is_never_more_than_half_a_unit_off(self, amount: int, rate: Decimal) -> None:
        exact = Fraction(amount) * Fraction(rate) / (100 + Fraction(rate))

        assert abs(tax_within(amount, rate) - exact) <= Fraction(1, 2)

    def test_of_half_a_unit_is_rounded_up(self) -> None:
        """3 at 100 % are one and a half of tax."""
        assert tax_within(3, Decimal(100)) == 2

    def test_is_none_where_no_rate_is_known(self) -> None:
        assert tax_within(4900, None) == 0


class TestALine:
    def test_is_read_as_it_was_stored(self) -> None:
        line = line_of("Algebra I", 4900, Decimal("23.00"))

        assert InvoiceLine.read(line.stored()) == line

    def test_of_before_has_no_tax(self) -> None:
        line = InvoiceLine.read({"description": "Algebra I", "amount_minor": 4900})

        assert (line.tax_rate, line.tax_minor, line.net_minor, line.quantity) == (None, 0, 4900, 1)

    def test_with_a_discount_is_printed_as_the_list_price_and_what_is_taken_off(self) -> None:
        line = line_of("Algebra I", 3675, Decimal(23), discount="Voucher SPRING", discount_minor=1225)

        full, off = line.parts
        assert (full.description, full.amount_minor, full.tax_minor) == ("Algebra I", 4900, tax_of(4900, "23"))
        assert (off.description, off.amount_minor) == ("Voucher SPRING", -1225)
        assert (off.tax_rate, full.tax_minor + off.tax_minor) == (Decimal(23), line.tax_minor)
        assert line.explain("usd") == "List price 49.00 USD, Voucher SPRING -12.25 USD"

    def test_without_one_is_printed_as_it_is(self) -> None:
        line = line_of("Algebra I", 4900, None)

        assert (line.parts, line.list_minor, line.explain("usd")) == ([line], 4900, "")
