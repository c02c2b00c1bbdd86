"""What caches may keep: only answers that are the same for everybody and were sent to an unidentified caller."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

# Prefixes of all paths whose answer is the same for every caller without a session or a key.
PUBLIC = ("/health", "/readyz", "/api/schema", "/api/docs", "/api/course-programs")
CREDENTIALS = ("HTTP_AUTHORIZATION", "HTTP_X_API_KEY", "HTTP_COOKIE")


class PrivateAnswersMiddleware:
    """Marks every answer as private to the caller unless it provably is not, so a new page is private by default."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        patch_vary_headers(response, ["Cookie", "Authorization", "X-API-Key"])
        if not _is_public(request, response) and "no-store" not in response.get("Cache-Control", ""):
            response["Cache-Control"] = "private, no-store"
        return response


def _is_public(request: HttpRequest, response: HttpResponse) -> bool:
    is_nobodys = not any(name in request.META for name in CREDENTIALS) and not response.cookies
    return is_nobodys and request.method in ("GET", "HEAD") and request.path_info.startswith(PUBLIC)
