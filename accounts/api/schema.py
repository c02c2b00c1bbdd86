"""How the OpenAPI document describes API keys."""

from drf_spectacular.extensions import OpenApiAuthenticationExtension


class ApiKeyScheme(OpenApiAuthenticationExtension):
    target_class = "accounts.api.authentication.ApiKeyAuthentication"
    name = ["bearerKey", "headerKey"]

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
