"""The doctor within one long transaction: after a step it asks again only what the step can have changed.

What an invariant finds depends on the rows that it reads, and on the time. While nobody writes to their tables, its
last answer holds, until time alone breaks it; for that, ask the whole doctor at the end. PostgreSQL counts what a
transaction writes to each table, including what triggers write and what is rolled back to a savepoint.
"""

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import connection

from core.invariants import Breach, Extent, Invariant
from operations.doctor import INVARIANTS

WORD = re.compile(r"\w+")
WRITTEN = "SELECT relname, n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_xact_user_tables"


@dataclass(frozen=True, slots=True)
class Answer:
    """What an invariant found, and the tables that it read."""

    breaches: list[Breach]
    tables: set[str]


class StepwiseDoctor:
    """Examines as `operations.doctor.examine` does."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self._tables = set(connection.introspection.table_names())
        self._counts: dict[str, int] = {}

    def examine(self, *, now: dt.datetime) -> dict[str, list[Breach]]:
        written = self._tables_written()
        due = [name for name in INVARIANTS if name not in self.answers or self.answers[name].tables & written]
        self.answers |= {name: self._ask(INVARIANTS[name], now) for name in due}
        return {name: answer.breaches for name, answer in self.answers.items() if answer.breaches}

    def _tables_written(self) -> set[str]:
        """Return the tables that were written to since the last step."""
        with connection.cursor() as cursor:
            cursor.execute(WRITTEN)
            counts: dict[str, int] = dict(cursor.fetchall())
        written = {table for table, count in counts.items() if count != self._counts.get(table, 0)}
        assert written <= self._tables, written - self._tables  # parts of a table have names of their own
        self._counts = counts
        return written

    def _ask(self, invariant: Invariant, now: dt.datetime) -> Answer:
        words: set[str] = set()

        def read(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
            words.update(WORD.findall(sql))
            return execute(sql, *rest)

        with connection.execute_wrapper(read):
            breaches = list(invariant(Extent(now=now)))
        return Answer(breaches, words & self._tables)
