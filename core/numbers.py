"""Whole numbers as people and programs write them in URLs, queries, headers, forms, and commands: one rule for all of
them, one limit for each kind of column, and one sentence for what is refused."""

import re

# What PostgreSQL's columns hold. SQLite accepts more, and such rows could not move to PostgreSQL.
MAX_SMALLINT = 2**15 - 1
MAX_INT = 2**31 - 1
MAX_BIGINT = 2**63 - 1
WHOLE_NUMBER = r"(?:0|[1-9][0-9]{0,18})"
_WHOLE_NUMBER = re.compile(WHOLE_NUMBER)


def parse_whole_number(text: str, *, lowest: int = 0, highest: int = MAX_BIGINT) -> int | None:
    """Return the number that the text spells in ASCII digits, without sign, spaces, decimal point, exponent, or leading
    zeros; None if it spells none, or one outside the two bounds."""
    if not _WHOLE_NUMBER.fullmatch(text):
        return None
    number = int(text)
    return number if lowest <= number <= highest else None


def whole_number_wanted(*, lowest: int = 0, highest: int = MAX_BIGINT) -> str:
    """Return the message for input that `parse_whole_number` does not accept."""
    return f"Give a whole number from {lowest} to {highest}: only digits, without a leading zero."


class WholeNumberConverter:
    """`<number:name>` in URL patterns: each row has one URL, so 7 leads to it and 007 does not."""

    regex = WHOLE_NUMBER

    def to_python(self, value: str) -> int:
        number = parse_whole_number(value)
        if number is None:
            raise ValueError("no column holds such a number")
        return number

    def to_url(self, value: int | str) -> str:
        return str(value)


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return the number with its noun, such as "1 seat" and "1,200 seats", for staff; families read translations."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"
