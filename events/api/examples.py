"""Examples for the OpenAPI document."""

from drf_spectacular.utils import OpenApiExample

CREATE_ENDPOINT = OpenApiExample(
    "All enrollment events, and completed courses",
    request_only=True,
    value={
        "url": "https://lms.example.org/webhooks/enrollment",
        "eventTypes": ["enrollment.*", "package.completed"],
        "description": "Learning management system",
    },
)
CHANGE_ENDPOINT = OpenApiExample("Off for a while", request_only=True, value={"enabled": False})
REPLAY = OpenApiExample(
    "A night in which the receiver lost its events",
    request_only=True,
    value={"since": "2026-09-01T22:00:00Z", "until": "2026-09-02T06:00:00Z"},
)
