"""People see their own changes at once: for a few seconds after one, their browser has us read from the primary."""

from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse

from ..replicas import has_replica

SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")


class OwnChangesMiddleware:
    """After every request that may have changed something, sets a cookie that lasts longer than the replica may lag."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        if not has_replica():
            raise MiddlewareNotUsed
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.method not in SAFE:
            response.set_cookie(
                settings.CHANGED_COOKIE_NAME,
                "1",
                max_age=settings.DATABASE_REPLICA_LAG_SECONDS + 1,  # one extra second because clocks differ
                secure=settings.SESSION_COOKIE_SECURE,
                httponly=True,
                samesite="Lax",
            )
        return response


def has_just_changed_something(request: HttpRequest) -> bool:
    return settings.CHANGED_COOKIE_NAME in request.COOKIES
