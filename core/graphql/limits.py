"""What a GraphQL document may ask for, decided before any of it is executed.

The tokens are counted first, which is linear in the document's length. Then the parsed document is measured with its
fragments expanded, and only then is it compared with the schema. So no document costs more to refuse than to read:
neither one that nests without end, nor one whose fragments multiply. See docs/decisions/0085.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSyntaxError,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    Source,
    TokenKind,
    VariableNode,
    Visitor,
    parse,
    visit,
)
from graphql.language import Lexer

from ..errors import DomainError, Invalid
from .connections import MAX_FIRST

MAX_CHARACTERS = 50_000
MAX_TOKENS = 2_000
MAX_DIGITS = 40  # in a number: Python itself refuses to read one of a few thousand
MAX_NESTING = 40  # levels of brackets: arguments nest too
MAX_DEPTH = 12
MAX_FIELDS = 400
MAX_ALIASES = 30
MAX_DIRECTIVES = 30
MAX_FRAGMENTS = 30
# Checking whether fields of one name may appear together compares every pair of them, at about 12 microseconds each.
MAX_COMPARISONS = 10_000
MAX_BATCH = 10
MAX_COST = 20_000  # for all operations of a request together
INTROSPECTION = frozenset({"__schema", "__type", "_service"})
_OPENING = (TokenKind.PAREN_L, TokenKind.BRACKET_L, TokenKind.BRACE_L)
_CLOSING = (TokenKind.PAREN_R, TokenKind.BRACKET_R, TokenKind.BRACE_R)


class DocumentInvalid(DomainError):
    """The GraphQL document can't be parsed, or asks for what the schema does not have."""

    status = 400
    code = "graphql_document_invalid"
    title = "The GraphQL document can't be carried out"


class DocumentTooLarge(Invalid):
    """The GraphQL document is longer, deeper, more repetitive or more costly than a request may be."""

    code = "graphql_document_too_large"
    title = "The GraphQL document asks for too much at once"


@dataclass(frozen=True, slots=True)
class Reckoned:
    """What executing a document would require."""

    cost: int
    is_mutation: bool
    is_introspection: bool


def reckon(
    text: str, *, operation_name: str | None, variables: Mapping[str, Any], items: Mapping[str, int]
) -> Reckoned:
    """Return what one operation of the document would cost. `items` says how many times a field's selection is executed
    unless the field asks for another number. Raises DocumentInvalid and DocumentTooLarge."""
    _bound_tokens(text)
    try:
        document = parse(text, no_location=True)
    except GraphQLError as error:
        raise DocumentInvalid(error.message) from error
    _bound_nodes(document)
    operation = _operation(document, operation_name)
    reckoning = _Reckoning(document, variables, items)
    depth, cost = reckoning.measure(operation.selection_set)
    if depth > MAX_DEPTH:
        raise _too_deep()
    is_mutation = operation.operation is OperationType.MUTATION
    changes = [name for name in reckoning.fields(operation.selection_set) if name != "__typename"]
    if is_mutation and len(changes) > 1:
        raise DocumentTooLarge("Send one change at a time: a mutation has one field. Several may be sent as a list.")
    return Reckoned(cost, is_mutation, reckoning.is_introspection)


def refuse_too_costly(cost: int) -> None:
    """Raise DocumentTooLarge if the cost exceeds what a request may use."""
    if cost > MAX_COST:
        raise DocumentTooLarge(f"The request costs {cost:,}, and {MAX_COST:,} is allowed: ask for fewer items at once.")


def _bound_tokens(text: str) -> None:
    if len(text) > MAX_CHARACTERS:
        raise DocumentTooLarge(f"A document has at most {MAX_CHARACTERS:,} characters. Send values as variables.")
    lexer = Lexer(Source(text))
    nesting = 0
    for _ in range(MAX_TOKENS):
        try:
            token = lexer.advance()
        except GraphQLSyntaxError as error:
            raise DocumentInvalid(error.message) from error
        kind = token.kind
        if kind in (TokenKind.INT, TokenKind.FLOAT) and len(token.value or "") > MAX_DIGITS:
            raise DocumentInvalid(f"A number has at most {MAX_DIGITS} digits.")
        if kind is TokenKind.EOF:
            return
        nesting += (kind in _OPENING) - (kind in _CLOSING)
        if nesting > MAX_NESTING:
            raise DocumentTooLarge(f"The document nests more than {MAX_NESTING} brackets.")
    raise DocumentTooLarge(f"A document has at most {MAX_TOKENS:,} tokens.")


