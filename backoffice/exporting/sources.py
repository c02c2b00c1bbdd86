"""Which lists can be exported: each defines its rows and how they are written. Apps above register theirs."""

from collections.abc import Sequence
from typing import Any, Protocol

from django.db.models import QuerySet

from core.errors import require

from ..models import Export


class Source(Protocol):
    """A list as the person who asked for the export sees it at the time of writing."""

    def columns(self, export: Export) -> list[str]: ...

    def rows(self, export: Export) -> QuerySet[Any]: ...

    def cells(self, export: Export, rows: Sequence[Any]) -> list[list[str]]: ...

    def totals(self, export: Export) -> list[list[str]]:
        """Return rows below all others, with the totals; most lists have none."""

    def is_open_still(self, export: Export) -> bool:
        """Return whether the back-office person who requested it may still see what was written."""


_sources: dict[str, Source] = {}


def register_source(name: str, source: Source) -> None:
    _sources[name] = source


def source_of(export: Export) -> Source:
    """Return the source by its name; the part after a colon belongs to the source itself."""
    return require(_sources.get(export.source.partition(":")[0]), "exports name a source that is registered")
