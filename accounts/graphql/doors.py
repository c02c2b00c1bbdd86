"""Who may ask for a field: each field that leads to rows stands behind a door, as each route of REST does."""

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
    """Lets a caller through to a field, and no text that a database can't hold. Each root field has one."""

    def admit(self, request: Request) -> None:
        raise NotImplementedError

    def resolve(self, next_: Callable[..., Any], source: Any, info: Info, **kwargs: Any) -> Any:
        self.check(info, **kwargs)
        return next_(source, info, **kwargs)

    def check(self, info: Info, **kwargs: Any) -> None:
        """Raise what the caller, or a text among the arguments, is refused with."""
        self.admit(info.context)
        for name, value in kwargs.items():
            if fault := _fault(given(value)):
                raise invalid_field(name, "invalid", fault)


class Needs(Door):
    """For API keys with a scope."""

    def __init__(self, scope: str) -> None:
        self.scope = scope

    def admit(self, request: Request) -> None:
        require_scope(request, self.scope)


class ForFamilies(Door):
    """For people who signed in and whose mailbox is proven."""

    def admit(self, request: Request) -> None:
        require_family(person_of(request).user)


class ForKeys(Door):
    """For API keys with any scope: what is behind it asks for the scopes that it needs."""

    def admit(self, request: Request) -> None:
        principal_of(request)


def caller_of(info: Info) -> Principal:
    """The API key's principal behind a field that `Needs` a scope."""
    return principal_of(info.context)


def user_of(info: Info) -> User:
    """The person behind a field that is `ForFamilies`."""
    return person_of(info.context).user


def _fault(value: Any) -> str:
    """What is wrong with the first text in what was sent that can't be stored."""
    if isinstance(value, dict):
        return next((fault for pair in value.items() for each in pair if (fault := _fault(each))), "")
    if isinstance(value, list):
        return next((fault for each in value if (fault := _fault(each))), "")
    return storage_fault(value) if isinstance(value, str) else ""
