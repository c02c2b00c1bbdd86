"""Reads what belongs to the rows of a list for all of them at once, when the first row asks for it.

GraphQL asks each row separately for its related rows. A row tied to the others of its list fetches for all of them, so
a list costs as many statements as a single row.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, TypeVar

from django.db.models import Model, Prefetch, prefetch_related_objects

Row = TypeVar("Row", bound=Model)
_TIE = "_siblings"


def tie(rows: Sequence[Row]) -> Sequence[Row]:
    """Make these rows fetch together from now on."""
    for row in rows:
        setattr(row, _TIE, rows)
    return rows


def siblings_of(row: Row) -> Sequence[Row]:
    """Return the rows of the row's list, including the row itself."""
    found: Sequence[Row] = getattr(row, _TIE, None) or [row]
    return found


def follow(row: Model, name: str) -> Any:
    """Return the row that a foreign key points to, tied to those its siblings point to; None if the key is null."""
    rows = siblings_of(row)
    if name not in row._state.fields_cache:
        prefetch_related_objects(rows, name)
    found = getattr(row, name)
    if found is not None and not hasattr(found, _TIE):
        tie([each for each in (getattr(sibling, name) for sibling in rows) if each is not None])
    return found


def follow_all(row: Model, path: Sequence[str]) -> None:
    """Follow the foreign keys along a path of attributes, as far as the path consists of them."""
    place: Any = row
    for name in path:
        if not isinstance(place, Model) or name not in _foreign_keys(type(place)):
            return
        place = follow(place, name)


@cache
def _foreign_keys(model: type[Model]) -> frozenset[str]:
    return frozenset(field.name for field in model._meta.concrete_fields if field.is_relation)


def gather(row: Model, lookup: "Prefetch[Any, Any]") -> list[Any]:
    """Return the rows that point to this one, as `lookup` stores them in an attribute of each row."""
    attribute = str(lookup.to_attr)
    rows = siblings_of(row)
    prefetch_related_objects(rows, lookup)
    tie([found for sibling in rows for found in getattr(sibling, attribute)])
    return list(getattr(row, attribute))
