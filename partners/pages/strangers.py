"""The protection of pages that anybody who has their unguessable URL may open."""

from collections.abc import Callable
from functools import wraps
from math import ceil

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from core.http.throttling import wait_of_stranger

View = Callable[..., HttpResponse]


def for_strangers(*, unknown: str) -> Callable[[View], View]:
    """Limit how many URLs a reader may try, and keep the pages out of search engines and other sites' logs. `unknown`
    is the template for a URL that leads nowhere; its context has `is_too_often`.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, **named: str) -> HttpResponse:
            wait = wait_of_stranger(request)
            if wait is None:
                answer = view(request, **named)
            else:
                answer = render(request, unknown, {"is_too_often": True}, status=429)
                answer["Retry-After"] = str(ceil(wait))
            answer["X-Robots-Tag"] = "noindex"
            answer["Referrer-Policy"] = "no-referrer"
            return answer

        return never_cache(guarded)

    return decorate
