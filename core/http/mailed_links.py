"""Mailed links that open something by themselves: the secret leaves the address bar on first use.

Histories keep the address bar's contents, people copy them, and bystanders see them. The first response to a valid link
is therefore a redirect to an address without the secret, which a cookie in this browser holds.
"""

import hashlib
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

MAX_AGE_SECONDS = 24 * 3600  # long enough to write an answer; afterwards the mail opens it again
MARK = "~"  # no secret begins with it

View = Callable[..., HttpResponse]


def opened_by_link(view: View) -> View:
    """Redirect a browser that shows the view the right `token` to the same page without it.

    The new address has a digest in place of the token. Two links that are open at once stay separate, and the digest
    opens nothing in another browser: without the cookie, the view gets the digest, which it doesn't know. Invalid
    links, and POSTs to them, go straight to the view.
    """

    @wraps(view)
    def opened(request: HttpRequest, token: str, **named: Any) -> HttpResponse:
        if token.startswith(MARK):
            return view(request, token=request.COOKIES.get(_cookie(token), token), **named)
        answer = view(request, token=token, **named)
        if request.method != "GET" or answer.status_code != 200 or request.resolver_match is None:
            return answer
        mark = MARK + hashlib.sha256(token.encode()).hexdigest()[:32]
        moved = HttpResponseRedirect(reverse(request.resolver_match.view_name, kwargs={**named, "token": mark}))
        moved.set_cookie(
            _cookie(mark),
            token,
            max_age=MAX_AGE_SECONDS,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )
        return moved

    return opened


def _cookie(mark: str) -> str:
    return settings.LINK_COOKIE_NAME + mark.removeprefix(MARK)
