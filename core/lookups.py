"""Lookups that Django does not have. `apps.py` registers them for all queries."""

from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.lookups import In
from django.db.models.sql.compiler import SQLCompiler


class Among(In):
    """`field__among=values` selects the same rows as `field__in=values`.

    PostgreSQL gets the values as one array instead of one placeholder each: with five hundred placeholders, psycopg
    takes longer to read the statement than the database takes to find the rows. It works for plain columns, including
    keys, and plain values. A compiled query (`core.compiled`) may have a placeholder for the values, which SQLite then
    gets as JSON.
    """

    lookup_name = "among"

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, list[Any]]:
        column, params = self.process_lhs(compiler, connection)
        if not self.rhs_is_direct_value():
            place, given = compiler.compile(self.rhs)
            return f"{column} = ANY({place})", [*params, *given]
        values = [value for value in dict.fromkeys(self.rhs) if value is not None]
        if not values:
            raise EmptyResultSet
        return f"{column} = ANY(%s)", [*params, values]

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, Any]:
        if self.rhs_is_direct_value():
            return self.as_sql(compiler, connection)
        column, params = self.process_lhs(compiler, connection)
        place, given = compiler.compile(self.rhs)
        sql = f"{column} IN (SELECT value FROM json_each({place}))"  # noqa: S608  (a column and a placeholder)
        return sql, [*params, *given]
