"""What docs/doctor.md says about each invariant, for the page on which staff act on it."""

import re
from dataclasses import dataclass
from functools import cache

from django.conf import settings

PAGE = settings.BASE_DIR / "docs" / "doctor.md"
_RULE = re.compile(r"^### `(?P<name>[a-z_.]+)`\n(?P<text>.*?)(?=^##|\Z)", re.M | re.S)
_POINT = re.compile(r"^- \*\*(?P<title>[^*]+)\*\*: (?P<text>.*?)(?=^- |\Z)", re.M | re.S)
_MARKS = re.compile(r"\[([^\]]+)\]\([^)]+\)|[*`]+")


@dataclass(frozen=True, slots=True)
class Remedy:
    """What must hold, who is affected while it does not, and what to press or to run. Plain text."""

    rule: str
    wronged: str
    action: str


# For a finding that is older than the invariant's current name.
NO_LONGER_A_RULE = Remedy("This rule is no longer checked.", "Nobody, according to the current rules.", "Nothing.")


def remedy_of(invariant: str) -> Remedy:
    """Return the remedy. A test checks that the page has every invariant that is examined."""
    return _remedies().get(invariant, NO_LONGER_A_RULE)


@cache
def _remedies() -> dict[str, Remedy]:
    rules = {rule["name"]: rule["text"] for rule in _RULE.finditer(PAGE.read_text())}
    return {name: _read(text) for name, text in rules.items()}


def _read(text: str) -> Remedy:
    points = {point["title"]: _sentence(_plain(point["text"])) for point in _POINT.finditer(text)}
    return Remedy(_plain(text.partition("\n- **")[0]), points["Who is affected"], points["What to do"])


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _plain(text: str) -> str:
    return " ".join(_MARKS.sub(lambda mark: mark[1] or "", text).split())
