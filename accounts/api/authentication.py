"""Who is calling: an API key in `Authorization: Bearer <key>` or `X-API-Key`."""

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from ..api_keys import find_principal
from ..principals import Principal


class ApiKeyAuthentication(BaseAuthentication):
    """Makes the key's Principal `request.user`. A key that does not work is 401, never treated as absent."""

    def authenticate(self, request: Request) -> tuple[Principal, None] | None:
        key = self._offered_key(request)
        if key is None:
            return None
        principal = find_principal(key)
        if principal is None:
            raise AuthenticationFailed("The API key is malformed, unknown, expired or revoked.")
        return principal, None

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'

    def _offered_key(self, request: Request) -> str | None:
        scheme, _, credentials = request.META.get("HTTP_AUTHORIZATION", "").strip().partition(" ")
        bearer = credentials.strip() if scheme.lower() == "bearer" else None
        header = request.META.get("HTTP_X_API_KEY")
        if bearer is not None and header is not None and bearer != header.strip():
            raise AuthenticationFailed("Two different API keys were sent; send one.")
        return bearer if bearer is not None else header and header.strip()
