"""`publish()`: the one way a fact leaves an app.

The outbox rows and the in-process reactions belong to the transaction that made the facts true: all of it commits or
none of it does.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import groupby
from operator import attrgetter
from typing import Any, TypeVar

from django.db import connection

from core.ids import new_cuid
from core.rows import copy_rows

from .event import DomainEvent

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


def publish(*events: DomainEvent) -> None:
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
    _store(events)
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
_COLUMNS = ("cuid", "workspace_id", "type", "aggregate", "sequence", "payload")
_INTO = (
    "events_outboxevent (cuid, workspace_id, type, aggregate, sequence, payload, occurred_at, "
    "next_attempt_at, relay_status, relay_attempts, last_error)"
)
_INSERT = f"INSERT INTO {_INTO} VALUES "  # noqa: S608  (names of columns, no values)
# So many at once, as a job publishes them, go faster by COPY (`core.rows.insert_many`).
MANY = 100
_COPY = f"COPY {_INTO} FROM STDIN"
_LAST = "SELECT aggregate, max(sequence) FROM events_outboxevent WHERE aggregate {} GROUP BY aggregate"


def _store(events: Sequence[DomainEvent]) -> None:
    """Write the events' rows, each numbered within its aggregate: with one statement for all that share their moment,
    which the events of a use case do."""
    counters = _last_sequences(events)
    for moment, simultaneous in groupby(events, key=attrgetter("occurred_at")):
        at = connection.ops.adapt_datetimefield_value(moment)
        rows = []
        for event in simultaneous:
            counters[event.aggregate] += 1
            rows.append(_row(event, counters[event.aggregate]))
        if len(rows) >= MANY and connection.vendor == "postgresql":
            copy_rows(_COPY, [(*row, at, at, "pending", 0, "") for row in rows])
            continue
        values: dict[str, Any] = {"occurred_at": at}
        for number, row in enumerate(rows):
            values |= {f"{column}_{number}": value for column, value in zip(_COLUMNS, row, strict=True)}
        with connection.cursor() as cursor:
            cursor.execute(_insert(len(rows)), values)


def _row(event: DomainEvent, sequence: int) -> tuple[object, ...]:
    payload = connection.ops.adapt_json_value(event.payload(), None)
    return new_cuid(), event.workspace_id, event.type, event.aggregate, sequence, payload


@cache
def _insert(rows: int) -> str:
    return _INSERT + ", ".join(_placeholders(number) for number in range(rows))


def _placeholders(number: int) -> str:
    own = ", ".join(f"%({column}_{number})s" for column in _COLUMNS)
    return f"({own}, %(occurred_at)s, %(occurred_at)s, 'pending', 0, '')"


def _last_sequences(events: Iterable[DomainEvent]) -> dict[str, int]:
    fresh = {event.aggregate for event in events if event.starts_aggregate}
    known = {event.aggregate for event in events} - fresh
    counters = dict.fromkeys(fresh, 0) | dict.fromkeys(known, 0)
    if known:
        one_of, params = _one_of([*known])
        with connection.cursor() as cursor:
            cursor.execute(_LAST.format(one_of), params)
            counters |= dict(cursor.fetchall())
    return counters


def _one_of(names: list[str]) -> tuple[str, Sequence[Any]]:
    """A condition that holds for these names: as in `core.lookups`, one array where there are arrays."""
    if connection.vendor == "postgresql":
        return "= ANY(%s)", [names]
    return f"IN ({', '.join(['%s'] * len(names))})", names
