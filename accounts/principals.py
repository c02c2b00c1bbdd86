"""Whom a request speaks for."""

from dataclasses import dataclass

from rest_framework.exceptions import NotAuthenticated
from rest_framework.request import Request

from core.actors import Actor

from .models import User


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller that an API key speaks for: DRF's `request.user`. Everything they see belongs to `workspace_id`."""

    workspace_id: int
    scopes: frozenset[str]
    actor: Actor

    def __str__(self) -> str:
        return str(self.actor)

    @property
    def is_authenticated(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Person:
    """A signed-in student or guardian: `request.user` at the students' endpoints. Everything they see belongs to the
    learners they may act for, in any workspace."""

    user: User

    def __str__(self) -> str:
        return str(self.actor)

    @property
    def actor(self) -> Actor:
        return Actor("user", self.user.pk)

    @property
    def is_authenticated(self) -> bool:
        return True


def principal_of(request: Request) -> Principal:
    """Return the caller of a view that `HasScope` admitted."""
    if not isinstance(request.user, Principal):
        raise NotAuthenticated
    return request.user


def person_of(request: Request) -> Person:
    """Return the caller of a view that `IsProvenPerson` admitted."""
    if not isinstance(request.user, Person):
        raise NotAuthenticated
    return request.user
