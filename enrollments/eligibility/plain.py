"""Criteria in plain words: a choice from a list becomes the expression and the reason that families read."""

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import dataclass

from core.errors import FieldError, Invalid
from core.numbers import parse_whole_number
from core.time_words import day

from .criteria import CriterionDraft

GRADES = ("PK", "K", *(str(number) for number in range(1, 13)))
OLDEST = 120
_RANGE = re.compile(r"\s*(\w+)\s*(?:to|-|–)\s*(\w+)\s*")  # people also type dashes as books print them
_REGION = re.compile(r"[A-Za-z]{2,3}")
_POSTAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9 -]{0,9}")


@dataclass(frozen=True, slots=True)
class PlainRule:
    """A rule of a kind with the value that was typed for it."""

    kind: str
    value: str = ""
    reason: str = ""  # shown to families whom the rule excludes; if empty, the kind's own wording


@dataclass(frozen=True, slots=True)
class Kind:
    """What staff choose: its label with an example, and how it becomes a name, an expression, and a reason."""

    label: str
    read: Callable[[str, dt.date | None], tuple[str, str, str]]


def as_criterion(rule: PlainRule, *, start_date: dt.date | None) -> CriterionDraft:
    """Convert the rule to a criterion. Raises Invalid naming `kind` or `value`, with what would be right."""
    kind = KINDS.get(rule.kind)
    if kind is None:
        raise _fault("kind", "Choose what has to hold.")
    name, expression, reason = kind.read(rule.value.strip(), start_date)
    return CriterionDraft(name=name, expression=expression, otherwise=rule.reason or reason)


def _fault(field: str, detail: str) -> Invalid:
    return Invalid(detail, errors=(FieldError(field, "invalid", detail),))


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _listed(values: list[str]) -> str:
    return f"[{', '.join(_quoted(value) for value in values)}]"


def _grades(value: str, start_date: dt.date | None) -> tuple[str, str, str]:
    ends = _RANGE.fullmatch(value.upper().replace("TO", "to"))
    lowest, highest = ends.groups() if ends else (value.upper(), value.upper())
    if lowest not in GRADES or highest not in GRADES or GRADES.index(lowest) > GRADES.index(highest):
        raise _fault("value", "Give grades as in “3 to 5” or “K to 2”, the lower one first.")
    grades = list(GRADES[GRADES.index(lowest) : GRADES.index(highest) + 1])
    told = f"grades {lowest} to {highest}" if len(grades) > 1 else f"grade {lowest}"
    return f"In {told}", f"gradeLevel in {_listed(grades)}", f"This program is for {told}."


def _states(value: str, start_date: dt.date | None) -> tuple[str, str, str]:
    states = [state.strip().upper() for state in value.split(",")]
    if not all(_REGION.fullmatch(state) for state in states):
        raise _fault("value", "Give the letters of states, with commas between them: NY, NJ.")
    told = ", ".join(states)
    return f"Lives in {told}", f"address.state in {_listed(states)}", f"This program is for families in {told}."


def _postal_codes(value: str, start_date: dt.date | None) -> tuple[str, str, str]:
    codes = [code.strip() for code in value.split(",")]
    if not all(_POSTAL.fullmatch(code) for code in codes):
        raise _fault("value", "Give what the postal codes begin with, with commas between them: 100, 112.")
    told = ", ".join(codes)
    expression = " || ".join(f"address.postalCode.startsWith({_quoted(code)})" for code in codes)
    reason = f"This program is for families whose postal code begins with {' or '.join(codes)}."
    return f"Postal code begins with {told}", expression, reason


def _ages(value: str, start_date: dt.date | None) -> tuple[str, str, str]:
    ends = _RANGE.fullmatch(value)
    ages = [parse_whole_number(age, highest=OLDEST) for age in ends.groups()] if ends else []
    if len(ages) != 2 or ages[0] is None or ages[1] is None or ages[0] > ages[1]:
        raise _fault("value", "Give ages as in “6 to 10”, the lower one first.")
    if start_date is None or start_date.year <= OLDEST:
        raise _fault("value", "Give the first day of the term: the age is counted on that day.")
    youngest = _years_before(start_date, ages[0])
    oldest = _years_before(start_date, ages[1] + 1)
    expression = f"metadata.birthDate > '{oldest}' && metadata.birthDate <= '{youngest}'"
    told = f"{ages[0]} to {ages[1]} years old on {day(start_date)}"
    return f"Is {told}", expression, f"This program is for children who are {told}."


def _years_before(date: dt.date, years: int) -> dt.date:
    """Return the same day that many years earlier; February 28 if the year has no leap day."""
    try:
        return date.replace(year=date.year - years)
    except ValueError:
        return date.replace(year=date.year - years, day=28)


def _email(value: str, start_date: dt.date | None) -> tuple[str, str, str]:
    return "Has an email address", "email != ''", "We need an email address."


def _tag(value: str, start_date: dt.date | None) -> tuple[str, str, str]:
    if not value:
        raise _fault("value", "Give the tag.")
    return f"Is tagged {value}", f"{_quoted(value)} in tags", "This program is for learners who were invited."


def _expression(value: str, start_date: dt.date | None) -> tuple[str, str, str]:
    if not value:
        raise _fault("value", "Give the expression; the page of criteria has examples.")
    return "Own rule", value, "You do not meet the conditions of this program."


KINDS = {
    "grades": Kind("Grade is between (3 to 5)", _grades),
    "states": Kind("Lives in one of the states (NY, NJ)", _states),
    "postal": Kind("Postal code begins with (100, 112)", _postal_codes),
    "ages": Kind("Age on the first day is between (6 to 10)", _ages),
    "email": Kind("Has an email address", _email),
    "tag": Kind("Is tagged with (invited)", _tag),
    "expression": Kind("Meets this expression", _expression),
}
