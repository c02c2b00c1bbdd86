"""`publish()`: the only way a fact leaves an app.

The outbox rows and the in-process reactions belong to the transaction that made the facts true: all of it commits or
none of it does.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from itertools import groupby
from operator import attrgetter
from typing import Any, TypeVar

from django.db import connection

from core.ids import new_cuid
from core.rows import copy_rows
from core.statements import fetch_rows, run_statement

from .event import DomainEvent

E = TypeVar("E", bound=DomainEvent)
Handler = Callable[[Any], None]
_handlers: dict[type, list[Handler]] = defaultdict(list)
_joint_handlers: dict[type, list[Handler]] = defaultdict(list)


class PublishedOutsideTransaction(RuntimeError):
    """An event was published where nothing guarantees that its fact will be committed: a bug."""


def handles(event_type: type[E]) -> Callable[[Callable[[E], None]], Callable[[E], None]]:
    """Register a reaction that runs inside the publishing transaction. If it raises, nothing has happened."""

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
    """Write the events to the outbox in order and run their in-process handlers. Without events, do nothing.

    Raises PublishedOutsideTransaction without a transaction. Two transactions that publish about the same aggregate at
    once can't both commit the same sequence number; callers hold the aggregate's row lock, so they never conflict.
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


# Columns are named here instead of taken from the model: these are most of the rows that a request writes, and they
# differ in only five values. `tests/test_publishing.py` compares the statement with the model. The moment is passed
# once: psycopg remembers how to translate statements of up to 50 values, and routing a learner publishes eight events.
_COLUMNS = ("cuid", "workspace_id", "type", "aggregate", "sequence", "payload")
_INTO = (
    "events_outboxevent (cuid, workspace_id, type, aggregate, sequence, payload, occurred_at, "
    "next_attempt_at, relay_status, relay_attempts, last_error)"
)
_INSERT = f"INSERT INTO {_INTO} VALUES "  # noqa: S608  (names of columns, no values)
# From this many at once, as a job publishes them, COPY is faster (`core.rows.insert_many`).
MANY = 100
_COPY = f"COPY {_INTO} FROM STDIN"
_LAST = "SELECT aggregate, max(sequence) FROM events_outboxevent WHERE aggregate = ANY(%s) GROUP BY aggregate"
_LAST_OF = "SELECT max(sequence) FROM events_outboxevent WHERE aggregate ="


def _store(events: Sequence[DomainEvent]) -> None:
    """Write the events' rows, each numbered within its aggregate: one statement for all that share their moment, as the
    events of a use case do."""
    fresh = dict.fromkeys((event.aggregate for event in events if event.starts_aggregate), 0)
    for moment, simultaneous in groupby(events, key=attrgetter("occurred_at")):
        together = list(simultaneous)
        at = connection.ops.adapt_datetimefield_value(moment)
        if len(together) >= MANY and connection.vendor == "postgresql":
            rows = _numbered(together, _last_sequences(together) | fresh)
            copy_rows(_COPY, [(*row, at, at, "pending", 0, "") for row in rows])
        else:
            _insert_together(together, fresh, at)
        for event in together:
            if event.aggregate in fresh:
                fresh[event.aggregate] += 1


def _insert_together(events: Sequence[DomainEvent], fresh: Mapping[str, int], at: Any) -> None:
    """Insert together. Numbers continue from those of `fresh` aggregates; the statement itself looks up the last number
    of the others.
    """
    values: dict[str, Any] = {"occurred_at": at}
    for number, row in enumerate(_numbered(events, fresh)):
        values |= {f"{column}_{number}": value for column, value in zip(_COLUMNS, row, strict=True)}
    run_statement(_insert(tuple(event.aggregate in fresh for event in events)), values)


def _numbered(events: Sequence[DomainEvent], last: Mapping[str, int]) -> list[tuple[object, ...]]:
    counters = Counter(last)
    rows = []
    for event in events:
        counters[event.aggregate] += 1
        rows.append(_row(event, counters[event.aggregate]))
    return rows


def _row(event: DomainEvent, sequence: int) -> tuple[object, ...]:
    payload = connection.ops.adapt_json_value(event.payload(), None)
    return new_cuid(), event.workspace_id, event.type, event.aggregate, sequence, payload


@cache
def _insert(are_fresh: tuple[bool, ...]) -> str:
    return _INSERT + ", ".join(_placeholders(number, is_fresh) for number, is_fresh in enumerate(are_fresh))


def _placeholders(number: int, is_fresh: bool) -> str:
    own = {column: f"%({column}_{number})s" for column in _COLUMNS}
    if not is_fresh:
        own["sequence"] += f" + COALESCE(({_LAST_OF} CAST({own['aggregate']} AS varchar)), 0)"
    return f"({', '.join(own.values())}, %(occurred_at)s, %(occurred_at)s, 'pending', 0, '')"


def _last_sequences(events: Iterable[DomainEvent]) -> dict[str, int]:
    return dict(fetch_rows(_LAST, [list({event.aggregate for event in events})]))
