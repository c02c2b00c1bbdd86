"""What every back-office page does so that its writes are recorded."""

from typing import Any

from django.http import HttpRequest
from django.template.response import TemplateResponse
from unfold.admin import ModelAdmin

from .recording import Changes, changes_of, record, remember


class AuditedAdmin(ModelAdmin):
    """Records everything Django's admin logs: every form, deletion, and button. A page that logs a row the Django way
    therefore gets an entry."""

    def workspace_id_of(self, row: Any) -> int | None:
        raise NotImplementedError

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        row = super().get_object(request, object_id, from_field)
        if row is not None and request.method == "POST":
            remember(request, row)
        return row

    def describe(self, row: Any) -> str:
        raise NotImplementedError

    def history_view(self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None) -> Any:
        """Head what was recorded with the words for the row; Django's own heading may contain an id."""
        page = super().history_view(request, object_id, extra_context)
        if isinstance(page, TemplateResponse) and page.context_data is not None:
            page.context_data |= {"title": "History", "subtitle": self.describe(page.context_data["object"])}
        return page

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        self._record(request, obj, in_words(message, otherwise="Added"), changes={})
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        self._record(request, obj, in_words(message, otherwise="Changed"), changes=changes_of(request, obj))
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        for row in queryset:
            self._record(request, row, "Deleted", changes={})
        return super().log_deletions(request, queryset)

    def _record(self, request: HttpRequest, row: Any, action: str, *, changes: Changes) -> None:
        record(
            request,
            action=action,
            model=row._meta.label_lower,
            object_id=row.pk,
            workspace_id=self.workspace_id_of(row),
            changes=changes,
        )


def in_words(message: Any, *, otherwise: str) -> str:
    """Return what Django's admin reports about a form and the rows on its page, by kind: names may be people's."""
    if isinstance(message, str):
        return message or otherwise
    inner = [
        f"{about['name']} {verb}" for part in message for verb, about in part.items() if about and about.get("name")
    ]
    return ", ".join([otherwise, *inner])
