"""What each `code` of the API's problems means and what to do about it: the page its `type` links to.

Errors that use cases raise explain themselves (see `core.errors.DomainError`); this module explains the rest, which
never gets that far.
"""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings

from core.errors import DomainError


@dataclass(frozen=True, slots=True)
class ProblemType:
    """One code, with every status it is answered with."""

    code: str
    statuses: tuple[int, ...]
    title: str
    meaning: str
    remedy: str


REMEDIES = {
    400: "Correct the request: detail says what is wrong. Repeating it unchanged gives the same answer.",
    401: "Send an API key that works, as Authorization: Bearer <key>, or sign in.",
    403: "Use a key with the scope that detail names, or sign in as somebody who may do this.",
    404: "Check the id and your key's workspace. Objects of other workspaces do not exist for you.",
    405: "Use one of the methods in the Allow header.",
    409: "Nothing was changed. Read the current state, decide again, and send a request that fits it.",
    410: "It has ended for good. Ask the sender for a new one.",
    413: "Send less in one request.",
    415: "Send JSON in UTF-8 with Content-Type: application/json.",
    422: "Correct the fields in errors, then send the request again. Nothing was changed.",
    429: "Wait for as many seconds as the Retry-After header says.",
    503: "Nothing is lost. Wait for as many seconds as the Retry-After header says, then repeat the same request.",
    500: "Repeat the request later. If it fails again, tell us its request_id.",
}
_AT_THE_EDGE = (
    (400, "bad_request", "The request is malformed", "The server could not read the request."),
    (400, "parse_error", "The body is not JSON", "The body could not be read as a JSON object."),
    (401, "not_authenticated", "No key", "The request carries no API key, or nobody is signed in."),
    (
        401,
        "authentication_failed",
        "The key is not valid",
        "The key is malformed, unknown, expired or revoked.",
    ),
    (403, "scope_missing", "The key lacks the scope", "Each operation needs one scope, and this key does not have it."),
    (403, "permission_denied", "Not allowed", "The caller may not do this."),
    (403, "forbidden", "Not allowed", "The caller may not do this."),
    (
        403,
        "csrf_failed",
        "The CSRF token is missing",
        "Changes in a session need the token from its cookie in a header.",
    ),
    (
        403,
        "https_required",
        "Plain HTTP",
        "The request came without encryption. It is not redirected, so that a key sent this way is noticed.",
    ),
    (405, "method_not_allowed", "Method not allowed", "The address exists but does not support this method."),
    (406, "not_acceptable", "Nothing acceptable", "The Accept header names no type that is available here."),
    (411, "length_required", "The length is missing", "The body came without a Content-Length."),
    (413, "body_too_large", "The body is too large", "Request bodies have a size limit."),
    (415, "unsupported_media_type", "Not JSON in UTF-8", "Only JSON in UTF-8 is read."),
    (
        429,
        "throttled",
        "Too many requests",
        "Each key, or each address without a key, may send a limited number of requests per minute.",
    ),
    (500, "server_error", "Something went wrong on our side", "We have a record of it under the request's id."),
    (503, "database_busy", "The database is busy", "Other requests were changing the same rows for too long."),
)
_OTHER_REMEDIES = {
    "csrf_failed": f"Send the value of the {settings.CSRF_COOKIE_NAME} cookie in the X-CSRFToken header.",
    "https_required": "Call the same address over https, and replace the key that was sent.",
    "address_unproven": "Sign in with the code that is mailed to your address.",
    "not_acceptable": "Send Accept: application/json, or leave the header out.",
    "length_required": "Send the body with a Content-Length.",
    "idempotency_key_in_flight": "Wait a second, then repeat the request with the same key.",
    "too_many_idempotency_keys": "Repeat requests with the key they had, send this one without a key, or wait for as "
    "many seconds as the Retry-After header says. Nothing was changed.",
    "idempotency_key_reused": "Use a new Idempotency-Key, or repeat the first request unchanged.",
}


def list_problem_types() -> list[ProblemType]:
    """Return every code that can be answered, in alphabetical order."""
    found: dict[str, ProblemType] = {}
    for status, code, title, meaning in _AT_THE_EDGE:
        found[code] = ProblemType(code, (status,), title, meaning, _remedy(code, status))
    for error in _refusals(DomainError):
        known = found.get(error.code)
        statuses = tuple(sorted({error.status, *(known.statuses if known else ())}))
        if known and known.meaning:
            found[error.code] = ProblemType(error.code, statuses, known.title, known.meaning, known.remedy)
        else:
            remedy = _remedy(error.code, error.status)
            found[error.code] = ProblemType(error.code, statuses, error.title, _meaning(error), remedy)
    return [found[code] for code in sorted(found)]


def get_problem_type(code: str) -> ProblemType | None:
    return next((kind for kind in list_problem_types() if kind.code == code), None)


def _refusals(base: type[DomainError]) -> Iterator[type[DomainError]]:
    yield base
    for error in base.__subclasses__():
        yield from _refusals(error)


def _meaning(error: type[DomainError]) -> str:
    """Return the first paragraph of the class's own docstring, not an inherited one."""
    own = error.__dict__.get("__doc__") or ""
    return " ".join(inspect.cleandoc(own).partition("\n\n")[0].replace("`", "").split())


def _remedy(code: str, status: int) -> str:
    return _OTHER_REMEDIES.get(code) or REMEDIES[status]
