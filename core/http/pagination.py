"""Lists, a page at a time.

The API returns plain arrays: `limit` (100, at most 500), `offset`, and the total in `X-Total-Count`. Web pages use
`?page=`.
"""

from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from ..numbers import parse_whole_number
from .query import QueryNumberField, QuerySerializer

DEFAULT_LIMIT = 100
MAX_LIMIT = 500
MAX_OFFSET = 1_000_000


class PageQuery(QuerySerializer):
    """Which part of a list."""

    limit = QueryNumberField(min_value=1, max_value=MAX_LIMIT, default=DEFAULT_LIMIT)
    offset = QueryNumberField(min_value=0, max_value=MAX_OFFSET, default=0)


def array_page(request: Request, rows: QuerySet[Any], serializer: type[BaseSerializer[Any]]) -> Response:
    """Return one page of rows as a JSON array. Raises ValidationError naming `limit` or `offset`.

    The rows must be ordered: without an order, pages overlap and rows are missed.
    """
    if not rows.ordered:
        raise ValueError("These rows have no order, so pages would overlap.")
    asked = PageQuery.read(request)
    limit = asked["limit"]
    offset = asked["offset"]
    page = serializer(rows[offset : offset + limit], many=True)
    return Response(page.data, headers={"X-Total-Count": str(rows.count())})


def page_of(request: HttpRequest, rows: QuerySet[Any], *, size: int) -> Page[Any]:
    """Return the page that the URL asks for; the first if it names none, the last if it names a later one."""
    return Paginator(rows, size).get_page(parse_whole_number(request.GET.get("page", ""), lowest=1) or 1)
