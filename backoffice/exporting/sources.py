"""Which lists can be exported: each says its rows and how they are written. Apps above register theirs."""

from collections.abc import Sequence
from typing import Any, Protocol

from django.db.models import QuerySet

from core.errors import require

from ..models import Export


class Source(Protocol):
    """A list, as whoever asked for the export sees it when it is written."""

    def columns(self, export: Export) -> list[str]: ...

    def rows(self, export: Export) -> QuerySet[Any]: ...

    def cells(self, export: Export, rows: Sequence[Any]) -> list[list[str]]: ...

    def totals(self, export: Export) -> list[list[str]]:
        """Rows below all others, of what those come to; most lists have none."""

    def is_open_still(self, export: Export) -> bool:
        """Whether whoever in the back office asked for it may see by now what was written."""


_sources: dict[str, Source] = {}


def register_source(name: str, source: Source) -> None:
    _sources[name] = source


def source_of(export: Export) -> Source:
    """By the name, of which the part behind a colon is the source's own."""
    return require(_sources.get(export.source.partition(":")[0]), "exports name a source that is registered")
