"""Back-office lists and figures may come from a replica, unless the person has just changed something."""

from collections.abc import Callable
from typing import Any, TypeVar

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from core.http.own_changes import has_just_changed_something
from core.replicas import from_replica

Found = TypeVar("Found")


def read_for(request: HttpRequest, read: Callable[[], Found]) -> Found:
    """Return what `read` finds for the person behind the request; `read` may run twice, and must change nothing."""
    return read() if has_just_changed_something(request) else from_replica(read)


class ListFromReplica(admin.ModelAdmin):
    """Shows its list from the replica. What the person may see was decided before, on the primary."""

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        def show() -> HttpResponse:
            page: HttpResponse = super(ListFromReplica, self).changelist_view(request, extra_context)
            return page.render() if isinstance(page, TemplateResponse) else page

        return read_for(request, show) if request.method == "GET" else show()
