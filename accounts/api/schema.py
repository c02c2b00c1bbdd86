"""How the OpenAPI document describes API keys and sessions."""

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension


class ApiKeyScheme(OpenApiAuthenticationExtension):
    target_class = "accounts.api.authentication.ApiKeyAuthentication"
    name = ["bearerKey", "headerKey"]

    def get_security_requirement(self, auto_schema: object) -> list[dict[str, list[str]]]:
        """Accept either header: listed in one object, both would be required."""
        return [{name: []} for name in self.name]

    def get_security_definition(self, auto_schema: object) -> list[dict[str, str]]:
        return [
            {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "ek_…",
                "description": "An API key with the scopes needed.",
            },
            {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same key, for simple clients."},
        ]


class StudentSessionScheme(OpenApiAuthenticationExtension):
    target_class = "accounts.api.authentication.StudentSession"
    name = "studentSession"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.SESSION_COOKIE_NAME,
            "description": "The session of somebody who signed in by an emailed code. Requests that change "
            f"something carry the {settings.CSRF_COOKIE_NAME} cookie and its value in the X-CSRFToken header.",
        }
