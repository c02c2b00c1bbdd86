"""Stripe's cursor pagination, the same for every list."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet

from sandbox.stripe.errors import no_such
from sandbox.stripe.parameters import Integer, Kind, Period, Text
from sandbox.stripe.rendering import Body, render, render_list

CURSORS: Mapping[str, Kind] = {
    "limit": Integer(least=1, most=100),
    "starting_after": Text(),
    "ending_before": Text(),
}
PAGING: Mapping[str, Kind] = {**CURSORS, "created": Period()}


def list_page(queryset: QuerySet[Any], params: Mapping[str, Any], *, url: str, oldest_first: bool = False) -> Body:
    """Return one page of the queryset, newest first as Stripe lists everything but line items.

    Raises StripeError for a cursor that names no object.
    """
    limit = params.get("limit", 10)
    for bound, second in params.get("created", {}).items():
        queryset = queryset.filter(**{f"created__{bound}": second})
    if after := params.get("starting_after"):
        queryset = _beyond(queryset, after, "starting_after", later=oldest_first)
    backwards = "ending_before" in params and "starting_after" not in params
    if before := params.get("ending_before"):
        queryset = _beyond(queryset, before, "ending_before", later=not oldest_first)
    ascending = oldest_first is not backwards
    found = list(queryset.order_by("pk" if ascending else "-pk")[: limit + 1])
    page = found[:limit]
    if backwards:
        page.reverse()
    return render_list([render(item) for item in page], url=url, has_more=len(found) > limit)


def _beyond(queryset: QuerySet[Any], ref: str, param: str, *, later: bool) -> QuerySet[Any]:
    cursor = queryset.model.objects.filter(ref=ref).first()
    if cursor is None:
        raise no_such(queryset.model._meta.verbose_name, ref, param=param, status=400)
    return queryset.filter(pk__gt=cursor.pk) if later else queryset.filter(pk__lt=cursor.pk)
