"""Lists as Relay connections: bounded pages, read by cursor."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

import strawberry
from django.db.models import QuerySet

from ..errors import Invalid, invalid_field
from ..http.cursors import REACH, Asked, Found, Position, parse_position
from ..numbers import parse_whole_number
from .siblings import tie

FIRST = 20
MAX_FIRST = 100
Node = TypeVar("Node")

First = Annotated[int, strawberry.argument(description=f"How many at most: 1 to {MAX_FIRST}.")]
After = Annotated[str | None, strawberry.argument(description="The endCursor of the page before.")]


@strawberry.type(description="Where a page ends, and whether there are more.")
class PageInfo:
    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


@strawberry.type(description="An item of a list, with its place.")
class Edge(Generic[Node]):
    node: Node
    cursor: str


@strawberry.type(description="A page of a list, newest first.")
class Connection(Generic[Node]):
    edges: list[Edge[Node]]
    page_info: PageInfo
    total_count: int = strawberry.field(description=f"Counted as far as {REACH:,}.")
    total_is_exact: bool = strawberry.field(description="False where there are more items than were counted.")


@dataclass(frozen=True, slots=True)
class _Page:
    """Rows, each with its cursor, and where the next page begins if there is one."""

    rows: Sequence[Any]
    cursors: list[str]
    following: str | None
    total: int
    is_total_exact: bool


def by_moment(find: Callable[[Asked], Found], *, first: int, after: str | None) -> Connection[Any]:
    """Return the page that `find` returns, ordered by moment and number. Raises Invalid naming `first` or `after`."""
    position = None if after is None else parse_position(after)
    if after is not None and position is None:
        raise _foreign_cursor()
    found = find(Asked(page=1, per_page=_checked(first), after=position))
    cursors = [str(Position(row.created_at, row.pk)) for row in found.rows]
    following = str(found.following) if found.following else None
    return _connect(_Page(found.rows, cursors, following, found.total, found.is_total_exact), after)


def by_number(rows: QuerySet[Any], *, first: int, after: str | None) -> Connection[Any]:
    """Return a page of rows by their number, the highest first. Raises Invalid naming `first` or `after`."""
    number = None if after is None else parse_whole_number(after)
    if after is not None and number is None:
        raise _foreign_cursor()
    ordered = rows.order_by("-pk") if number is None else rows.order_by("-pk").filter(pk__lt=number)
    found = list(ordered[: _checked(first) + 1])
    shown = found[:first]
    cursors = [str(row.pk) for row in shown]
    counted = rows.order_by()[: REACH + 1].count()
    following = cursors[-1] if len(found) > first else None
    return _connect(_Page(shown, cursors, following, min(counted, REACH), counted <= REACH), after)


def _connect(page: _Page, after: str | None) -> Connection[Any]:
    tie(page.rows)
    last = page.cursors[-1] if page.cursors else None
    return Connection(
        edges=[Edge(node=row, cursor=cursor) for row, cursor in zip(page.rows, page.cursors, strict=True)],
        page_info=PageInfo(
            has_next_page=page.following is not None,
            has_previous_page=after is not None,
            start_cursor=page.cursors[0] if page.cursors else None,
            end_cursor=page.following or last,
        ),
        total_count=page.total,
        total_is_exact=page.is_total_exact,
    )


def _checked(first: int) -> int:
    if not 1 <= first <= MAX_FIRST:
        raise invalid_field("first", "out_of_range", f"Ask for 1 to {MAX_FIRST} at a time.")
    return first


def _foreign_cursor() -> Invalid:
    return invalid_field("after", "invalid_cursor", "Give the endCursor of the page before, as it was.")
