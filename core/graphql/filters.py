"""Narrows lists by the filters that REST uses."""

from typing import Any

from django.db.models import QuerySet
from django.http import QueryDict
from django_filters.utils import translate_validation

from ..http.query import StrictFilterSet


def narrowed(rows: QuerySet[Any], filters: type[StrictFilterSet], **asked: str | None) -> QuerySet[Any]:
    """Return the rows that pass all requested filters. Raises ValidationError naming those at fault."""
    query = QueryDict(mutable=True)
    query.update({name: value for name, value in asked.items() if value is not None})
    found = filters(data=query, queryset=rows)
    if not found.is_valid():
        raise translate_validation(found.errors)
    narrowed_rows: QuerySet[Any] = found.qs
    return narrowed_rows