class _Nodes(Visitor):
    """How many nodes of each bounded kind a document has, counting fragments as they are written."""

    def __init__(self) -> None:
        super().__init__()
        self.names: Counter[str] = Counter()
        self.fields = 0
        self.aliases = 0
        self.directives = 0
        self.fragments = 0

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        self.fields += 1
        self.names[(node.alias or node.name).value] += 1
        self.aliases += node.alias is not None

    def enter_directive(self, *_: Any) -> None:
        self.directives += 1

    def enter_fragment_definition(self, *_: Any) -> None:
        self.fragments += 1

    def enter_fragment_spread(self, *_: Any) -> None:
        self.fragments += 1


def _bound_nodes(document: DocumentNode) -> None:
    counter = _Nodes()
    visit(document, counter)
    for name, most in (
        ("fields", MAX_FIELDS),
        ("aliases", MAX_ALIASES),
        ("directives", MAX_DIRECTIVES),
        ("fragments", MAX_FRAGMENTS),
    ):
        if getattr(counter, name) > most:
            raise DocumentTooLarge(f"A document has at most {most} {name}.")
    if sum(number**2 for number in counter.names.values()) > MAX_COMPARISONS:
        raise DocumentTooLarge("The document asks for fields of the same name too often: ask for each once.")


def _operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    found = [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
    named = [each for each in found if name is None or (each.name and each.name.value == name)]
    if len(named) != 1:
        raise DocumentInvalid("Send one operation, or say in operationName which one is meant.")
    if named[0].operation is OperationType.SUBSCRIPTION:
        raise DocumentInvalid("There are no subscriptions: read /api/events, or have webhooks sent.")
    return named[0]


def _too_deep() -> DocumentTooLarge:
    return DocumentTooLarge(f"A document is at most {MAX_DEPTH} levels deep, fragments spread out.")


@dataclass(slots=True)
class _Reckoning:
    """The depth and cost of selections; each fragment is measured once, however often it is spread."""

    document: DocumentNode
    variables: Mapping[str, Any]
    items: Mapping[str, int]
    is_introspection: bool = False
    _level: int = 0
    _known: dict[str, tuple[int, int]] = field(default_factory=dict)
    _open: set[str] = field(default_factory=set)

    def measure(self, selections: SelectionSetNode | None) -> tuple[int, int]:
        depth = 0
        cost = 0
        for node in selections.selections if selections else ():
            if isinstance(node, FieldNode):
                deep, costly = self._measure_field(node)
            elif isinstance(node, FragmentSpreadNode):
                deep, costly = self._measure_fragment(node.name.value)
            else:
                deep, costly = self.measure(node.selection_set) if isinstance(node, InlineFragmentNode) else (0, 0)
            depth = max(depth, deep)
            cost = min(cost + costly, MAX_COST + 1)  # beyond the limit, no exact number is needed
        return depth, cost

    def fields(self, selections: SelectionSetNode) -> Iterator[str]:
        """Return the names of the fields at this level, including those from fragments."""
        for node in selections.selections:
            if isinstance(node, FieldNode):
                yield node.name.value
            elif isinstance(node, InlineFragmentNode):
                yield from self.fields(node.selection_set)
            elif isinstance(node, FragmentSpreadNode) and (found := self._fragment(node.name.value)) is not None:
                yield from self.fields(found.selection_set)

    def _measure_field(self, node: FieldNode) -> tuple[int, int]:
        self.is_introspection |= node.name.value in INTROSPECTION
        self._level += 1
        if self._level > MAX_DEPTH:
            raise _too_deep()
        depth, cost = self.measure(node.selection_set)
        self._level -= 1
        return depth + 1, 1 + cost * self._items_of(node)

    def _measure_fragment(self, name: str) -> tuple[int, int]:
        if name in self._open:
            raise DocumentInvalid(f"The fragment {name} contains itself.")
        if name not in self._known:
            found = self._fragment(name)
            self._open.add(name)
            self._known[name] = (0, 0) if found is None else self.measure(found.selection_set)
            self._open.discard(name)
        return self._known[name]

    def _fragment(self, name: str) -> FragmentDefinitionNode | None:
        for each in self.document.definitions:
            if isinstance(each, FragmentDefinitionNode) and each.name.value == name:
                return each
        return None

    def _items_of(self, node: FieldNode) -> int:
        """Return how many items a field's selection may be executed for."""
        for argument in node.arguments or ():
            value = argument.value
            given = self.variables.get(value.name.value) if isinstance(value, VariableNode) else None
            if argument.name.value == "first":
                number = int(value.value) if isinstance(value, IntValueNode) else given
                return max(1, min(number, MAX_FIRST)) if isinstance(number, int) else MAX_FIRST
            if argument.name.value == "representations":
                return len(given) if isinstance(given, list) else MAX_FIRST
        return self.items.get(node.name.value, 1)
