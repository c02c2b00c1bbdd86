"""Every API error as `application/problem+json` (RFC 9457), with code, request_id, and the fields at fault."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, JsonResponse
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings

from ..database_errors import is_database_busy
from ..errors import DomainError, FieldError, in_one_sentence, item_of
from .middleware import current_request_id
from .throttling import wait_of_stranger

log = structlog.get_logger(__name__)

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_LOCK_TIMEOUT = 2


def problem(
    *,
    status: int,
    code: str,
    title: str = "",
    detail: str = "",
    errors: tuple[FieldError, ...] = (),
    retry_after: int | None = None,
    **extra: object,
) -> Response:
    """Return a problem document as a DRF response; `retry_after` is in seconds, `extra` become its members."""
    body = _document(current_request_id(), status, code, title, detail, errors) | extra
    headers = {"Retry-After": str(retry_after)} if retry_after is not None else None
    return Response(body, status=status, headers=headers, content_type=CONTENT_TYPE)


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's EXCEPTION_HANDLER. Anything it does not know stays an exception (a 500, logged with its traceback)."""
    if isinstance(error, DomainError):
        return problem(
            status=error.status,
            code=error.code,
            title=error.title,
            detail=error.detail,
            errors=error.errors,
            retry_after=getattr(error, "retry_after", None),
            **error.extra,
        )
    if is_database_busy(error):
        cause = error.__cause__ or error
        log.warning("database_unavailable", error=type(cause).__name__, sqlstate=getattr(cause, "sqlstate", None))
        return problem(
            status=503,
            code="database_busy",
            detail="The database is busy or away. Repeat the request.",
            retry_after=RETRY_AFTER_LOCK_TIMEOUT,
        )
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    if isinstance(error, exceptions.ValidationError):
        fields = tuple(_field_errors(error.get_full_details()))
        return problem(
            status=422,
            code="invalid",
            title="The request does not validate",
            detail=in_one_sentence(fields),
            errors=fields,
        )
    if isinstance(error, exceptions.APIException):
        return _api_problem(_throttled_if_too_many(error, context["request"]), context["request"])
    return None


def _throttled_if_too_many(error: exceptions.APIException, request: Request) -> exceptions.APIException:
    """Return the refusal, or "too many requests": callers refused at the door are counted too."""
    at_the_door = (exceptions.AuthenticationFailed, exceptions.NotAuthenticated, exceptions.PermissionDenied)
    wait = wait_of_stranger(request) if isinstance(error, at_the_door) else None
    return error if wait is None else exceptions.Throttled(wait)


def _api_problem(error: exceptions.APIException, request: Request) -> Response:
    wait = getattr(error, "wait", None)
    detail = str(error.detail)
    if isinstance(error, exceptions.UnsupportedMediaType):
        readable = " or ".join(parser.media_type for parser in request.parsers or ())
        detail += f" Send a body with Content-Type: {readable}."
    response = problem(
        status=error.status_code,
        code=str(error.get_codes()),
        detail=detail,
        retry_after=int(wait) + 1 if wait is not None else None,
    )
    if challenge := getattr(error, "auth_header", None):
        response["WWW-Authenticate"] = challenge
    return response


def _field_errors(details: Any, path: str = "") -> Iterator[FieldError]:
    """Flatten DRF's nested details to one entry per fault, by its place in the body."""
    if isinstance(details, dict) and set(details) == {"message", "code"} and not isinstance(details["code"], dict):
        yield FieldError(path or "body", str(details["code"]), str(details["message"]))
    elif isinstance(details, dict):
        for name, inner in details.items():
            yield from _field_errors(inner, _place(path, name))
    elif isinstance(details, list):
        for position, inner in enumerate(details):
            is_item = isinstance(inner, dict) and set(inner) != {"message", "code"}
            yield from _field_errors(inner, item_of(path, position) if is_item else path)


def _place(path: str, name: str | int) -> str:
    """Return the place of a list item: DRF keys list items by position."""
    if isinstance(name, int):
        return item_of(path, name)
    here = "" if name == api_settings.NON_FIELD_ERRORS_KEY else name
    return ".".join(part for part in (path, here) if part)


def problem_response(
    request: HttpRequest, *, status: int, code: str, detail: str, errors: tuple[FieldError, ...] = ()
) -> JsonResponse:
    """Return a problem document outside DRF: unknown /api/ paths, bad hosts, server errors."""
    body = _document(getattr(request, "request_id", ""), status, code, "", detail, errors)
    return JsonResponse(body, status=status, content_type=CONTENT_TYPE)


def _document(
    request_id: str, status: int, code: str, title: str, detail: str, errors: tuple[FieldError, ...]
) -> dict[str, Any]:
    phrase = HTTPStatus(status).phrase
    body: dict[str, Any] = {
        "type": f"{settings.PUBLIC_URL}/problems/{code}",
        "title": title or phrase,
        "status": status,
        "detail": detail or title or phrase,
        "code": code,
        "request_id": request_id,
    }
    if errors:
        body["errors"] = [{"field": error.field, "code": error.code, "detail": error.detail} for error in errors]
    return body
