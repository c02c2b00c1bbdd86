"""URLs that a partner gives us to show to people."""

from urllib.parse import urlsplit

LONGEST = 2000


def web_address(given: object) -> str:
    """Return the URL, if a browser may be sent to it; empty for anything else."""
    if not isinstance(given, str) or len(given) > LONGEST or not given.isprintable():
        return ""
    try:
        parts = urlsplit(given)
    except ValueError:
        return ""
    return given if parts.scheme in ("http", "https") and parts.hostname else ""
