"""Lists as plain arrays, a page at a time: `limit` (100, at most 500), `offset`, the total in `X-Total-Count`."""

from typing import Any

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from .query import QueryNumberField, QuerySerializer

DEFAULT_LIMIT = 100
MAX_LIMIT = 500
MAX_OFFSET = 1_000_000


class PageQuery(QuerySerializer):
    """Which part of a list."""

    limit = QueryNumberField(min_value=1, max_value=MAX_LIMIT, default=DEFAULT_LIMIT)
    offset = QueryNumberField(min_value=0, max_value=MAX_OFFSET, default=0)


def array_page(request: Request, rows: QuerySet[Any], serializer: type[BaseSerializer[Any]]) -> Response:
    """One page of rows as a JSON array. Raises ValidationError naming `limit` or `offset`."""
    asked = PageQuery.read(request)
    limit = asked["limit"]
    offset = asked["offset"]
    page = serializer(rows[offset : offset + limit], many=True)
    return Response(page.data, headers={"X-Total-Count": str(rows.count())})
