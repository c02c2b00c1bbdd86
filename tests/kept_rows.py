"""Rows that take long to create, created once in a test run and copied wherever else they are needed."""

import fcntl
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from django.db import connection, transaction

from .emptying import tables_of_rows

_LAST_KEYS = """
    SELECT quote_ident(sequencename), last_value FROM pg_sequences
    WHERE schemaname = current_schema() AND last_value IS NOT NULL
"""


Made = TypeVar("Made")


def make_once(folder: Path, make: Callable[[], Made]) -> Made:
    """Create the rows that `make` writes into an empty database, or copy them, and return what it returned. The folder
    belongs to the test run: other processes that get it wait for the first, and copy.
    """
    if connection.vendor != "postgresql":
        return make()
    folder.mkdir(exist_ok=True)
    made = folder / "made"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            value = make()
            _dump(folder)
            made.write_bytes(pickle.dumps(value))
            return value
    with transaction.atomic():
        _restore(folder)
    copied: Made = pickle.loads(made.read_bytes())
    return copied


def _dump(folder: Path) -> None:
    with connection.cursor() as cursor:
        for table in sorted(tables_of_rows()):
            with (folder / table).open("wb") as file, cursor.cursor.copy(f'COPY "{table}" TO STDOUT') as copy:
                for part in copy:
                    file.write(part)
        cursor.execute(_LAST_KEYS)
        keys = [f"{name} {last}" for name, last in cursor.fetchall()]
    (folder / "keys").write_text("\n".join(keys))


def _restore(folder: Path) -> None:
    """Insert the rows in any order: Django checks foreign keys when the transaction ends. New rows get new keys."""
    with connection.cursor() as cursor:
        for table in sorted(tables_of_rows()):
            if rows := (folder / table).read_bytes():
                with cursor.cursor.copy(f'COPY "{table}" FROM STDIN') as copy:
                    copy.write(rows)
        for line in (folder / "keys").read_text().splitlines():
            name, last = line.split()
            cursor.execute(f"SELECT setval('{name}', greatest({last}, (SELECT last_value FROM {name})))")
