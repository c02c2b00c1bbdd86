"""What the caller may do: each view names the scope that each of its methods requires."""

from typing import TYPE_CHECKING

from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from ..families import AddressUnproven, find_family
from ..principals import Person, Principal, principal_of

if TYPE_CHECKING:  # rest_framework.views imports the classes named in the settings, including this module's
    from rest_framework.views import APIView


class HasScope(BasePermission):
    """Admits a key that has the method's scope.

    A view declares `required_scopes = {"GET": "decisions:read", "POST": "decisions:write"}` (HEAD counts as GET). A
    method that it implements without naming a scope is refused to everybody: a forgotten scope closes the door instead
    of opening it.
    """

    code = "scope_missing"

    def has_permission(self, request: Request, view: "APIView") -> bool:
        principal = request.user
        if not isinstance(principal, Principal):
            return False
        method = "GET" if request.method == "HEAD" else str(request.method)
        scope = getattr(view, "required_scopes", {}).get(method)
        if scope is None:
            self.message = "No API key may do this."
            return method not in view.allowed_methods or method == "OPTIONS"  # the view answers those with a 405
        self.message = _lacks(scope)
        return scope in principal.scopes


def _lacks(scope: str) -> str:
    return f"The API key lacks the scope {scope}."


def require_scope(request: Request, scope: str) -> Principal:
    """Return the caller, whose key has the scope. Raises NotAuthenticated without a key, and PermissionDenied."""
    principal = principal_of(request)
    if scope not in principal.scopes:
        raise PermissionDenied(_lacks(scope), code=HasScope.code)
    return principal


class IsKnown(BasePermission):
    """Admits API keys and signed-in people where the requested object decides what they need."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        return isinstance(request.user, Principal | Person)


class IsProvenPerson(BasePermission):
    """Admits signed-in people who have entered a code mailed to their address: families' data is found by address, so
    an unproven address must show nothing."""

    code = AddressUnproven.code
    message = f"{AddressUnproven.title}."

    def has_permission(self, request: Request, view: "APIView") -> bool:
        return isinstance(request.user, Person) and find_family(request.user.user) is not None
