"""`publish()`: the one way a fact leaves an app.

The outbox rows and the in-process reactions belong to the transaction that made the facts true: all of it commits or
none of it does.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any, ClassVar, Protocol, TypeVar

from django.db import connection

from core.clock import utc_now
from core.ids import new_cuid


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
_joint_handlers: dict[type, list[Handler]] = defaultdict(list)


class PublishedOutsideTransaction(RuntimeError):
    """An event was published where nothing guarantees that its fact will be committed: a bug."""


def handles(event_type: type[E]) -> Callable[[Callable[[E], None]], Callable[[E], None]]:
    """Register a reaction that runs inside the publishing transaction. It may raise, and then nothing has happened."""

    def register(handler: Callable[[E], None]) -> Callable[[E], None]:
        if handler not in _handlers[event_type]:
            _handlers[event_type].append(handler)
        return handler

    return register


def handles_together(event_type: type[E]) -> Callable[[Callable[[Sequence[E]], None]], Callable[[Sequence[E]], None]]:
    """Like `handles`, for a reaction that takes all events of the type that are published at once."""

    def register(handler: Callable[[Sequence[E]], None]) -> Callable[[Sequence[E]], None]:
        if handler not in _joint_handlers[event_type]:
            _joint_handlers[event_type].append(handler)
        return handler

    return register


def publish(*events: DomainEvent, now: dt.datetime | None = None) -> None:
    """Write the events to the outbox in their order and run their in-process handlers. No events: nothing to do.

    Raises PublishedOutsideTransaction without a transaction. Two transactions that publish about the same aggregate at
    once can't both commit the same sequence number; callers hold the aggregate's row lock, so they never meet.
    """
    if not events:
        return
    if not connection.in_atomic_block:
        raise PublishedOutsideTransaction(
            f"{events[0].type} must be published inside the transaction that made it true"
        )
    _store(events, now or utc_now())
    for event in events:
        for handler in _handlers[type(event)]:
            handler(event)
    for event_type, handlers in _joint_handlers.items():
        if found := [event for event in events if type(event) is event_type]:
            for handler in handlers:
                handler(found)


# The columns by name, not by way of the model: these are most of the rows that a request writes, and alike but for five
# values. `tests/test_publishing.py` holds the statement against the model. The moment is passed once: psycopg remembers
# how to translate statements of up to 50 values, and routing a learner publishes eight events.
_ROW = "(%(a{0})s, %(b{0})s, %(c{0})s, %(d{0})s, %(e{0})s, %(f{0})s, %(at)s, %(at)s, 'pending', 0, '')"
_INSERT = (
    "INSERT INTO events_outboxevent (cuid, workspace_id, type, aggregate, sequence, payload, occurred_at, "
    "next_attempt_at, relay_status, relay_attempts, last_error) VALUES "
)

_LAST = "SELECT aggregate, max(sequence) FROM events_outboxevent WHERE aggregate IN ({}) GROUP BY aggregate"


def _store(events: Sequence[DomainEvent], moment: dt.datetime) -> None:
    """Write the events' rows with one statement, each numbered within its aggregate."""
    counters = _last_sequences(events)
    to_json = connection.ops.adapt_json_value
    values: dict[str, Any] = {"at": connection.ops.adapt_datetimefield_value(moment)}
    for number, event in enumerate(events):
        counters[event.aggregate] += 1
        payload = to_json(event.payload(), None)
        row = (new_cuid(), event.workspace_id, event.type, event.aggregate, counters[event.aggregate], payload)
        values |= {f"{column}{number}": value for column, value in zip("abcdef", row, strict=True)}
    with connection.cursor() as cursor:
        cursor.execute(_insert(len(events)), values)


@cache
def _insert(rows: int) -> str:
    return _INSERT + ", ".join(_ROW.format(number) for number in range(rows))


def _last_sequences(events: Iterable[DomainEvent]) -> dict[str, int]:
    fresh = {event.aggregate for event in events if event.starts_aggregate}
    known = {event.aggregate for event in events} - fresh
    counters = dict.fromkeys(fresh, 0) | dict.fromkeys(known, 0)
    if known:
        names = ", ".join(["%s"] * len(known))
        with connection.cursor() as cursor:
            cursor.execute(_LAST.format(names), [*known])
            counters |= dict(cursor.fetchall())
    return counters
