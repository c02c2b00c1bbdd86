"""The faults of an expression in plain words with their positions, derived from the compiler's report."""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from .variables import VARIABLES

MACROS = ("all", "exists", "exists_one", "filter", "map", "has")
FUNCTIONS = (
    *("contains", "endsWith", "matches", "size", "startsWith", "int", "double", "string", "bool", "timestamp"),
    *("duration", "type", "getFullYear", "getMonth", "getDate", "getDayOfWeek", "getDayOfYear"),
)

_ENTRY = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): (.*)")
_UNDECLARED = re.compile(r"undeclared reference to '([^']+)'")
_OVERLOAD = re.compile(r"found no matching overload for '([^']+)' applied to '\((.*)\)'")
_UNREADABLE = re.compile(r"token recognition error at: '(.*)'$", re.DOTALL)
_FOUND = re.compile(r"(?:extraneous|mismatched) input '(.*)' expecting (.*)$|missing (.*) at '(.*)'$")
_ARITHMETIC = re.compile(r"[^\w]+")

_TYPES = {
    "bool": "true or false",
    "bytes": "bytes",
    "double": "a number",
    "duration": "a duration",
    "dyn": "a value of any kind",
    "google.protobuf.Duration": "a duration",
    "google.protobuf.Timestamp": "a timestamp",
    "int": "a whole number",
    "list": "a list",
    "map": "a map",
    "null_type": "null",
    "string": "a text",
    "timestamp": "a timestamp",
    "type": "a type",
    "uint": "a whole number",
}
_A_VALUE = "a value: a name, a number, a text in quotes or something in brackets"


_OTHERS = (
    ("invalid int literal", "a whole number between -9223372036854775808 and 9223372036854775807"),
    ("variable name must be a simple identifier", "a plain name first, as in tags.exists(tag, tag == 'x')"),
    ("has() argument must be", "a field, as in has(metadata.age)"),
    ("no viable alternative", "a plain name after the dot, or the name in brackets and quotes"),
)
_SPELLED_OUT = {"and": "&&", "or": "||", "AND": "&&", "OR": "||"}


@dataclass(frozen=True, slots=True)
class Fault:
    """What was expected, and where; line and column count from 1."""

    line: int
    column: int
    expected: str

    def __str__(self) -> str:
        return f"Line {self.line}, column {self.column}: expected {self.expected}."


def read_faults(report: str, text: str) -> list[Fault]:
    """Return the faults in a compiler's report about `text`, in order of position."""
    found: dict[tuple[int, int], Fault] = {}
    for line, column, message in _ENTRY.findall(report.replace(" [INVALID_ARGUMENT]", "")):
        if int(line) > 0:
            fault = _fault(int(line), int(column), message, text)
            found.setdefault((fault.line, fault.column), fault)
    return [found[place] for place in sorted(found)]


def closest(name: str, known: Iterable[str]) -> str:
    """Return ` (did you mean x?)` for the most similar known name, or an empty text if none is similar."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    like = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return f" (did you mean {by_lower[like[0]]}?)" if like else ""


def in_words(type_name: str) -> str:
    """Return a type in the words of people who write criteria."""
    plain = type_name.strip().split("(")[0].split("<")[0]
    return _TYPES.get(plain, _TYPES.get(plain.lower(), "something else"))


def _fault(line: int, column: int, message: str, text: str) -> Fault:
    if undeclared := _UNDECLARED.match(message):
        return _unknown_name(line, column, undeclared[1], text)
    if overload := _OVERLOAD.match(message):
        return Fault(line, column, _fitting_values(overload[1], overload[2]))
    return Fault(line, column, _syntax(message.removeprefix("Syntax error: ")))


def _unknown_name(line: int, column: int, reference: str, text: str) -> Fault:
    """Report an unknown name at its beginning, where people look for it; the compiler points behind it."""
    name = reference.split(".")[0]
    source = text.split("\n")[line - 1]
    start = source.rfind(name, 0, max(column - 1, 0) + len(name))
    place = Fault(line, start + 1 if start >= 0 else column, "")
    is_called = source[max(start, 0) + len(name) :].lstrip().startswith("(")
    if is_called and name in MACROS:
        usage = "has(metadata.age)" if name == "has" else f"tags.{name}(tag, tag == 'x')"
        return Fault(place.line, place.column, f"{name} as in {usage}")
    if is_called:
        return Fault(place.line, place.column, f"a function that exists, found {name}(){closest(name, FUNCTIONS)}")
    known = ", ".join(VARIABLES)
    hint = closest(name, VARIABLES) or f"; there are {known}"
    return Fault(place.line, place.column, f"a variable that exists, found {name}{hint}")


def _fitting_values(function: str, types: str) -> str:
    given = [in_words(one) for one in _split(types)]
    found = " and ".join(given)
    sign = function.strip("_@").replace("_", "")
    if function == "!_":
        return f"true or false after !, found {found}"
    if function == "_?_:_":
        return f"condition ? value : value with values of one kind, found {found}"
    if function in ("_&&_", "_||_"):
        return f"true or false on both sides of {sign}, found {found}"
    if function == "@in":
        return f"a list or a map of such values after in, found {found}"
    if function == "_[_]":
        return f"a list with a number or a map with a text in the brackets, found {found}"
    if _ARITHMETIC.fullmatch(sign):
        return f"values of one kind that {sign} can take, found {found}"
    return f"a value that {sign}() can take, found {found or 'none'}"


def _syntax(message: str) -> str:
    if unreadable := _UNREADABLE.match(message):
        return _readable(unreadable[1])
    if unfitting := _FOUND.match(message):
        return _unfitting(*unfitting.groups(default=""))
    if reserved := re.match(r"reserved identifier: (\w+)", message):
        return f"{_A_VALUE}; {reserved[1]} is a reserved word"
    told = next((told for sign, told in _OTHERS if sign in message), "")
    return told or f"something else here ({message.splitlines()[0][:100]})"


def _unfitting(found: str, expecting: str, missing: str, before: str) -> str:
    if missing:
        return f"{missing} before {_end(before)}"
    if found in _SPELLED_OUT:
        return f"{_SPELLED_OUT[found]} instead of {found}"
    if expecting.strip() == "<EOF>":
        return f"the end, or an operator such as && or == before {_end(found)}"
    return f"{_A_VALUE}, found {_end(found)}"


def _readable(rest: str) -> str:
    token = rest.strip()
    if token[:1] in "'\"":
        return "a closing quote, and only escapes that exist, such as \\\\ and \\'"
    if token in ("=", "&", "|"):
        return {"=": "== to compare", "&": "&& for and", "|": "|| for or"}[token]
    if token[:1] in "‘’“”«»„":
        return f"straight quotes ' or \", found {token[:1]}"
    return f"a value or an operator, found {token[:20]}"


def _end(found: str) -> str:
    return "the end" if found == "<EOF>" else found[:20]


def _split(types: str) -> list[str]:
    """Split the types of a call at the commas between them, but not at those inside a type."""
    parts: list[str] = []
    depth = 0
    for character in types:
        depth += (character in "(<") - (character in ")>")
        if character == "," and depth == 0:
            parts.append("")
            continue
        parts = parts or [""]
        parts[-1] += character
    return parts
