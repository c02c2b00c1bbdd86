"""Whole numbers as people and programs write them in addresses, queries and headers: one rule for all of them."""

import re

MAX_BIGINT = 2**63 - 1
WHOLE_NUMBER = r"(0|[1-9][0-9]{0,18})"
_WHOLE_NUMBER = re.compile(WHOLE_NUMBER)


def parse_whole_number(text: str, *, lowest: int = 0, highest: int = MAX_BIGINT) -> int | None:
    """The number that the text spells in ASCII digits, without sign, spaces, point, exponent or leading zeros; None
    where it spells none, or one that is not between the two."""
    if not _WHOLE_NUMBER.fullmatch(text):
        return None
    number = int(text)
    return number if lowest <= number <= highest else None
