"""Public identifiers: CUIDs, which tell nothing and never collide, so they may stand in URLs and events."""

import re

from cuid2 import Cuid

CUID_LENGTH = 24
# Ids imported from the described systems are CUIDs of the first version (25 characters): both are accepted.
CUID_PATTERN = r"[a-z][a-z0-9]{19,31}"

_generator = Cuid(length=CUID_LENGTH)
_cuid = re.compile(CUID_PATTERN)


def new_cuid() -> str:
    """A fresh CUID of 24 characters."""
    return _generator.generate()


def is_cuid(value: str) -> bool:
    """Whether the text has the shape of a CUID; says nothing about its existence."""
    return _cuid.fullmatch(value) is not None


class CuidConverter:
    """`<cuid:name>` in URL patterns; never matches a bare integer, so both kinds of id can share a path."""

    regex = CUID_PATTERN

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value
