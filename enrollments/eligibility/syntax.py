"""A parsed expression as a tree: which names it reads, what it calls, and what it loops over.

The compiler returns its tree only as the bytes of a `CheckedExpr` message (github.com/google/cel-spec,
proto/cel/expr/checked.proto and syntax.proto; the encoding is described at protobuf.dev). It is decoded here field by
field, because no package of ours contains the messages themselves.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

MAX_DEPTH = 64
MAX_NODES = 400


class TooIntricate(Exception):
    """The tree has more levels or nodes than anybody could read."""


@dataclass(frozen=True, slots=True)
class Node:
    """Any node of an expression; `id` leads to its position in the text."""

    id: int


@dataclass(frozen=True, slots=True)
class Constant(Node):
    value: object


@dataclass(frozen=True, slots=True)
class Name(Node):
    name: str


@dataclass(frozen=True, slots=True)
class Select(Node):
    """`operand.field`, or `has(operand.field)` if it only tests for presence."""

    operand: Node
    field: str
    only_asks: bool


@dataclass(frozen=True, slots=True)
class Call(Node):
    """A function or operator; the target of a method is its first argument."""

    function: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Items(Node):
    """A list literal, or the keys and values of a map literal."""

    elements: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Loop(Node):
    """The form of `all`, `exists`, `exists_one`, `map`, and `filter`: a variable over a range, a growing result."""

    variable: str
    range: Node
    accumulator: str
    start: Node
    condition: Node
    step: Node
    result: Node


@dataclass(frozen=True, slots=True)
class Tree:
    """An expression's root, and where in the text each node begins."""

    root: Node
    offsets: dict[int, int]


def read_tree(message: bytes) -> Tree:
    """Decode the tree from the bytes that the compiler returns for an expression. Raises TooIntricate."""
    checked = _only(message, 2)  # inside an Any: type_url = 1, value = 2
    offsets: dict[int, int] = {}
    for number, value in _fields(_only(checked, 5)):  # source_info; positions = 4
        if number == 4:
            entry = dict(_fields(_bytes(value)))
            offsets[_int(entry.get(1, 0))] = _int(entry.get(2, 0))
    return Tree(_Reader().node(_only(checked, 4)), offsets)


def children(node: Node) -> tuple[Node, ...]:
    """Return the nodes directly below a node."""
    if isinstance(node, Select):
        return (node.operand,)
    if isinstance(node, Call):
        return node.arguments
    if isinstance(node, Items):
        return node.elements
    if isinstance(node, Loop):
        return (node.range, node.start, node.condition, node.step, node.result)
    return ()


def list_reads(root: Node) -> tuple[tuple[str, ...], ...]:
    """Return the variables an expression reads, as paths: `metadata.device.model` is ("metadata", "device", "model"),
    and a variable that is used whole, such as the range of a loop, is its name alone.
    """
    found: dict[tuple[str, ...], None] = {}
    _collect(root, frozenset(), found)
    return tuple(path for path in found if not any(path[:length] in found for length in range(1, len(path))))


def _collect(node: Node, bound: frozenset[str], found: dict[tuple[str, ...], None]) -> None:
    path = _path(node)
    if path is not None:
        if path[0] not in bound:
            found[path] = None
        return
    if isinstance(node, Loop):
        _collect(node.range, bound, found)
        _collect(node.start, bound, found)
        inside = bound | {node.variable, node.accumulator}
        for part in (node.condition, node.step, node.result):
            _collect(part, inside, found)
        return
    for child in children(node):
        _collect(child, bound, found)


def _path(node: Node) -> tuple[str, ...] | None:
    if isinstance(node, Name):
        return (node.name,)
    if isinstance(node, Select):
        above = _path(node.operand)
        return None if above is None else (*above, node.field)
    if isinstance(node, Call) and node.function == "_[_]" and isinstance(node.arguments[1], Constant):
        above = _path(node.arguments[0])
        key = node.arguments[1].value
        return (*above, key) if above is not None and isinstance(key, str) else above
    return None


class _Reader:
    """Builds nodes from their messages and counts them."""

    def __init__(self) -> None:
        self._nodes = 0

    def node(self, message: bytes, depth: int = 0) -> Node:
        self._nodes += 1
        if depth > MAX_DEPTH or self._nodes > MAX_NODES:
            raise TooIntricate
        identity = 0
        kind = 0
        body: int | bytes = b""
        for number, value in _fields(message):
            if number == 2:
                identity = _int(value)
            elif number >= 3:
                kind = number
                body = value
        return self._build(identity, kind, _bytes(body), depth + 1)

    def _build(self, identity: int, kind: int, body: bytes, depth: int) -> Node:
        parts = list(_fields(body))
        if kind == 3:
            return Constant(identity, _constant(parts))
        if kind == 4:
            return Name(identity, _text(parts, 1))
        if kind == 5:
            operand = self.node(_part(parts, 1), depth)
            return Select(identity, operand, _text(parts, 2), any(number == 3 for number, _ in parts))
        if kind == 6:
            below = [value for number, value in parts if number == 1] + [
                value for number, value in parts if number == 3
            ]
            return Call(identity, _text(parts, 2), tuple(self.node(_bytes(value), depth) for value in below))
        if kind == 7:
            return Items(identity, tuple(self.node(_bytes(value), depth) for number, value in parts if number == 1))
        if kind == 8:
            return Items(identity, tuple(self._entries(parts, depth)))
        return Loop(
            identity,
            _text(parts, 1),
            self.node(_part(parts, 2), depth),
            _text(parts, 3),
            *(self.node(_part(parts, number), depth) for number in (4, 5, 6, 7)),
        )

    def _entries(self, parts: list[tuple[int, int | bytes]], depth: int) -> Iterator[Node]:
        for number, entry in parts:
            if number == 2:
                for inner, value in _fields(_bytes(entry)):
                    if inner in (3, 4):  # map_key, value
                        yield self.node(_bytes(value), depth)


def _constant(parts: list[tuple[int, int | bytes]]) -> object:
    for number, value in parts:
        if number == 6:
            return _bytes(value).decode()
        return bool(value) if number == 2 else value
    return None


def _text(parts: list[tuple[int, int | bytes]], number: int) -> str:
    return _part(parts, number).decode()


def _part(parts: list[tuple[int, int | bytes]], number: int) -> bytes:
    return next((_bytes(value) for found, value in parts if found == number), b"")


def _only(message: bytes, number: int) -> bytes:
    return _part(list(_fields(message)), number)


def _bytes(value: int | bytes) -> bytes:
    return value if isinstance(value, bytes) else b""


def _int(value: int | bytes) -> int:
    return value if isinstance(value, int) else 0


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield the numbered fields of an encoded message, in their order."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        wire = key & 7
        if wire == 0:
            number, at = _varint(message, at)
            yield key >> 3, number
        elif wire == 2:
            length, at = _varint(message, at)
            yield key >> 3, message[at : at + length]
            at += length
        else:  # a double, or a fixed number of 8 or 4 bytes; only its presence matters
            size = struct.calcsize("<q") if wire == 1 else struct.calcsize("<i")
            yield key >> 3, message[at : at + size]
            at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    number = 0
    shift = 0
    while True:
        byte = message[at]
        number |= (byte & 0x7F) << shift
        shift += 7
        at += 1
        if byte < 0x80:
            return number, at
