"""What the relay needs from a stream, in our words."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from core.errors import Unavailable


@dataclass(frozen=True, slots=True)
class RelayedEvent:
    """An event as consumers receive it: at least once, identified by `id` and ordered by `sequence` in its aggregate.
    `workspace` is the slug."""

    id: str
    type: str
    aggregate: str
    sequence: int
    workspace: str
    occurred_at: dt.datetime
    payload: dict[str, Any]


class StreamUnavailable(Unavailable):
    """The stream did not answer; it may or may not have some of the events."""

    code = "event_stream_unavailable"
    title = "The event stream does not answer"
    address_setting = "REDIS_URL"


class EventStream(Protocol):
    def append(self, events: Sequence[RelayedEvent]) -> list[str]:
        """Hand events on in order. Returns one text per event: empty if the stream has it, otherwise why it was
        refused. Raises StreamUnavailable."""
        ...
