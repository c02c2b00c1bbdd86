"""What other rows of a roster refer to, stored on disk while it is read: memory does not grow with the pupils."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

_SEPARATOR = "\x1f"


class Index:
    """Texts by kind and key."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        database.execute("CREATE TABLE entry (kind, key, text, PRIMARY KEY (kind, key)) WITHOUT ROWID")

    def put(self, kind: str, key: str, text: str = "") -> bool:
        """Store the text; return False if the key already has one."""
        inserted = self._database.execute("INSERT OR IGNORE INTO entry VALUES (?, ?, ?)", (kind, key, text))
        return inserted.rowcount == 1

    def get(self, kind: str, key: str) -> str | None:
        found = self._database.execute("SELECT text FROM entry WHERE kind = ? AND key = ?", (kind, key)).fetchone()
        return None if found is None else str(found[0])

    def put_pair(self, kind: str, one: str, other: str) -> None:
        """Record that `other` belongs to `one`."""
        self.put(kind, f"{one}{_SEPARATOR}{other}")

    def others_of(self, kind: str, one: str) -> list[str]:
        """Return what was recorded as belonging to `one`."""
        prefix = f"{one}{_SEPARATOR}"
        found = self._database.execute(
            "SELECT key FROM entry WHERE kind = ? AND key >= ? AND key < ? ORDER BY key",
            (kind, prefix, f"{one}{chr(ord(_SEPARATOR) + 1)}"),
        )
        return [key.removeprefix(prefix) for (key,) in found]


@contextmanager
def open_index() -> Iterator[Index]:
    """Yield an index in an unnamed file that is deleted when it is closed."""
    with closing(sqlite3.connect("", isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = OFF")
        yield Index(database)
