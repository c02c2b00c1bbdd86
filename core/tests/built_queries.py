"""Records the statements that the ORM builds, as opposed to those that run as they were compiled."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from django.db.models.sql import compiler

_COMPILERS = [
    compiler.SQLCompiler,
    compiler.SQLInsertCompiler,
    compiler.SQLUpdateCompiler,
    compiler.SQLDeleteCompiler,
    compiler.SQLAggregateCompiler,
]


@contextmanager
def built_queries() -> Iterator[list[str]]:
    """Yield the tables whose statements the ORM builds within this block, in their order."""
    built: list[str] = []

    def recording(original: Any) -> Any:
        def as_sql(self: Any, *args: Any, **kwargs: Any) -> Any:
            built.append(self.query.get_meta().db_table)
            return original(self, *args, **kwargs)

        return as_sql

    with ExitStack() as patches:
        for each in _COMPILERS:
            patches.enter_context(patch.object(each, "as_sql", recording(each.as_sql)))
        yield built
