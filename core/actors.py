"""Who did something: recorded with each transition, and kept as text so the trail outlives the person's account."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Actor:
    """`user:7`, `key:3`, `guardian:12`, `stripe` or `system`; ids only, never names."""

    kind: str
    id: int | None = None

    def __str__(self) -> str:
        return self.kind if self.id is None else f"{self.kind}:{self.id}"

    @classmethod
    def read(cls, text: str) -> "Actor":
        """Parse the text that `str` of an actor returned."""
        kind, _, number = text.partition(":")
        return cls(kind, int(number) if number else None)


SYSTEM = Actor("system")
STRIPE = Actor("stripe")
