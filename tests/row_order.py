"""The order in which a transaction locks the rows of one table: by primary key, or else two that need the same rows
wait for each other.
"""

import re
from collections import defaultdict
from functools import cache
from typing import Any

_WAITS_FOR_NOBODY = ("SKIP LOCKED", "NOWAIT")


class RowLocks:
    """What one transaction has locked of each table, and, in `faults`, what it locked in no order or in the wrong one.

    Several rows are locked by a SELECT ... FOR UPDATE that is ordered by their keys; after that, the transaction may
    change or delete several of them at once.
    """

    def __init__(self) -> None:
        self.faults: list[str] = []
        self._keys: dict[str, set[int]] = defaultdict(set)
        self._listed: set[str] = set()

    def note(self, table: str, sql: str, params: Any, rows: int) -> None:
        """Take down a statement that has locked this many rows of the table."""
        if rows < 1:
            return
        keys = _keys_in(table, sql, params)
        new, known = keys - self._keys[table], self._keys[table]
        if any(words in sql for words in _WAITS_FOR_NOBODY):
            pass  # in any order, since it can't be part of a circle
        elif rows > 1 and not self._may_list(table, sql, new):
            self.faults.append(f"several rows of {table} in no order: {sql}")
        elif known and new and min(new) < max(known):
            self.faults.append(f"{table} {min(new)} after {max(known)}: {sql}")
        if rows > 1:
            self._listed.add(table)
        self._keys[table] |= keys

    def _may_list(self, table: str, sql: str, new: set[int]) -> bool:
        if " FOR " in sql:
            return _by_key(table).search(sql) is not None
        return table in self._listed or (bool(self._keys[table]) and not new)


def _keys_in(table: str, sql: str, params: Any) -> set[int]:
    """Return the primary keys that the statement names in its condition, if it names any."""
    begin = sql.rfind(" WHERE ")
    found = _keyed(table).search(sql, begin) if begin >= 0 and isinstance(params, list | tuple) else None
    if found is None:
        return set()
    first = sql.count("%s", 0, found.start())
    given = params[first : first + found[0].count("%s")]
    return {key for value in given for key in (value if isinstance(value, list) else [value]) if isinstance(key, int)}


@cache
def _keyed(table: str) -> re.Pattern[str]:
    return re.compile(rf'(?:"?{table}"?\.|(?<![."\w]))"?id"? (?:= %s|= ANY\(%s|IN \([%s, ]+\))')


@cache
def _by_key(table: str) -> re.Pattern[str]:
    key = rf'(?:"?{table}"?\.)?"?id"?'
    first = rf"SELECT {key}(?: AS \S+)?[ ,].* ORDER BY 1"
    return re.compile(rf"(?:ORDER BY {key}|{first})(?: ASC)?(?:,| FOR | LIMIT )")
