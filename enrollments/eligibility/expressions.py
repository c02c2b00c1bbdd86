"""CEL, the Common Expression Language, compiled and evaluated by a library that only this module imports.

An expression is compiled once per process and text. It is type-checked against the variables, must evaluate to true or
false, and is refused if evaluating it could take too long: see docs/decisions/0053-expressions.md.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from cel_expr_python import cel

from core.characters import storage_fault, visibility_fault

from .cost import TooCostly, UnknownField, check_cost
from .faults import Fault, closest, in_words, read_faults
from .syntax import Node, TooIntricate, Tree, list_reads, read_tree
from .variables import VARIABLES, Kind, excess

MAX_LENGTH = 1_000
LONGEST_INPUT = 300  # characters of a value that is stored with an answer

_TEXT = cel.Type.STRING
_TYPES = {
    Kind.TEXT: _TEXT,
    Kind.TEXTS: cel.Type.List(_TEXT),
    Kind.RECORD: cel.Type.Map(_TEXT, _TEXT),
    Kind.ANYTHING: cel.Type.Map(_TEXT, cel.Type.DYN),
    Kind.RECORDS: cel.Type.List(cel.Type.Map(_TEXT, _TEXT)),
}
_MISSING_KEY = re.compile(r'Key not found in map : "?([^"]*)"?')
# The runtime's messages when it gives up, and what people read instead. None of these words comes from anybody's data.
_FAILURES = (
    ("Iteration budget exceeded", "there is too much data to go through"),
    ("divide by zero", "it divides by zero"),
    ("modulus by zero", "it divides by zero"),
    ("overflow", "a number is too large"),
    ("out of range", "a number is too large"),
    ("No matching overloads", "a value is of another kind than the expression expects"),
    ("Index error", "a list has fewer items than the expression expects"),
    ("conversion failed", "a text is not what the expression turns it into"),
    ("cannot convert", "a text is not what the expression turns it into"),
    ("Invalid timezone", "there is no such time zone"),
    ("Applying SELECT", "a value is of another kind than the expression expects"),
    ("Unexpected value type", "a value is of another kind than the expression expects"),
    ("Non-CEL value type", "a value is of another kind than the expression expects"),
)


class ExpressionFault(Exception):
    """The text is not a usable expression; `faults` says where and what was expected, in order of position."""

    def __init__(self, *faults: Fault) -> None:
        self.faults = faults
        super().__init__(" ".join(str(fault) for fault in faults))


@dataclass(frozen=True, slots=True)
class Answer:
    """True, false, or None with the `problem` that prevented the evaluation."""

    value: bool | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression, with the paths of the values it reads."""

    text: str
    reads: tuple[tuple[str, ...], ...]
    _program: Any

    def inputs(self, known: "Known") -> dict[str, Any]:
        """Return the values that the expression reads, by path; missing values are left out."""
        found: dict[str, Any] = {}
        for path in self.reads:
            value, is_there = _look_up(known.values, path)
            if is_there:
                found[".".join(path)] = _kept(value)
        return found

    def answer(self, known: "Known") -> Answer:
        """Evaluate the expression. Never raises, whatever the data is."""
        for path in self.reads:
            if path[0] in known.unusable:
                return Answer(None, known.unusable[path[0]])
        try:
            result = self._program.eval(known.activation)
            if result.type() != cel.Type.ERROR:
                value = result.value()
                return Answer(value) if isinstance(value, bool) else Answer(None, "it answers neither true nor false")
            failure = str(result.plain_value())
        except Exception as raised:  # whatever the library raises on odd data must not stop an evaluation
            failure = str(raised)
        return Answer(None, self._problem(failure, known))

    def _problem(self, failure: str, known: "Known") -> str:
        if _MISSING_KEY.search(failure):
            missing = [".".join(path) for path in self.reads if not _look_up(known.values, path)[1]]
            return f"{missing[0]} is missing" if missing else "a value that it asks for is missing"
        return next((told for sign, told in _FAILURES if sign in failure), "the expression failed")


