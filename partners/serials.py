"""The serials of certificates, which people read from paper and type: impossible to guess and hard to misread.

Crockford's Base32 has no letter that looks like a digit; 20 letters are 100 random bits. It reads O as 0, and I and L
as 1 (https://www.crockford.com/base32.html).
"""

import re
import secrets

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 20
GROUP = 5
_MISREAD = str.maketrans("OIL", "011")
_written = re.compile(rf"[{ALPHABET}]{{{LENGTH}}}")


def new_serial() -> str:
    return _in_groups("".join(secrets.choice(ALPHABET) for _ in range(LENGTH)))


def read_serial(text: str) -> str | None:
    """Return the serial that somebody typed, however they wrote it; None if it can't be one."""
    if not text.isascii():
        return None
    letters = text.upper().replace("-", "").translate(_MISREAD)
    return _in_groups(letters) if _written.fullmatch(letters) else None


def _in_groups(letters: str) -> str:
    return "-".join(letters[start : start + GROUP] for start in range(0, LENGTH, GROUP))
