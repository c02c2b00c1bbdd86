"""Lists as plain arrays, a page at a time: `limit` (100, at most 500), `offset`, the total in `X-Total-Count`."""

from typing import Any

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from .errors import invalid_field

DEFAULT_LIMIT = 100
MAX_LIMIT = 500
MAX_OFFSET = 1_000_000


def array_page(request: Request, rows: QuerySet[Any], serializer: type[BaseSerializer[Any]]) -> Response:
    """One page of rows as a JSON array. Raises Invalid naming `limit` or `offset`."""
    limit = _number(request, "limit", default=DEFAULT_LIMIT, lowest=1, highest=MAX_LIMIT)
    offset = _number(request, "offset", default=0, lowest=0, highest=MAX_OFFSET)
    page = serializer(rows[offset : offset + limit], many=True)
    return Response(page.data, headers={"X-Total-Count": str(rows.count())})


def _number(request: Request, name: str, *, default: int, lowest: int, highest: int) -> int:
    given = request.query_params.get(name)
    if given is None:
        return default
    if not (given.isascii() and given.isdigit() and len(given) < 10 and lowest <= int(given) <= highest):
        raise invalid_field(name, "out_of_range", f"Give a whole number from {lowest} to {highest}.")
    return int(given)
