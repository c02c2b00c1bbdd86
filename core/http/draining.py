"""A web process that is about to stop: it answers every request, and asks clients to send no more."""

import os
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse


def is_draining() -> bool:
    """Return whether `enrollment_project/serving.py` was told to stop and is waiting for the last requests."""
    return bool(settings.DRAINING_FILE) and os.path.exists(settings.DRAINING_FILE)


class DrainingMiddleware:
    """Closes each connection after its answer while the process drains: a proxy that keeps connections open then opens
    its next one to a process that stays."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if is_draining():
            response["Connection"] = "close"
        return response
