from dataclasses import dataclass

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
