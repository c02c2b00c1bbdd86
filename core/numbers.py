"""Whole numbers as people and programs write them in addresses, queries, headers, forms and commands: one rule for all
of them, one limit for each kind of column, one sentence for what is refused."""

import re

# What PostgreSQL's columns hold. SQLite would take more, and then fail to move to PostgreSQL.
MAX_SMALLINT = 2**15 - 1
MAX_INT = 2**31 - 1
MAX_BIGINT = 2**63 - 1
WHOLE_NUMBER = r"(?:0|[1-9][0-9]{0,18})"
_WHOLE_NUMBER = re.compile(WHOLE_NUMBER)


def parse_whole_number(text: str, *, lowest: int = 0, highest: int = MAX_BIGINT) -> int | None:
    """The number that the text spells in ASCII digits, without sign, spaces, point, exponent or leading zeros; None
    where it spells none, or one that is not between the two."""
    if not _WHOLE_NUMBER.fullmatch(text):
        return None
    number = int(text)
    return number if lowest <= number <= highest else None


def whole_number_wanted(*, lowest: int = 0, highest: int = MAX_BIGINT) -> str:
    """What to tell whoever gave anything that `parse_whole_number` does not take."""
    return f"Give a whole number from {lowest} to {highest}: only digits, without a leading zero."


class WholeNumberConverter:
    """`<number:name>` in URL patterns: each row has one address, so 7 leads to it and 007 does not."""

    regex = WHOLE_NUMBER

    def to_python(self, value: str) -> int:
        number = parse_whole_number(value)
        if number is None:
            raise ValueError("no column holds such a number")
        return number

    def to_url(self, value: int | str) -> str:
        return str(value)
