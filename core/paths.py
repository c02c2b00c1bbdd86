"""The request path as logs may show it: which route was called, and only the ids it captured.

Links that we mail carry their secret in the path (invitations, passwords, calendars), and so might a route that is
added later. Captured values are therefore hidden unless they are numbers or belong to the names known to be public. For
a path that matches no route, perhaps a mistyped link, only words from our own routes are shown.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from urllib.parse import quote

from django.http import HttpRequest
from django.urls import Resolver404, ResolverMatch, URLPattern, URLResolver, get_resolver, resolve

# Captured text that anybody may read: a course, a kind of problem, a back-office app, an invoice's public id.
PUBLIC = frozenset({"code", "app_label", "cuid"})
LONGEST_VALUE = 60
MOST_SEGMENTS = 10
HIDDEN = "<unknown>"
_NUMBER = re.compile(r"[0-9]{1,19}")
_CAPTURE = re.compile(r"<(?:\w+:)?(\w+)>|\(\?P<(\w+)>[^)]*\)")
_PLAIN = re.compile(r"[A-Za-z0-9._-]+")


def logged_path(request: HttpRequest) -> str:
    """Return the path without its query string and without anything that may be secret."""
    match = _match(request)
    return _known(match) if match else _unknown(request.path_info)


def without_secrets(text: str, request: HttpRequest) -> str:
    """Return a text that names the request's path or its parts, as Django's messages do, without their secrets."""
    shown = logged_path(request)
    for path in sorted({request.get_full_path(), request.path, request.path_info}, key=len, reverse=True):
        if len(path) > 1:
            text = text.replace(path, shown)
    match = _match(request)
    hidden = {name: str(value) for name, value in match.kwargs.items()} if match else {}
    for name, value in hidden.items():
        if value and not _is_public(name, value):
            text = text.replace(value, f"<{name}>")
    return text


def _match(request: HttpRequest) -> ResolverMatch | None:
    """Resolve the path; needed for requests that were answered before routing."""
    if request.resolver_match is not None:
        return request.resolver_match
    try:
        return resolve(request.path_info)
    except Resolver404:
        return None


def _known(match: ResolverMatch) -> str:
    def show(capture: re.Match[str]) -> str:
        name = capture.group(1) or capture.group(2)
        value = str(match.kwargs.get(name, ""))
        return quote(value[:LONGEST_VALUE], safe="") if _is_public(name, value) else f"<{name}>"

    # The back-office routes begin and end as regular expressions do.
    return "/" + _CAPTURE.sub(show, match.route).replace("^", "").replace("$", "").replace("\\Z", "")


def _is_public(name: str, value: str) -> bool:
    return name in PUBLIC or _NUMBER.fullmatch(value) is not None


def _unknown(path: str) -> str:
    segments = path.strip("/").split("/")
    shown = [segment if segment in _words() else HIDDEN for segment in segments[:MOST_SEGMENTS]]
    return "/" + "/".join(shown) + ("/..." if len(segments) > MOST_SEGMENTS else "")


@cache
def _words() -> frozenset[str]:
    """Return the literal words in our routes."""
    routes = _routes(get_resolver().url_patterns)
    words = (word for route in routes for word in route.strip("^$/").split("/"))
    return frozenset({"static"}.union(word for word in words if _PLAIN.fullmatch(word)))


def _routes(patterns: Iterable[URLPattern | URLResolver]) -> Iterator[str]:
    for pattern in patterns:
        yield str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _routes(pattern.url_patterns)
