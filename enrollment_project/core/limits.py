"""What no /api/ path accepts, refused before anything is read, routed or looked up."""

from collections.abc import Callable
from urllib.parse import parse_qsl

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from .errors import FieldError
from .problems import problem_response


class ApiLimitsMiddleware:
    """Refuses bodies larger than API_MAX_BODY_BYTES or of unknown length, and NUL characters in the address: no
    database column holds them, so a query with one would fail."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith("/api/"):
            return self.get_response(request)
        return self._refusal(request) or self.get_response(request)

    def _refusal(self, request: HttpRequest) -> HttpResponse | None:
        length = request.META.get("CONTENT_LENGTH") or ""
        if length.isdecimal() and int(length[:20]) > settings.API_MAX_BODY_BYTES:
            limit = f"{settings.API_MAX_BODY_BYTES:,}"
            return problem_response(
                request, status=413, code="body_too_large", detail=f"The body is larger than {limit} bytes."
            )
        if not length and "HTTP_TRANSFER_ENCODING" in request.META:
            return problem_response(
                request, status=411, code="length_required", detail="Send the body with a Content-Length."
            )
        if "\x00" in request.path_info:
            return problem_response(request, status=404, code="not_found", detail="There is nothing at this address.")
        if "%00" in request.META.get("QUERY_STRING", ""):
            return self._nul_in_query(request)
        return None

    def _nul_in_query(self, request: HttpRequest) -> HttpResponse:
        pairs = parse_qsl(request.META["QUERY_STRING"], keep_blank_values=True)
        at_fault = dict.fromkeys(name for name, value in pairs if "\x00" in name + value)
        detail = "NUL characters are not allowed."
        errors = tuple(FieldError(name.replace("\x00", "\\0"), "invalid", detail) for name in at_fault)
        return problem_response(request, status=422, code="invalid", detail=detail, errors=errors)
