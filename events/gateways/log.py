from collections.abc import Sequence

import structlog

from .port import RelayedEvent

log = structlog.get_logger(__name__)


class LogStream:
    """Logs a line per event, with its ids and never its payload, which may contain an address."""

    def append(self, events: Sequence[RelayedEvent]) -> list[str]:
        for event in events:
            log.info(
                "event",
                id=event.id,
                type=event.type,
                aggregate=event.aggregate,
                sequence=event.sequence,
                workspace=event.workspace,
            )
        return [""] * len(events)
