"""What integrators are told about erased people."""

from dataclasses import dataclass
from typing import ClassVar

from events.event import DomainEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnerErased(DomainEvent):
    """Nothing is known of the learner anymore. Integrators who read their data through the API should delete it too."""

    learner_cuid: str
    merged_learner_cuids: list[str]
    type: ClassVar[str] = "learner.erased"

    @property
    def aggregate(self) -> str:
        return f"learner:{self.learner_cuid}"
