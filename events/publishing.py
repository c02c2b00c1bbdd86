"""`publish()`: the one way a fact leaves an app.

The outbox rows and the in-process reactions belong to the transaction that made the facts true: all of it commits or
none of it does.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Protocol, TypeVar

from django.db import connection
from django.db.models import Max

from enrollment_project.core.clock import utc_now
from enrollment_project.core.rows import insert_rows

from .models import OutboxEvent


class DomainEvent(Protocol):
    """A frozen dataclass in the past tense. `type` is its public name, `starts_aggregate` says that nothing about the
    aggregate can have been published before (its row was made in this transaction)."""

    type: ClassVar[str]
    starts_aggregate: ClassVar[bool]

    @property
    def workspace_id(self) -> int: ...

    @property
    def aggregate(self) -> str: ...

    def payload(self) -> dict[str, Any]: ...


E = TypeVar("E", bound=DomainEvent)
Handler = Callable[[Any], None]
_handlers: dict[type, list[Handler]] = defaultdict(list)


class PublishedOutsideTransaction(RuntimeError):
    """An event was published where nothing guarantees that its fact will be committed: a bug."""


def handles(event_type: type[E]) -> Callable[[Callable[[E], None]], Callable[[E], None]]:
    """Register a reaction that runs inside the publishing transaction. It may raise, and then nothing has happened."""

    def register(handler: Callable[[E], None]) -> Callable[[E], None]:
        if handler not in _handlers[event_type]:
            _handlers[event_type].append(handler)
        return handler

    return register


def publish(*events: DomainEvent, now: dt.datetime | None = None) -> None:
    """Write the events to the outbox in their order and run their in-process handlers.

    Raises PublishedOutsideTransaction without a transaction. Two transactions that publish about the same aggregate at
    once can't both commit the same sequence number; callers hold the aggregate's row lock, so they never meet.
    """
    if not connection.in_atomic_block:
        raise PublishedOutsideTransaction(
            f"{events[0].type} must be published inside the transaction that made it true"
        )
    moment = now or utc_now()
    counters = _last_sequences(events)
    rows = []
    for event in events:
        counters[event.aggregate] += 1
        rows.append(
            OutboxEvent(
                workspace_id=event.workspace_id,
                type=event.type,
                aggregate=event.aggregate,
                sequence=counters[event.aggregate],
                payload=event.payload(),
                occurred_at=moment,
                next_attempt_at=moment,
            )
        )
    insert_rows(rows)
    for event in events:
        for handler in _handlers[type(event)]:
            handler(event)


def _last_sequences(events: Iterable[DomainEvent]) -> dict[str, int]:
    fresh = {event.aggregate for event in events if event.starts_aggregate}
    known = {event.aggregate for event in events} - fresh
    counters = dict.fromkeys(fresh, 0) | dict.fromkeys(known, 0)
    if known:
        last = OutboxEvent.objects.filter(aggregate__in=known).order_by().values("aggregate")
        counters |= {row["aggregate"]: row["last"] for row in last.annotate(last=Max("sequence"))}
    return counters
