"""A trace for each request, if traces are wanted."""

from collections.abc import Callable

from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse

from ..timings import METHODS
from ..tracing import is_tracing, span, traced_statements
from .middleware import current_request_id


class TracingMiddleware:
    """Placed behind the middleware that gives the request its id. A trace header from the caller is not trusted: it
    would decide which traces are kept."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        if not is_tracing():
            raise MiddlewareNotUsed
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        method = request.method if request.method in METHODS else "other"
        facts = {"http.request.method": method, "request_id": current_request_id()}
        with span(method, facts, kind="SERVER") as current, traced_statements():
            response = self.get_response(request)
            route = request.resolver_match.route if request.resolver_match else "none"
            current.update_name(f"{method} {route}")
            current.set_attributes({"http.route": route, "http.response.status_code": response.status_code})
        return response
