"""What caches may keep: only answers that are the same for everybody and were given to nobody in particular."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

# The start of every path whose answer to a caller without a session or a key is the same for all such callers.
PUBLIC = ("/health", "/readyz", "/api/schema", "/api/docs", "/api/course-programs")
CREDENTIALS = ("HTTP_AUTHORIZATION", "HTTP_X_API_KEY", "HTTP_COOKIE")


class PrivateAnswersMiddleware:
    """Marks every answer as the caller's own unless it provably is not. A new page is private before anybody thinks of
    it."""

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