class Known:
    """What is known about a person, ready for any number of expressions: each receives only what it reads."""

    def __init__(self, facts: Mapping[str, Any], reads: frozenset[str]) -> None:
        self.values: dict[str, Any] = {}
        self.unusable: dict[str, str] = {}
        for name in reads:
            variable = VARIABLES[name]
            value = facts[name] if name in facts else _EMPTY[variable.kind]
            if too_much := excess(variable, value):
                self.unusable[name] = too_much
            else:
                self.values[name] = value
        self.activation = _environment().Activation(self.values)


_EMPTY: dict[Kind, Any] = {
    Kind.TEXT: "",
    Kind.TEXTS: [],
    Kind.RECORD: {},
    Kind.ANYTHING: {},
    Kind.RECORDS: [],
}


@lru_cache(maxsize=2_000)
def compile_expression(text: str) -> Expression:
    """Compile `text`. Raises ExpressionFault, which says where and what was expected."""
    _check_text(text)
    try:
        program = _environment().compile(text)
    except Exception as refusal:  # the library raises RuntimeError, and other errors for texts it can't parse at all
        raise _compile_fault(str(refusal), text) from refusal
    answers = program.return_type()
    if answers != cel.Type.BOOL:
        raise ExpressionFault(Fault(1, 1, f"true or false as the answer, found {in_words(answers.name())}"))
    try:
        tree = read_tree(program.serialize())
        _check_patterns(text, tree)
    except TooIntricate as refusal:
        raise ExpressionFault(Fault(1, 1, "a simpler expression; divide it into several criteria")) from refusal
    return Expression(text, list_reads(tree.root), program)


def _check_text(text: str) -> None:
    if not text.strip():
        raise ExpressionFault(Fault(1, 1, "an expression, found nothing"))
    if len(text) > MAX_LENGTH:
        raise ExpressionFault(Fault(1, 1, f"at most {MAX_LENGTH:,} characters, found {len(text):,}"))
    if fault := storage_fault(text) or visibility_fault(text, multiline=True):
        raise ExpressionFault(Fault(1, 1, f"characters that can be seen. {fault.rstrip('.')}"))


def _compile_fault(report: str, text: str) -> ExpressionFault:
    if "recursion" in report:
        return ExpressionFault(
            Fault(1, 1, "fewer operators and brackets inside each other; divide it into several criteria")
        )
    return ExpressionFault(*read_faults(report, text) or [Fault(1, 1, "an expression")])


def _check_patterns(text: str, tree: Tree) -> None:
    try:
        patterns = check_cost(tree.root)
    except TooCostly as refusal:
        raise ExpressionFault(_fault_at(text, tree, refusal.node, refusal.expected)) from refusal
    except UnknownField as refusal:
        hint = closest(refusal.name, refusal.fields)
        expected = f"one of {', '.join(refusal.fields)}, found {refusal.name}{hint}"
        raise ExpressionFault(_fault_at(text, tree, refusal.node, expected)) from refusal
    for pattern in patterns:
        tried = _matcher().eval(data={"pattern": pattern.value})
        if tried.type() == cel.Type.ERROR:
            reason = str(tried.plain_value()).rpartition("regular expression: ")[2]
            raise ExpressionFault(_fault_at(text, tree, pattern, f"a regular expression ({reason})"))


def _fault_at(text: str, tree: Tree, node: Node | None, expected: str) -> Fault:
    before = text[: tree.offsets.get(node.id, 0) if node else 0]
    return Fault(before.count("\n") + 1, len(before) - before.rfind("\n"), expected)


@cache
def _environment() -> Any:
    return cel.NewEnv(variables={name: _TYPES[variable.kind] for name, variable in VARIABLES.items()})


@cache
def _matcher() -> Any:
    return cel.NewEnv(variables={"pattern": _TEXT}).compile("''.matches(pattern)")


def _look_up(values: Mapping[str, Any], path: tuple[str, ...]) -> tuple[Any, bool]:
    found: Any = values
    for name in path:
        if not isinstance(found, Mapping) or name not in found:
            return None, False
        found = found[name]
    return found, True


def _kept(value: Any) -> Any:
    """Return a value as it is stored with the answer; a long value is replaced by its size."""
    if isinstance(value, str | list | dict) and len(str(value)) > LONGEST_INPUT:
        return _by_size(value)
    return value


def _by_size(value: str | list[Any] | dict[str, Any]) -> str:
    return f"{len(value):,} {'characters' if isinstance(value, str) else 'items'}"
