"""How a code is read, and how to create one that nobody can guess."""

import re
import secrets

from ..models import CODE_PATTERN

# Without characters that look alike: 0 and O, 1, I and L, 5 and S, 2 and Z, 8 and B, U and V.
LETTERS = "ACDEFGHJKMNPQRTVWXY34679"
# 12 out of 24 characters: 2 ** 55 codes.
LENGTH = 12
GROUP = 4
# The longest prefix with which a code still fits its column.
LENGTH_WITH_PREFIX = 16


def canonical_code(typed: str) -> str:
    """Return the code as it is stored: capitals, without spaces; empty for text that can't be a code."""
    code = "".join(typed.split()).upper()
    return code if re.fullmatch(CODE_PATTERN, code) else ""


def new_code(prefix: str = "") -> str:
    """Return a randomly drawn code like SPRING-ACDE-F3HJ-KM7P."""
    drawn = "".join(secrets.choice(LETTERS) for _ in range(LENGTH))
    groups = [drawn[start : start + GROUP] for start in range(0, LENGTH, GROUP)]
    return "-".join([*([prefix] if prefix else []), *groups])
