"""List filters whose choices are known without querying the rows.

Django queries a list of a million rows for a column's distinct values each time the page is opened.
"""

from collections.abc import Callable, Iterable
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import DropdownFilter


def filter_by_known(path: str, values: Callable[[], Iterable[str]], *, title: str) -> type[DropdownFilter]:
    """Return a filter by a column that contains one of these values."""

    class KnownValues(DropdownFilter):
        parameter_name = path

        def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
            return [(value, value) for value in sorted(values())]

        def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
            return queryset.filter(**{path: self.value()}) if self.value() else queryset

    KnownValues.title = title
    return KnownValues
