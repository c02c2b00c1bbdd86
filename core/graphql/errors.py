"""Refusals of GraphQL operations: the problem document that REST would return, as a field's error."""

from typing import Any

import structlog
from graphql import GraphQLError
from rest_framework.request import Request

from ..http.problems import exception_handler, problem

log = structlog.get_logger(__name__)


def error_document(error: GraphQLError, request: Request) -> dict[str, Any]:
    """Return the error as clients read it: `message` for people, `extensions.code`, and the problem's other members."""
    cause = error.original_error
    while isinstance(cause, GraphQLError):  # raised for a value that does not fit its variable's type
        cause = cause.original_error
    told: dict[str, Any] = {"message": error.message}
    if error.locations:
        told["locations"] = [{"line": place.line, "column": place.column} for place in error.locations]
    if error.path:
        told["path"] = error.path
    if cause is None:  # the document, or the values sent with it, are at fault
        return told | {"extensions": {"code": "graphql_document_invalid", "status": 400}}
    answer = exception_handler(cause, {"request": request})
    if answer is None:
        log.error("graphql_field_failed", path=error.path, error=type(cause).__name__, exc_info=cause)
        answer = problem(
            status=500, code="server_error", detail="Something went wrong on our side; we have a record of it."
        )
    members = dict(answer.data)
    message = members.pop("detail")
    if (wait := answer.headers.get("Retry-After")) is not None:
        members["retryAfter"] = int(wait)
    return told | {"message": message, "extensions": members}
