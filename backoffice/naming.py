"""What a page calls its rows, and how lists load what the names need."""

from collections.abc import Sequence
from typing import Any, ClassVar, cast

from django.contrib import admin
from django.db import models

from .display import row_along
from .subjects import keep_subjects


class NamesRows(admin.ModelAdmin):
    """Says whom and what its rows are about; `backoffice.display.name_of` asks it wherever a row is mentioned."""

    subject_fields: ClassVar[tuple[str, ...]] = ()  # those that say what a row is about (`backoffice/subjects.py`)

    def describe(self, row: Any) -> str:
        """Return the words for the row in a question, a message, or a search: whom and what it is about."""
        return str(row)

    def tell_state(self, row: Any) -> str:
        """Return its state in a word or two, shown beside what `describe` returns; empty where rows have no state."""
        return str(row.get_status_display()).lower() if hasattr(row, "get_status_display") else ""

    def prepare(self, rows: Sequence[Any]) -> None:
        """Load what `describe` needs of these rows, with a constant number of queries."""
        if self.subject_fields:
            keep_subjects(rows, self.subject_fields)
        if self.list_select_related and type(self).describe is not NamesRows.describe:
            models.prefetch_related_objects(rows, *cast(tuple[str, ...], self.list_select_related))

    def prepare_linked(self, rows: Sequence[Any]) -> None:
        """Do the same for the rows to which the list's columns link."""
        for name in cast(Sequence[str], self.list_display):
            if path := getattr(getattr(type(self), name, None), "leads_along", ""):
                linked = [found for row in rows if (found := row_along(row, path)) is not None]
                page = self.admin_site._registry.get(type(linked[0])) if linked else None
                if isinstance(page, NamesRows):
                    page.prepare(linked)
