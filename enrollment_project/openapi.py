"""What the OpenAPI document says of every operation: the common headers, the scope it needs, and its problems."""

from typing import Any

from django.conf import settings
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter

from accounts.api import schema as api_key_scheme  # noqa: F401 - registers itself

from .core.problems import CONTENT_TYPE

REQUEST_ID = OpenApiParameter(
    "X-Request-Id",
    str,
    OpenApiParameter.HEADER,
    description="Your id for this request, 8 to 64 of letters, digits and . _ -; comes back on the answer.",
)
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="Up to 255 characters of your choice. Repeating a request with its key has no second effect.",
)

PROBLEM_SCHEMA = {
    "type": "object",
    "description": "What went wrong (RFC 9457). `code` is stable; `detail` is for people.",
    "required": ["type", "title", "status", "detail", "code", "request_id"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "code", "detail"],
                "properties": {
                    "field": {"type": "string", "description": "Dotted path in the body, or the query parameter."},
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}
# status -> code and detail of an example
PROBLEMS = {
    "400": ("parse_error", "The body is not valid JSON: Expecting value: line 1 column 7 (char 6)"),
    "401": ("authentication_failed", "The API key is malformed, unknown, expired or revoked."),
    "403": ("scope_missing", "The API key lacks the scope decisions:write."),
    "404": ("not_found", "There is no decision 12 in this workspace."),
    "409": ("idempotency_key_in_flight", "Wait for the first request to be answered, then repeat this one."),
    "422": ("invalid", "learner_profile.email: Enter a valid email address."),
    "429": ("throttled", "Request was throttled. Expected available in 21 seconds."),
    "503": ("unavailable", "Nothing was changed. Repeat the request."),
}
TITLES = {
    "400": "The body is not JSON",
    "401": "No key, or one that does not work",
    "403": "The key lacks the scope",
    "404": "Not in this workspace",
    "409": "Conflicts with the present state",
    "422": "The request does not validate",
    "429": "Too many requests; see Retry-After",
    "503": "Busy or waiting for a vendor; nothing was changed, see Retry-After",
}
WRITES = ("post", "put", "patch")


class ApiSchema(AutoSchema):
    """Adds what holds for all operations: the common headers, and the scope that the view declares."""

    def get_override_parameters(self) -> list[Any]:
        takes_keys = self.method == "POST" and bool(self.view.get_authenticators())
        return [IDEMPOTENCY_KEY, REQUEST_ID] if takes_keys else [REQUEST_ID]

    def get_summary(self) -> str | None:
        first_line = str(super().get_description()).partition("\n")[0]
        return super().get_summary() or first_line.rstrip(".") or None

    def get_description(self) -> str:  # type: ignore[override]  # spectacular drops what DRF passes
        description: str = super().get_description()
        scope = getattr(self.view, "required_scopes", {}).get(self.method)
        return f"{description}\n\nNeeds the scope `{scope}`." if scope else description


def document_problems(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """Give each operation the problems it can answer with, by reference."""
    components = result.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = PROBLEM_SCHEMA
    components["responses"] = {f"Problem{status}": _response(status) for status in PROBLEMS}
    for address, methods in result["paths"].items():
        for method, operation in methods.items():
            for status in _statuses(address, method, operation):
                operation["responses"].setdefault(status, {"$ref": f"#/components/responses/Problem{status}"})
    return result


def _statuses(address: str, method: str, operation: dict[str, Any]) -> list[str]:
    statuses = ["429", "503"]
    if any(operation.get("security", ())):
        statuses += ["401", "403"]
    if "{" in address:
        statuses.append("404")
    if method in WRITES:
        statuses += ["400", "409"]
    if method in WRITES or any(parameter["in"] == "query" for parameter in operation.get("parameters", ())):
        statuses.append("422")
    return sorted(statuses)


def _response(status: str) -> dict[str, Any]:
    code, detail = PROBLEMS[status]
    example: dict[str, Any] = {
        "type": f"{settings.PUBLIC_URL}/problems/{code}",
        "title": TITLES[status],
        "status": int(status),
        "detail": detail,
        "code": code,
        "request_id": "tz4a98xxat96iws9zmbrgj3a",
    }
    if status == "422":
        field, _, wrong = detail.partition(": ")
        example["errors"] = [{"field": field, "code": "invalid", "detail": wrong}]
    return {
        "description": TITLES[status],
        "content": {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}},
    }
