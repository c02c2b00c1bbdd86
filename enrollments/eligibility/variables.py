"""What a criterion may read: the variables of its expression, with the bounds that limit its cost.

The bounds apply to every evaluation: a value beyond them is not read, and a criterion that needs it can't be evaluated.
They match the maximum sizes of an enrollment's fields, so nobody who uses the API or a form runs into them.
"""

from dataclasses import dataclass, field
from enum import Enum

from core.postal import PARTS


class Kind(Enum):
    """What kind of value a variable is, in words for people who write criteria."""

    TEXT = "text"
    TEXTS = "list of texts"
    RECORD = "map of texts"
    ANYTHING = "map of anything"
    RECORDS = "list of maps"


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable: the `characters` and `values` it may hold in total; `fields` if its map's keys are known."""

    name: str
    kind: Kind
    meaning: str
    characters: int
    values: int = 1
    fields: tuple[str, ...] = field(default=())


VARIABLES = {
    variable.name: variable
    for variable in (
        Variable(
            "address",
            Kind.RECORD,
            "Where they live. A part that is not known is missing.",
            characters=2_000,
            values=10,
            fields=PARTS,
        ),
        Variable("phone", Kind.TEXT, "In international format, like '+15550100'; '' if unknown.", characters=40),
        Variable("email", Kind.TEXT, "In lower case; '' if unknown.", characters=254),
        Variable("gradeLevel", Kind.TEXT, "As it was given, like '5' or 'K'; '' if unknown.", characters=100),
        Variable("school", Kind.TEXT, "As it was given; '' if unknown.", characters=300),
        Variable(
            "manufacturerSlugs", Kind.TEXTS, "Who made their devices, like 'enphase'.", characters=5_000, values=51
        ),
        Variable("serialNumber", Kind.TEXT, "Of their device; '' if unknown.", characters=300),
        Variable("tags", Kind.TEXTS, "The labels of the enrollment.", characters=2_500, values=51),
        Variable(
            "metadata",
            Kind.ANYTHING,
            "Whatever was sent with the enrollment, and the answers of a form under 'answers'.",
            characters=16_384,
            values=1_000,
        ),
        Variable("today", Kind.TEXT, "The day it is in the workspace's time zone, like '2026-09-01'.", characters=10),
        Variable(
            "programInstance",
            Kind.RECORD,
            "What they want to enroll in. Its dates are like today; one that is not set is missing.",
            characters=500,
            values=10,
            fields=("id", "programCode", "name", "startDate", "endDate"),
        ),
        Variable(
            "enrollments",
            Kind.RECORDS,
            "What else the learner is or was enrolled in, the newest first.",
            characters=8_000,
            values=301,
            fields=("programCode", "status"),
        ),
    )
}

OTHER_ENROLLMENTS = 100  # the newest; earlier ones beyond this limit are left out
DEEPEST = 8  # levels of maps and lists in a variable


def measure(value: object) -> tuple[int, int, int]:
    """Return the number of characters, values, and levels in a value. Stops counting levels past DEEPEST."""
    if isinstance(value, str):  # the most common case
        return len(value), 1, 1
    characters = 0
    values = 0
    level: list[object] = [value]
    depth = 0
    while level and depth <= DEEPEST:
        depth += 1
        below: list[object] = []
        for found in level:
            values += 1
            if isinstance(found, str):
                characters += len(found)
            elif isinstance(found, dict):
                characters += sum(len(str(key)) for key in found)
                below += found.values()
            elif isinstance(found, list):
                below += found
        level = below
    return characters, values, depth


def excess(variable: Variable, value: object) -> str:
    """Return what exceeds the variable's bounds in a value; empty if nothing does."""
    characters, values, depth = measure(value)
    if depth > DEEPEST:
        return f"{variable.name} is nested more than {DEEPEST} levels deep"
    if values > variable.values:
        return f"{variable.name} holds more than {variable.values:,} values"
    if characters > variable.characters:
        return f"{variable.name} holds more than {variable.characters:,} characters"
    return ""
