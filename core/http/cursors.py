"""Pages of long lists: by number as far as counting is cheap, and by cursor to the end of the list.

A cursor names the row after which a page begins by the moment and the number that the list is ordered by, so a page far
down costs as much as the first one. Clients treat it as opaque; it holds nothing that the row itself does not show.
"""

import base64
import binascii
import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import F, QuerySet
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThanOrEqual, TupleLessThan
from rest_framework import serializers
from rest_framework.request import Request

from ..numbers import MAX_BIGINT, parse_whole_number
from .query import QueryNumberField, QuerySerializer, QueryTextField

PER_PAGE = 50
MAX_PER_PAGE = 200
# How many rows the numbered pages cover, and up to how many rows are counted.
REACH = 10_000
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
_FARTHEST = (dt.datetime.max.replace(tzinfo=dt.UTC) - _EPOCH) // _MICROSECOND


@dataclass(frozen=True, slots=True)
class Position:
    """A row's place in a list ordered by moment and number, newest first."""

    moment: dt.datetime
    number: int

    def __str__(self) -> str:
        text = f"{(self.moment - _EPOCH) // _MICROSECOND}.{self.number}"
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def parse_position(text: str) -> Position | None:
    """Return the position that a cursor names; None if it is not a cursor."""
    try:
        plain = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return None
    moment, _, number = plain.partition(".")
    since_epoch = parse_whole_number(moment, highest=_FARTHEST)
    row = parse_whole_number(number, highest=MAX_BIGINT)
    if since_epoch is None or row is None:
        return None
    return Position(_EPOCH + since_epoch * _MICROSECOND, row)


class CursorField(QueryTextField):
    """The `nextCursor` of the page before."""

    default_error_messages = {"invalid_cursor": "Give the nextCursor of the page before, as it was."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.validators = []  # the inherited ones would check a value that is no longer text

    def to_internal_value(self, data: Any) -> Any:
        position = parse_position(super().to_internal_value(data))
        if position is None:
            self.fail("invalid_cursor")
        return position


class CursorQuery(QuerySerializer):
    """Which page of a long list: by number, or by cursor."""

    page = QueryNumberField(
        min_value=0, required=False, help_text=f"From 1; 0 means 1. Pages reach the first {REACH:,} items."
    )
    perPage = QueryNumberField(source="per_page", min_value=1, max_value=MAX_PER_PAGE, default=PER_PAGE)
    cursor = CursorField(required=False, help_text="The nextCursor of the page before, however deep; without page.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "page" in attrs and "cursor" in attrs:
            raise serializers.ValidationError({"page": ["Give page or cursor, not both."]})
        if max(1, attrs.get("page", 1)) * attrs["per_page"] > REACH:
            raise serializers.ValidationError(
                {"page": [f"Pages reach the first {REACH:,} items. Follow nextCursor to go further."]}
            )
        return attrs


@dataclass(frozen=True, slots=True)
class Asked:
    """The page a request asks for: skip `offset` rows, or everything up to `after`."""

    page: int
    per_page: int
    after: Position | None

    @property
    def offset(self) -> int:
        return 0 if self.after else (self.page - 1) * self.per_page


def asked_page(request: Request) -> Asked:
    """Return the page a request asks for. Raises ValidationError naming `page`, `perPage`, or `cursor`."""
    query = CursorQuery.read(request)
    return Asked(max(1, query.get("page", 1)), query["per_page"], query.get("cursor"))


@dataclass(frozen=True, slots=True)
class Found:
    """A page of rows, where the next one begins if there is one, and the row count as far as it was counted."""

    rows: Sequence[Any]
    following: Position | None
    total: int
    is_total_exact: bool


def find_page(rows: QuerySet[Any], asked: Asked) -> Found:
    """Return one page of rows that have a `created_at`, newest first; counted up to REACH."""
    ordered = rows.order_by("-created_at", "-pk")
    page = list(before(ordered, asked.after)[asked.offset : asked.offset + asked.per_page + 1])
    counted = rows.order_by()[: REACH + 1].count()
    following = None
    if len(page) > asked.per_page:
        last = page[asked.per_page - 1]
        following = Position(last.created_at, last.pk)
    return Found(page[: asked.per_page], following, min(counted, REACH), counted <= REACH)


def before(rows: QuerySet[Any], place: Position | None, *, number: str = "pk") -> QuerySet[Any]:
    """Select the rows after this position in a newest-first list. Compared as one value, which an index can seek."""
    if place is None:
        return rows
    return rows.filter(TupleLessThan(_row(number), (place.moment, place.number)))


def down_to(rows: QuerySet[Any], place: Position | None, *, number: str = "pk") -> QuerySet[Any]:
    """Select the rows up to and including this position."""
    if place is None:
        return rows
    return rows.filter(TupleGreaterThanOrEqual(_row(number), (place.moment, place.number)))


def _row(number: str) -> Tuple:
    return Tuple(F("created_at"), F(number))


def page_document(asked: Asked, found: Found, data: Iterable[Any]) -> dict[str, Any]:
    """Return the page as integrators read it. A page by cursor has no number."""
    return {
        "data": data,
        "page": None if asked.after else asked.page,
        "perPage": asked.per_page,
        "totalItems": found.total,
        "totalPages": -(-found.total // asked.per_page),
        "totalIsExact": found.is_total_exact,
        "nextCursor": str(found.following) if found.following else None,
    }


def page_serializer(item: type[serializers.BaseSerializer[Any]], name: str) -> type[serializers.Serializer[Any]]:
    """Return the shape of `page_document` for the OpenAPI document, where it is called `name`."""
    fields = {
        "data": item(many=True),
        "page": serializers.IntegerField(allow_null=True, help_text="From 1; null for a page by cursor."),
        "perPage": serializers.IntegerField(),
        "totalItems": serializers.IntegerField(help_text=f"Counted as far as {REACH:,}."),
        "totalPages": serializers.IntegerField(),
        "totalIsExact": serializers.BooleanField(help_text="False where there are more items than were counted."),
        "nextCursor": serializers.CharField(allow_null=True, help_text="null on the last page."),
    }
    return type(name, (serializers.Serializer,), fields)
