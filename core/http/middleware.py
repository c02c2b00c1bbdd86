"""What every request gets before anything else handles it."""

import re
from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponse

from ..ids import new_cuid

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


class RequestContextMiddleware:
    """Gives each request an id (the caller's X-Request-Id if it is sane), shown in the answer and on every log line,
    and makes every /api/ path work with and without a trailing slash."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        offered = request.headers.get("X-Request-Id", "")
        request_id = offered if _REQUEST_ID.fullmatch(offered) else new_cuid()
        request.request_id = request_id  # type: ignore[attr-defined]
        if request.path_info.startswith("/api/") and request.path_info.endswith("/"):
            request.path_info = request.path_info.rstrip("/")
        structlog.contextvars.clear_contextvars()  # left by an earlier request, and may name its caller
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            response = self.get_response(request)
        response["X-Request-Id"] = request_id
        return response


def current_request_id() -> str:
    """Return the id of the current request (or task), empty outside of one."""
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))
