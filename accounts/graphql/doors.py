"""Who may ask for a field: each field that leads to rows has a door, as each REST route does."""

from collections.abc import Callable
from typing import Any

from rest_framework.request import Request
from strawberry import Info
from strawberry.extensions import FieldExtension

from core.characters import storage_fault
from core.errors import invalid_field
from core.graphql.shapes import given

from ..api.permissions import require_scope
from ..families import require_family
from ..models import User
from ..principals import Principal, person_of, principal_of


class Door(FieldExtension):
    """Admits a caller to a field, and refuses text that a database can't store. Each root field has one."""

    def admit(self, request: Request) -> None:
        raise NotImplementedError

    def resolve(self, next_: Callable[..., Any], source: Any, info: Info, **kwargs: Any) -> Any:
        self.check(info, **kwargs)
        return next_(source, info, **kwargs)

    def check(self, info: Info, **kwargs: Any) -> None:
        """Raise the refusal for the caller or for a text among the arguments."""
        self.admit(info.context)
        for name, value in kwargs.items():
            if fault := _fault(given(value)):
                raise invalid_field(name, "invalid", fault)


class Needs(Door):
    """Admits API keys with a scope."""

    def __init__(self, scope: str) -> None:
        self.scope = scope

    def admit(self, request: Request) -> None:
        require_scope(request, self.scope)


class ForFamilies(Door):
    """Admits signed-in people with a proven mailbox."""

    def admit(self, request: Request) -> None:
        require_family(person_of(request).user)


class ForKeys(Door):
    """Admits API keys with any scope: the fields inside check the scopes they need."""

    def admit(self, request: Request) -> None:
        principal_of(request)


def caller_of(info: Info) -> Principal:
    """Return the API key's principal behind a field that `Needs` a scope."""
    return principal_of(info.context)


def user_of(info: Info) -> User:
    """Return the person behind a field that is `ForFamilies`."""
    return person_of(info.context).user


def _fault(value: Any) -> str:
    """Return what is wrong with the first text in the input that can't be stored."""
    if isinstance(value, dict):
        return next((fault for pair in value.items() for each in pair if (fault := _fault(each))), "")
    if isinstance(value, list):
        return next((fault for each in value if (fault := _fault(each))), "")
    return storage_fault(value) if isinstance(value, str) else ""
