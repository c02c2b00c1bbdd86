"""Requests that no /api/ path accepts, refused before any of the body is read."""

import re
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from ..numbers import parse_whole_number
from .problems import problem_response

_LENGTH = re.compile(r"[0-9]+")  # RFC 9110, 8.6: any number of digits


class ApiLimitsMiddleware:
    """Refuses bodies that are larger than API_MAX_BODY_BYTES (API_MAX_FILE_BYTES where files are accepted) or of
    unknown length, and all plain HTTP requests where the site is served by HTTPS."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith("/api/"):
            return self.get_response(request)
        return self._refusal(request) or self.get_response(request)

    def _refusal(self, request: HttpRequest) -> HttpResponse | None:
        if settings.SECURE_SSL_REDIRECT and not request.is_secure():
            return problem_response(
                request, status=403, code="https_required", detail="Use https. Replace a key that went over plain HTTP."
            )
        length = request.META.get("CONTENT_LENGTH") or ""
        is_file = re.fullmatch(settings.API_FILE_PATHS, request.path_info) is not None
        most = settings.API_MAX_FILE_BYTES if is_file else settings.API_MAX_BODY_BYTES
        if _LENGTH.fullmatch(length) and parse_whole_number(length.lstrip("0") or "0", highest=most) is None:
            limit = f"{most:,}"
            return problem_response(
                request, status=413, code="body_too_large", detail=f"The body is larger than {limit} bytes."
            )
        if not length and "HTTP_TRANSFER_ENCODING" in request.META:
            return problem_response(
                request, status=411, code="length_required", detail="Send the body with a Content-Length."
            )
        return None
