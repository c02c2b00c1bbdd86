"""One log line per request, and its time in the metrics: what was requested, the outcome, and how long it took."""

import time
from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponse

from ..paths import logged_path
from ..timings import METHODS, REQUESTS

log = structlog.get_logger(__name__)

# Requested by machines every few seconds, and of no interest while all is well.
QUIET_ROUTES = frozenset({"health", "liveness", "readiness", "metrics"})
LONGEST_METHOD = 16


class RequestLogMiddleware:
    """Placed right behind the middleware that gives the request its id, so that it sees every answer."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        response = self.get_response(request)
        seconds = time.perf_counter() - started
        REQUESTS.labels(_method(request), _route(request), f"{response.status_code // 100}xx").observe(seconds)
        tell = log.warning if response.status_code >= 500 else log.debug if _is_quiet(request, response) else log.info
        tell(
            "request",
            method=(request.method or "")[:LONGEST_METHOD],
            path=logged_path(request),
            status=response.status_code,
            ms=round(seconds * 1000),
        )
        return response


def _is_quiet(request: HttpRequest, response: HttpResponse) -> bool:
    """Return whether nobody would miss the line: a health check that passes, a static file."""
    if response.status_code >= 400:
        return False
    match = request.resolver_match
    return request.path_info.startswith("/static/") if match is None else match.view_name in QUIET_ROUTES


def _method(request: HttpRequest) -> str:
    """Return a standard method: callers can invent others, and each would become its own time series."""
    return request.method if request.method in METHODS else "other"


def _route(request: HttpRequest) -> str:
    """Return the pattern, not the path: metrics must not contain ids."""
    if request.resolver_match is None:
        return "static" if request.path_info.startswith("/static/") else "none"
    return request.resolver_match.route
