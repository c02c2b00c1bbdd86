"""What every event carries, and how its payload is spelled."""

import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, ClassVar, Final

from core.clock import utc_text

# What this process's reactions need and nobody outside receives: `reason: str = field(metadata=FOR_REACTIONS)`.
FOR_REACTIONS: Final[Mapping[str, bool]] = {"published": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainEvent(ABC):
    """A fact about one aggregate, named in the past tense. An app states its own as frozen dataclasses in its
    `events.py`; docs/how-to/event.md leads through it.

    `type` is its public name. `starts_aggregate` says that nothing can have been published about the aggregate before,
    because its row was created in this transaction. `personal` names the payload fields that are sent only by the
    stream and the feed, and never in a webhook. The outbox gives each event its id and its number in the aggregate.
    """

    workspace_id: int
    occurred_at: dt.datetime

    type: ClassVar[str]
    starts_aggregate: ClassVar[bool] = False
    personal: ClassVar[frozenset[str]] = frozenset()

    @property
    @abstractmethod
    def aggregate(self) -> str:
        """Return what the event is about, as `kind:id`: consumers order by `sequence` within it."""

    def payload(self) -> dict[str, Any]:
        """Return what consumers receive: these fields and those of the class, as in `docs/events/<type>.json`."""
        return {key: _json_value(getattr(self, name)) for name, key in _published(type(self))}


def event_types() -> dict[str, type[DomainEvent]]:
    """Return every type that the apps state, by its public name."""
    stated = _stated(DomainEvent)  # type: ignore[type-abstract]  # nothing is made of it
    return {event.type: event for event in stated if "type" in vars(event)}


def _stated(kind: type[DomainEvent]) -> Iterator[type[DomainEvent]]:
    for event in kind.__subclasses__():
        yield event
        yield from _stated(event)


def spelled(name: str) -> str:
    """Return a field's name as consumers read it: `amount_minor` is `amountMinor`; a CUID is the id (`learner_cuid` is
    `learnerId`), since consumers know a learner by no other."""
    first, *rest = name.replace("_cuid", "_id").split("_")
    return first + "".join(word.capitalize() for word in rest)


@cache
def _published(event_type: type[DomainEvent]) -> tuple[tuple[str, str], ...]:
    carried_by_all = {field.name for field in fields(DomainEvent)}
    return tuple(
        (field.name, spelled(field.name))
        for field in fields(event_type)
        if field.name not in carried_by_all and field.metadata.get("published", True)
    )


def _json_value(value: object) -> object:
    if isinstance(value, dt.datetime):
        return utc_text(value)
    return value.isoformat() if isinstance(value, dt.date) else value
