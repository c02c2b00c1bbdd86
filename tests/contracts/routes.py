"""The routes of the URL configuration, and the methods each of them accepts."""

from collections.abc import Iterator

from django.urls import URLPattern, URLResolver

METHODS = ("get", "post", "put", "patch", "delete")


def routes(resolver: URLResolver, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    """Return every route of a URL configuration with its pattern, included ones in full."""
    for pattern in resolver.url_patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            yield route, pattern
        else:
            yield from routes(pattern, route)


def route_methods(resolver: URLResolver) -> set[tuple[str, str]]:
    """Return the (route, method) pairs that need a row: each method that an API view implements, GET for pages."""
    pairs = set()
    for route, pattern in routes(resolver):
        view = getattr(pattern.callback, "cls", None)
        implemented = [method.upper() for method in METHODS if view is not None and hasattr(view, method)]
        pairs |= {(route, method) for method in implemented or ["GET"]}
    return pairs
