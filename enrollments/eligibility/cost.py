"""The maximum cost of an expression, calculated from its tree before it is ever evaluated.

Each node costs a unit each time it is evaluated; operations on texts and lists cost more the larger these can be. The
maximum sizes follow from the bounds of the variables, loops multiply, and copies add up: so an expression that doubles
a text twenty times is refused for what it would cost, not for how it looks. Measured with `make bench`, a unit takes at
most 0.1 microseconds, so LIMIT keeps one evaluation well below 50 milliseconds.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from .syntax import Call, Constant, Items, Loop, Name, Node, Select, children
from .variables import OTHER_ENROLLMENTS, VARIABLES, Kind, Variable

LIMIT = 300_000
MOST_STEPS = 10_000  # of all loops of an evaluation together; the runtime stops it there
DEEPEST_LOOPS = 2
PATTERN_LENGTH = 200

_COPIED = 8  # characters that a unit copies or compares
_SCANNED = 64  # characters that a unit searches
_SCALAR_RESULTS = {
    *("_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "_&&_", "_||_", "!_", "-_", "_-_", "_*_", "_/_", "_%_", "@in"),
    *(
        "size",
        "contains",
        "startsWith",
        "endsWith",
        "matches",
        "int",
        "uint",
        "double",
        "bool",
        "timestamp",
        "duration",
    ),
    *("@not_strictly_false", "type", "getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek"),
    *("getDayOfYear", "getHours", "getMinutes", "getSeconds", "getMilliseconds"),
}
_COMPARISONS = {"_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_"}
_UNICODE_CLASS = re.compile(r"\\[pP]")
_WIDE_CLASS = re.compile(r"\[\^|\.")
_REPETITION = re.compile(r"\{(\d+)(?:,(\d*))?\}")


class TooCostly(Exception):
    """Evaluating could take too long; `node` is where, if one place is to blame."""

    def __init__(self, expected: str, node: Node | None = None) -> None:
        self.expected = expected
        self.node = node
        super().__init__(expected)


class UnknownField(Exception):
    """A map with known fields has no field of this name."""

    def __init__(self, node: Node, name: str, fields: tuple[str, ...]) -> None:
        self.node = node
        self.name = name
        self.fields = fields
        super().__init__(name)


@dataclass(frozen=True, slots=True)
class Size:
    """The most that a value can hold: total characters, and the number of elements if it is a list or a map. `element`
    is the size of one element; a value of unknown kind may contain itself.
    """

    characters: int = 0
    elements: int = 0
    element: "Size | None" = None
    fields: tuple[str, ...] = ()

    @property
    def inside(self) -> "Size":
        return self.element or self

    def share(self) -> "Size":
        """Return the size of an element inside a loop: all elements together hold no more than the whole."""
        count = max(self.elements, 1)
        if self.element is None:
            return replace(self, characters=-(-self.characters // count), elements=-(-self.elements // count))
        return replace(self.element, characters=min(self.element.characters, -(-self.characters // count)))


SCALAR = Size()


def check_cost(root: Node) -> list[Constant]:
    """Return the patterns that `root` matches against. Raises UnknownField, or TooCostly if it might exceed LIMIT."""
    cost = _Cost()
    cost.add(root, 1, {name: _size_of(variable) for name, variable in VARIABLES.items()}, 0)
    if cost.units > LIMIT:
        raise TooCostly("a simpler expression: this one could take too long where there is much data")
    return cost.patterns


def _size_of(variable: Variable) -> Size:
    if variable.kind == Kind.TEXT:
        return Size(variable.characters)
    each = variable.characters // max(variable.values - 1, 1)
    if variable.kind == Kind.ANYTHING:
        return Size(variable.characters, variable.values)
    if variable.kind == Kind.RECORDS:
        record = Size(variable.characters // OTHER_ENROLLMENTS, len(variable.fields), Size(each), variable.fields)
        return Size(variable.characters, OTHER_ENROLLMENTS, record)
    element = Size(variable.characters) if variable.kind == Kind.RECORD else Size(each)
    return Size(variable.characters, variable.values, element, variable.fields)


class _Cost:
    """Adds up the cost of a tree. `times` is how often a node is evaluated, `sizes` what names in scope can hold."""

    def __init__(self) -> None:
        self.units = 0
        self.patterns: list[Constant] = []

    def add(self, node: Node, times: int, sizes: Mapping[str, Size], loops: int) -> Size:
        self.units += times
        if isinstance(node, Constant):
            return Size(len(node.value) if isinstance(node.value, str | bytes) else 0)
        if isinstance(node, Name):
            return sizes.get(node.name, SCALAR)
        if isinstance(node, Loop):
            return self._loop(node, times, sizes, loops)
        found = [self.add(child, times, sizes, loops) for child in children(node)]
        if isinstance(node, Select):
            _check_field(node, node.field, found[0])
            return SCALAR if node.only_asks else found[0].inside
        if isinstance(node, Items):
            element = _largest(found)
            return Size(sum(size.characters for size in found), len(found), element)
        if isinstance(node, Call):
            return self._call(node, found, times)
        return SCALAR

    def _loop(self, node: Loop, times: int, sizes: Mapping[str, Size], loops: int) -> Size:
        if loops >= DEEPEST_LOOPS:
            raise TooCostly(f"at most {DEEPEST_LOOPS} loops inside each other", node)
        over = self.add(node.range, times, sizes, loops)
        start = self.add(node.start, times, sizes, loops)
        steps = min(times * max(over.elements, 1), MOST_STEPS)
        inside = {**sizes, node.variable: over.share(), node.accumulator: SCALAR}
        self.add(node.condition, steps, inside, loops + 1)
        added = self.add(node.step, steps, inside, loops + 1)
        self.add(node.result, times, inside, loops + 1)
        if not added.characters and not added.elements:
            return start
        each = max(over.elements, 1)
        return Size(added.characters * each, added.elements * each, added.element)

    def _call(self, node: Call, found: list[Size], times: int) -> Size:
        name = node.function
        characters = sum(size.characters for size in found)
        elements = sum(size.elements for size in found)
        if name == "matches":
            pattern = _pattern_of(node)
            self.patterns.append(pattern)
            self.units += times * _pattern_cost(pattern, str(pattern.value), found[0])
        elif name in _COMPARISONS:
            smallest = min((size.characters for size in found), default=0)
            self.units += times * (smallest // _COPIED + min((size.elements for size in found), default=0))
        elif name in ("contains", "startsWith", "endsWith", "size", "_[_]", "_?_:_"):
            self.units += times * (characters // _SCANNED)
        elif name.startswith("get") and len(found) > 1:
            self.units += times * 100  # looking up a time zone by name
        else:
            self.units += times * (characters // _COPIED + elements)
        if name in _SCALAR_RESULTS:
            return SCALAR
        if name == "_[_]":
            key = node.arguments[1]
            if isinstance(key, Constant) and isinstance(key.value, str):
                _check_field(key, key.value, found[0])
            return found[0].inside
        if name == "_?_:_":
            return _largest(found[1:]) or SCALAR
        return Size(characters, elements, _largest([size.element for size in found if size.element]))


def _check_field(node: Node, name: str, operand: Size) -> None:
    if operand.fields and name not in operand.fields:
        raise UnknownField(node, name, operand.fields)


def _largest(sizes: list[Size]) -> Size | None:
    return max(sizes, key=lambda size: (size.characters, size.elements), default=None)


def _pattern_of(node: Call) -> Constant:
    pattern = node.arguments[1] if len(node.arguments) > 1 else None
    if not isinstance(pattern, Constant) or not isinstance(pattern.value, str):
        raise TooCostly("the pattern of matches() as a text in quotes", node)
    if len(pattern.value) > PATTERN_LENGTH:
        raise TooCostly(f"a pattern of at most {PATTERN_LENGTH} characters", pattern)
    return pattern


def _pattern_cost(node: Constant, pattern: str, text: Size) -> int:
    """Return the cost of a match. The pattern is compiled each time and may become a large machine: its length times
    all its repetitions, where a class of letters stands for thousands of them (the only way in which RE2 is slow).
    """
    machine = len(pattern) + 10 * len(_WIDE_CLASS.findall(pattern)) + 15_000 * len(_UNICODE_CLASS.findall(pattern))
    for least, most in _REPETITION.findall(pattern):
        machine *= max(int(least[:6]), int(most[:6] or 0), 1)
        if machine > LIMIT:
            raise TooCostly("a pattern with fewer repetitions", node)
    return 300 + 3 * machine + text.characters * machine // 50
