"""Who may call what: one row for every route and method, and what each kind of caller is answered.

`test_authorization.py` compares the rows with the URL configuration and calls every route as every caller. A route
without a row fails the build, and so does a row without a route.
"""

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.urls import URLPattern, URLResolver

METHODS = ("get", "post", "put", "patch", "delete")


class Caller(enum.Enum):
    """The kinds of caller there are."""

    ANONYMOUS = "nobody in particular"
    KEY = "a key with this scope only"
    KEY_WITHOUT_SCOPE = "a key with every other scope"
    REVOKED_KEY = "a revoked key"
    EXPIRED_KEY = "an expired key"
    FOREIGN_KEY = "a key of another workspace with this scope"
    SESSION = "a signed-in parent"


@dataclass(frozen=True, slots=True)
class Row:
    """One route and method. `answers` gives the status for each caller; `scope` the one that API keys need; `address`
    is called with the ids of the `town` fixture filled in, with `body` as JSON."""

    route: str
    method: str
    address: str
    answers: dict[Caller, int]
    scope: str | None = None
    body: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.method} {self.route}"


def by_key(
    route: str, method: str, *, scope: str, elsewhere: int, address: str = "", body: dict[str, Any] | None = None
) -> Row:
    """For keys with the scope; `elsewhere` is what the key of another workspace gets: 404 where the address or body
    names something of ours, else its own workspace's answer."""
    refused = dict.fromkeys((Caller.ANONYMOUS, Caller.REVOKED_KEY, Caller.EXPIRED_KEY, Caller.SESSION), 401)
    answers = refused | {Caller.KEY: 200, Caller.KEY_WITHOUT_SCOPE: 403, Caller.FOREIGN_KEY: elsewhere}
    return Row(route, method, address or f"/{route}", answers, scope, body or {})


def for_all(route: str, method: str = "GET", *, status: int = 200, session: int | None = None) -> Row:
    """The same for everybody, keys or not; `session` where somebody signed in is answered otherwise."""
    answers = dict.fromkeys(Caller, status) | {Caller.SESSION: status if session is None else session}
    return Row(route, method, f"/{route}", answers)


def for_the_signed_in(route: str, *, address: str = "", status: int = 200) -> Row:
    """A page that sends everybody else to sign in first; 404 for what is not theirs."""
    return Row(route, "GET", address or f"/{route}", dict.fromkeys(Caller, 302) | {Caller.SESSION: status})


ENROLL = {
    "learner_profile": {"email": "june@school.test", "first_name": "June", "last_name": "Roe"},
    "context": {"tenant_id": 7},
}

ROWS = [
    # What is up, and how to use it
    for_all("health"),
    for_all("healthz"),
    for_all("readyz"),
    for_all("api/schema"),
    for_all("api/docs"),
    # The Router
    by_key("api/enroll", "POST", scope="decisions:write", elsewhere=200, body=ENROLL),
    by_key("api/enrollments", "GET", scope="decisions:read", elsewhere=200),
    by_key(
        "api/enrollments/<int:decision_id>",
        "GET",
        scope="decisions:read",
        elsewhere=404,
        address="/api/enrollments/{decision_id}",
    ),
    by_key("api/decisions", "GET", scope="decisions:read", elsewhere=200),
    by_key(
        "api/decisions/<int:decision_id>",
        "GET",
        scope="decisions:read",
        elsewhere=404,
        address="/api/decisions/{decision_id}",
    ),
    by_key("api/districts", "GET", scope="districts:read", elsewhere=200),
    by_key(
        "api/districts/seats",
        "POST",
        scope="districts:write",
        elsewhere=200,
        body={"tenant_id": 8, "total_seats": 3},
    ),
    by_key(
        "api/districts/<int:tenant_id>/seats",
        "GET",
        scope="districts:read",
        elsewhere=404,
        address="/api/districts/11/seats",
    ),
    by_key(
        "api/districts/<int:tenant_id>/seats",
        "PUT",
        scope="districts:write",
        elsewhere=404,
        address="/api/districts/11/seats",
        body={"total_seats": 9},
    ),
    # By signature: without one nobody is heard, key or not
    for_all("api/webhooks/stripe", "POST", status=400),
    # Pages
    for_all(""),
    for_the_signed_in("my/enrollments"),
    for_the_signed_in("my/invoices/<cuid:cuid>.pdf", address="/my/invoices/c2345678901234567890.pdf", status=404),
    for_all("enroll/return", status=404),  # by the unguessable id of a payment session
    for_all("enroll/cancelled", status=404),
    for_all("dev/mailbox", status=404),  # in the sandbox only
    # Signing in and out
    for_all("accounts/login/code/", session=302),
    for_all("accounts/login/code/confirm/", status=302),
    for_all("accounts/logout/", status=302, session=200),
    for_all("accounts/inactive/"),
    for_all("accounts/login/", status=302),
    for_all("accounts/signup/", status=302),
]

# The back office is one row: no caller above gets past its sign-in, whatever the page. Who sees what behind it is a
# matter of roles (see accounts/backoffice).
BACK_OFFICE = "admin/"
BACK_OFFICE_OPEN = {"admin/login/", "admin/logout/", "admin/jsi18n/"}


def routes(resolver: URLResolver, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    """Every route of a URL configuration with its pattern, included ones in full."""
    for pattern in resolver.url_patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            yield route, pattern
        else:
            yield from routes(pattern, route)


def route_methods(resolver: URLResolver) -> set[tuple[str, str]]:
    """The (route, method) pairs a row must exist for: each method that an API view implements, GET for pages."""
    pairs = set()
    for route, pattern in routes(resolver):
        view = getattr(pattern.callback, "cls", None)
        implemented = [method.upper() for method in METHODS if view is not None and hasattr(view, method)]
        pairs |= {(route, method) for method in implemented or ["GET"]}
    return pairs
