"""Reads from a copy of the database: only where requested, and only while the copy is recent enough.

`DATABASE_REPLICA_URL` names a streaming replica. Everything that does not go through `from_replica` is read from the
primary, and so is everything that is locked or written within it (docs/decisions/0155-reading-from-a-replica.md).
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import structlog
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from .database_errors import is_database_busy

log = structlog.get_logger(__name__)
REPLICA = "replica"
CHECKED_FOR = 1.0  # seconds after which we check again how far the replica has come
LEFT_ALONE_FOR = 10.0  # seconds after a failure
STOPPED_FOR_ITS_TIME = "57014"  # canceled by statement_timeout: the primary would take as long
AGE = "SELECT extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8"
_is_wanted: ContextVar[bool] = ContextVar("is_wanted", default=False)
Found = TypeVar("Found")


class Router:
    """Sends reads to the replica within `from_replica`, and everything else to the primary."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return REPLICA if _is_wanted.get() else DEFAULT_DB_ALIAS

    def db_for_write(self, model: Any, **hints: Any) -> str:
        """Return the primary, also for rows that will be locked."""
        return DEFAULT_DB_ALIAS

    def allow_relation(self, one: Any, other: Any, **hints: Any) -> bool:
        """Allow all relations: the rows belong to one database, wherever they were read."""
        return True

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return db != REPLICA


def has_replica() -> bool:
    return REPLICA in connections.databases


def from_replica(read: Callable[[], Found], *, within: float | None = None) -> Found:
    """Return what `read` finds, on the replica if it has everything committed up to `within` seconds ago (at most
    DATABASE_REPLICA_LAG_SECONDS), otherwise on the primary.

    `read` changes nothing and finishes its queries before it returns. If the replica fails midway, `read` is called
    once more on the primary.
    """
    bound = settings.DATABASE_REPLICA_LAG_SECONDS
    if not has_replica() or not _state.is_recent(bound if within is None else min(within, bound)):
        return read()
    try:
        with _wanted():
            return read()
    except (DatabaseError, InterfaceError) as error:
        if not is_database_busy(error) or getattr(error.__cause__, "sqlstate", "") == STOPPED_FOR_ITS_TIME:
            raise
        _state.leave_alone(error)
    return read()


@contextmanager
def _wanted() -> Iterator[None]:
    token = _is_wanted.set(True)
    try:
        yield
    finally:
        _is_wanted.reset(token)


class _State(threading.local):
    """What a thread, which has a connection of its own, knows of the replica. Times are monotonic.

    `complete_as_of`: everything committed by then is there.
    """

    complete_as_of = float("-inf")
    ask_again_at = float("-inf")

    def is_recent(self, bound: float) -> bool:
        """Return whether it has everything committed up to `bound` seconds ago."""
        now = time.monotonic()
        if now >= self.ask_again_at:
            self.ask_again_at = now + CHECKED_FOR
            try:
                self.complete_as_of = _ask(connections[REPLICA], bound)
            except (DatabaseError, InterfaceError) as error:
                self.leave_alone(error)
        return time.monotonic() - self.complete_as_of <= bound

    def leave_alone(self, error: Exception) -> None:
        log.warning("replica_left_alone", seconds=LEFT_ALONE_FOR, error=type(error).__name__)
        self.complete_as_of = float("-inf")
        self.ask_again_at = time.monotonic() + LEFT_ALONE_FOR
        connections[REPLICA].close()


def _ask(replica: BaseDatabaseWrapper, bound: float) -> float:
    """Return the time up to which everything committed is on the replica.

    That is the commit time of the last transaction the replica has. If nothing was written since, that time is long
    past, and the log positions decide: the replica has everything if it is where the primary was before we asked it.
    """
    asked_at = time.monotonic()
    age: float | None = _one(replica, AGE)
    if age is not None and age <= bound:
        return asked_at - max(age, 0.0)
    asked_at = time.monotonic()
    position = _one(connections[DEFAULT_DB_ALIAS], "SELECT pg_current_wal_flush_lsn()::text")
    if _one(replica, "SELECT pg_is_in_recovery() AND pg_last_wal_replay_lsn() >= %s::pg_lsn", position):
        return asked_at
    return float("-inf") if age is None else asked_at - age


def _one(database: BaseDatabaseWrapper, statement: str, *values: str) -> Any:
    with database.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchone()[0]


_state = _State()
