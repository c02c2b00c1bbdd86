"""SQLite's own backup: a copy of the file as it is at one moment, made while others write."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from django.db import connection

from .errors import BackupDamaged, BackupFailed, RestoreFailed

NAME: Final = "database.sqlite3"
_TRIES: Final = 2  # each waits as long as one of our connections waits for a lock


def dump(path: Path) -> dict[str, int]:
    """Write the database there; return the rows of each table. Raises BackupFailed."""
    with closing(sqlite3.connect(path)) as copy:
        try:
            _ours().backup(copy, progress=_give_up_after(_TRIES))
        except TimeoutError as error:
            raise BackupFailed("Others write to the database without a pause: try again.") from error
        copy.execute("PRAGMA journal_mode = DELETE")  # a single file, with none beside it
        return _count(copy)


def restore(path: Path, rows: Mapping[str, int]) -> None:
    """Replace the database by this one, atomically. Raises BackupDamaged and RestoreFailed."""
    with _open(path) as kept:
        if not (_is_sound(kept) and _count(kept) == rows):
            raise BackupDamaged(f"{path} does not hold what the manifest says.")
        try:
            kept.backup(_ours(), progress=_give_up_after(_TRIES))
        except TimeoutError as error:
            raise RestoreFailed("Others write to the database: stop web, worker and beat first.") from error
    connection.close()


def check_dump(path: Path) -> None:
    """Read all of it. Raises BackupDamaged."""
    with _open(path) as kept:
        if not _is_sound(kept):
            raise BackupDamaged(f"{path} is not a whole database.")


def check_programs() -> None:
    """Do nothing: SQLite needs no programs."""


def _open(path: Path) -> closing[sqlite3.Connection]:
    """Open it read-only."""
    return closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True))


def _is_sound(kept: sqlite3.Connection) -> bool:
    try:
        return bool(kept.execute("PRAGMA quick_check").fetchone() == ("ok",))
    except sqlite3.DatabaseError:
        return False


def _ours() -> sqlite3.Connection:
    connection.ensure_connection()
    ours: sqlite3.Connection = connection.connection
    return ours


def _count(copy: sqlite3.Connection) -> dict[str, int]:
    tables = copy.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY 1")
    return {
        name: int(copy.execute(f"SELECT count(*) FROM {connection.ops.quote_name(name)}").fetchone()[0])  # noqa: S608
        for (name,) in tables.fetchall()
    }


def _give_up_after(tries: int) -> Any:
    """Give up after a while: SQLite waits for others as long as they write."""
    waits = iter(range(tries))

    def progress(status: int, remaining: int, total: int) -> None:
        if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) and next(waits, None) is None:
            raise TimeoutError

    return progress
