"""Who a request speaks for."""

from dataclasses import dataclass

from rest_framework.request import Request

from enrollment_project.core.actors import Actor


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever an API key speaks for: DRF's `request.user`. Everything they see belongs to `workspace_id`."""

    workspace_id: int
    scopes: frozenset[str]
    actor: Actor

    def __str__(self) -> str:
        return str(self.actor)

    @property
    def is_authenticated(self) -> bool:
        return True


def principal_of(request: Request) -> Principal:
    """The caller of a view that `HasScope` let them into."""
    assert isinstance(request.user, Principal), "HasScope lets nobody else in"
    return request.user
