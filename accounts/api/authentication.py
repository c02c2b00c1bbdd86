"""Who is calling: an API key in `Authorization: Bearer <key>` or `X-API-Key`, or a signed-in person."""

import structlog
from django.conf import settings
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

from core.clock import utc_now

from ..api_keys import find_principal
from ..principals import Person, Principal


class ApiKeyAuthentication(BaseAuthentication):
    """Makes the key's Principal `request.user`. A key that does not work gets a 401; it is never treated as absent."""

    def authenticate(self, request: Request) -> tuple[Principal, None] | None:
        key = self._offered_key(request)
        if key is None:
            return None
        principal = find_principal(key, now=utc_now())
        if principal is None:
            raise AuthenticationFailed("The API key is malformed, unknown, expired or revoked.")
        structlog.contextvars.bind_contextvars(workspace_id=principal.workspace_id)
        return principal, None

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'

    def _offered_key(self, request: Request) -> str | None:
        scheme, _, credentials = request.META.get("HTTP_AUTHORIZATION", "").strip().partition(" ")
        bearer = credentials.strip() if scheme.lower() == "bearer" else None
        header = request.META.get("HTTP_X_API_KEY")
        if bearer is not None and header is not None and bearer != header.strip():
            raise AuthenticationFailed("The request carries two different API keys; send one.")
        return bearer if bearer is not None else header and header.strip()


class StudentSession(SessionAuthentication):
    """Makes the session cookie's Person `request.user`. Requests that change something need the CSRF token too.

    API keys are ignored: an integrator's key must not open a family's own data.
    """

    def authenticate(self, request: Request) -> tuple[Person, None] | None:
        found = super().authenticate(request)
        return (Person(found[0]), None) if found else None

    def authenticate_header(self, request: Request) -> str:
        return 'Session realm="api"'

    def enforce_csrf(self, request: Request) -> None:
        try:
            super().enforce_csrf(request)
        except PermissionDenied as refused:
            detail = (
                f"{refused.detail} Send the value of the {settings.CSRF_COOKIE_NAME} cookie in the X-CSRFToken header."
            )
            raise PermissionDenied(detail, code="csrf_failed") from refused
