"""How a code is read, and how one is made that nobody guesses."""

import re
import secrets

from ..models import CODE_PATTERN

# Without those that look alike: 0 and O, 1, I and L, 5 and S, 2 and Z, 8 and B, U and V.
LETTERS = "ACDEFGHJKMNPQRTVWXY34679"
# 24 letters, 12 of them: 2 ** 55 codes.
LENGTH = 12
GROUP = 4
# A code that begins with so many characters still fits its column.
LENGTH_WITH_PREFIX = 16


def canonical_code(typed: str) -> str:
    """The code as it is stored: capitals, without blanks; empty for what can't be one."""
    code = "".join(typed.split()).upper()
    return code if re.fullmatch(CODE_PATTERN, code) else ""


def new_code(prefix: str = "") -> str:
    """A code like SPRING-ACDE-F3HJ-KM7P that was drawn at random."""
    drawn = "".join(secrets.choice(LETTERS) for _ in range(LENGTH))
    groups = [drawn[start : start + GROUP] for start in range(0, LENGTH, GROUP)]
    return "-".join([*([prefix] if prefix else []), *groups])
