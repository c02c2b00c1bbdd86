"""What the caller may do: each view names the scope each of its methods needs."""

from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from ..families import AddressUnproven, find_family
from ..principals import Person, Principal

if TYPE_CHECKING:  # rest_framework.views imports the classes of the settings, this module's among them
    from rest_framework.views import APIView


class HasScope(BasePermission):
    """Lets a key with the method's scope through.

    A view says `required_scopes = {"GET": "decisions:read", "POST": "decisions:write"}` (HEAD counts as GET). A method
    it implements without naming a scope is refused to everybody: forgetting one closes the door instead of opening it.
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
            return method not in view.allowed_methods or method == "OPTIONS"  # the view answers those with 405
        self.message = f"The API key lacks the scope {scope}."
        return scope in principal.scopes


class IsProvenPerson(BasePermission):
    """Lets somebody through who signed in and whose mailbox a code has shown to be theirs: what families see is found
    by their address, so a mere claim to it must show nothing."""

    code = AddressUnproven.code
    message = f"{AddressUnproven.title}."

    def has_permission(self, request: Request, view: "APIView") -> bool:
        return isinstance(request.user, Person) and find_family(request.user.user) is not None
