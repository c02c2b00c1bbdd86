"""What the OpenAPI document adds to every operation: the common headers, the required scope, and the problems."""

from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiSerializerExtension, OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import build_basic_type
from drf_spectacular.utils import OpenApiParameter

from accounts.api import schema as api_key_scheme  # noqa: F401 - registers itself
from core.http.idempotency import KEY_PATTERN, MAX_KEY_LENGTH
from core.http.problems import CONTENT_TYPE
from core.numbers import MAX_BIGINT

REQUEST_ID = OpenApiParameter(
    "X-Request-Id",
    str,
    OpenApiParameter.HEADER,
    description="Your id for this request, 8 to 64 letters, digits, or characters of . _ -; the response returns it.",
)
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": MAX_KEY_LENGTH, "pattern": f"^{KEY_PATTERN}$"},
    OpenApiParameter.HEADER,
    description=(
        "Up to 255 characters of your choice. Repeating a request with its key has no second "
        "effect. Keys are kept for 24 hours, up to a limit per caller; beyond it, a new key "
        "is answered with 429 `too_many_idempotency_keys`."
    ),
)

# The part of the rule for text (see core.characters) that fits in a one-line pattern.
NO_CONTROLS = r"^[^\u0000-\u0008\u000e-\u001b\u007f-\u0084\u0086-\u009f]*$"

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
                    "field": {
                        "type": "string",
                        "description": "Place in the body, as in `address.city` or `tags[0]`, or the query parameter.",
                    },
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
    "405": ("method_not_allowed", 'Method "PATCH" not allowed.'),
    "406": ("not_acceptable", "Could not satisfy the request Accept header."),
    "409": ("idempotency_key_in_flight", "Wait for the first request to be answered, then repeat this one."),
    "411": ("length_required", "Send the body with a Content-Length."),
    "413": ("body_too_large", "The body is larger than 1,000,000 bytes."),
    "415": ("unsupported_media_type", 'Unsupported media type "text/plain" in request.'),
    "422": ("invalid", "learner_profile.email: Enter a valid email address."),
    "429": ("throttled", "Request was throttled. Expected available in 21 seconds."),
    "503": ("unavailable", "Nothing was changed. Repeat the request."),
}
TITLES = {
    "400": "The request or its body can't be read",
    "401": "No API key, or an invalid one",
    "403": "The key lacks the scope",
    "404": "Not in this workspace",
    "405": "The method is not allowed; see Allow",
    "406": "Accept names no type that is available here",
    "409": "Conflicts with the current state",
    "411": "The body came without its length",
    "413": "The body is too large",
    "415": "Not JSON in UTF-8",
    "422": "The request does not validate",
    "429": "Too many requests, or too many Idempotency-Keys kept; see Retry-After",
    "503": "Busy or waiting for a vendor; nothing was changed, see Retry-After",
}
WRITES = ("post", "put", "patch")


class TextSchema(OpenApiSerializerFieldExtension):
    target_class = "core.http.fields.TextField"
    match_subclasses = True

    def map_serializer_field(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        schema = build_basic_type(str) or {}
        return schema | {"pattern": NO_CONTROLS} if direction == "request" else schema


class SerializerSchema(OpenApiSerializerExtension):
    """Adds the constraints between a serializer's fields: its `schema_rules`, in the words of JSON Schema."""

    target_class = "rest_framework.serializers.Serializer"
    match_subclasses = True

    def map_serializer(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        schema: dict[str, Any] = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)
        return schema | getattr(self.target, "schema_rules", {})


class ApiSchema(AutoSchema):
    """Adds what all operations share: the common headers, and the scope that the view declares."""

    def get_override_parameters(self) -> list[Any]:
        handler = getattr(self.view, self.method.lower())
        takes_keys = getattr(handler, "takes_keys", self.method == "POST") and bool(self.view.get_authenticators())
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
            for parameter in operation.get("parameters", ()):
                _bound(parameter)
            _require_body(operation, components["schemas"])
            named = {status for status in operation["responses"] if status in PROBLEMS}
            for status in sorted(named.union(_statuses(address, method, operation))):
                operation["responses"][status] = {"$ref": f"#/components/responses/Problem{status}"}
    return result


def _require_body(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Require a body whose fields are all optional but may not all be missing."""
    for content in operation.get("requestBody", {}).get("content", {}).values():
        name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
        if "anyOf" in schemas.get(name, {}):
            operation["requestBody"]["required"] = True


def _bound(parameter: dict[str, Any]) -> None:
    """Add the limits that `core.numbers` and `core.query` enforce to path and query parameters."""
    schema = parameter["schema"]
    if parameter["in"] not in ("path", "query"):
        return
    schema.pop("nullable", None)  # no address can contain null
    if schema.get("type") == "integer":
        schema.setdefault("minimum", 0)
        schema.setdefault("maximum", MAX_BIGINT)
    elif schema.get("type") == "string":
        schema.setdefault("minLength", 1)
        if schema.get("default") == "":
            del schema["default"]  # a missing parameter is ignored; an empty one is refused
        if not {"format", "enum", "pattern"} & set(schema):
            schema["pattern"] = NO_CONTROLS


def _statuses(address: str, method: str, operation: dict[str, Any]) -> list[str]:
    # Possible for every operation: the address, the headers, and the method may be at fault.
    statuses = ["400", "405", "406", "411", "413", "415", "429", "503"]
    if any(operation.get("security", ())):
        statuses += ["401", "403"]
    if "{" in address:
        statuses.append("404")
    if method in (*WRITES, "delete"):
        statuses.append("409")
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
