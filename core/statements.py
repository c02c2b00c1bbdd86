"""Run SQL, with one cursor for all statements of a transaction.

The ORM makes a cursor for each statement. On PostgreSQL, that takes almost half as long as sending the statement and
reading its answer takes Python, so frequent statements are run by these functions. They read the whole answer at once,
so a cursor is free again when they return.
"""

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

Params = Sequence[Any] | dict[str, Any]

# By Django's connection, the driver's cursor, which knows only the driver's connection: it keeps no thread's alive.
_cursors: WeakKeyDictionary[BaseDatabaseWrapper, Any] = WeakKeyDictionary()


def fetch_rows(sql: str, params: Params = (), *, on: BaseDatabaseWrapper | None = None) -> list[tuple[Any, ...]]:
    """Run a statement that returns rows, and return them. `on` is for callers that have looked up the connection."""
    cursor = _cursor_of(on or connections[DEFAULT_DB_ALIAS])
    cursor.execute(sql, params)
    found: list[tuple[Any, ...]] = cursor.fetchall()
    return found


def run_statement(sql: str, params: Params = ()) -> int:
    """Run a statement that returns no rows, and return how many it changed."""
    cursor = _cursor_of(connections[DEFAULT_DB_ALIAS])
    cursor.execute(sql, params)
    return int(cursor.rowcount)


def _cursor_of(database: BaseDatabaseWrapper) -> CursorWrapper:
    """Return a cursor. Outside of a transaction, it is a new one, which Django first checks the connection for."""
    if not database.in_atomic_block:
        return database.cursor()
    cursor = _cursors.get(database)
    if cursor is None or cursor.connection is not database.connection:
        cursor = _cursors[database] = database.cursor().cursor
    made: CursorWrapper = (database.make_debug_cursor if database.queries_logged else database.make_cursor)(cursor)
    return made
