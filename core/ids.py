"""Public identifiers: CUIDs, which reveal nothing and never collide, so they may appear in URLs and events."""

import base64
import os
import re

CUID_LENGTH = 24
# Ids imported from the five described systems are CUIDs of the first version (25 characters): both versions are
# accepted.
CUID_PATTERN = r"[a-z][a-z0-9]{19,31}"

_cuid = re.compile(CUID_PATTERN)


def new_cuid() -> str:
    """Return a new CUID of 24 characters: the letter c and 115 random bits.

    We generate it ourselves because an enrollment needs eleven, and the cuid2 package takes twenty times as long over
    each: it hashes to strengthen weak randomness, and the operating system's is not weak.
    """
    return "c" + base64.b32encode(os.urandom(15)).decode("ascii").lower()[: CUID_LENGTH - 1]


def is_cuid(value: str) -> bool:
    """Return whether the text has the shape of a CUID; says nothing about its existence."""
    return _cuid.fullmatch(value) is not None


class CuidConverter:
    """`<cuid:name>` in URL patterns; it never matches a bare integer, so both kinds of id can share a path."""

    regex = CUID_PATTERN

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value
