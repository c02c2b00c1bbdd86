"""What the database's errors mean: which constraint refused a row, and whether the same request would succeed later."""

from functools import cache

from django.apps import apps
from django.db import IntegrityError, InterfaceError, InternalError, NotSupportedError, OperationalError
from django.db.models import UniqueConstraint

# PostgreSQL ended the session because its transaction was idle, or took, too long.
_SESSION_ENDED = ("25P03", "25P04")


def is_database_busy(error: BaseException | None) -> bool:
    """Return whether the same request would succeed later: the database is busy, restarting, or away.

    This includes a statement prepared before a migration changed its columns: the connection refuses it once and then
    prepares it again. It also includes a session that PostgreSQL ended: psycopg has no better word for that than an
    internal error, without a code if PostgreSQL ended the session while it was committing.
    """
    if isinstance(error, InternalError):
        return getattr(error.__cause__, "sqlstate", None) in (None, *_SESSION_ENDED)
    met_a_migration = isinstance(error, NotSupportedError) and "cached plan" in str(error)
    return met_a_migration or isinstance(error, OperationalError | InterfaceError)


def violates(error: IntegrityError, name: str) -> bool:
    """Return whether a statement was refused by this unique constraint of one of our models. A use case translates the
    one that it expects, and no other."""
    return violated_by(error) in (name, _columns_of(name))


def violated_by(error: IntegrityError) -> str:
    """Return the name of the constraint that refused a statement, or its columns if it has no name: a column that must
    have a value and, in SQLite, a unique key. Unlike the database's message, this contains no values, so it may be
    logged.
    """
    diagnosis = getattr(error.__cause__, "diag", None)
    if diagnosis is not None:
        return diagnosis.constraint_name or f"{diagnosis.table_name}.{diagnosis.column_name}"
    return str(error).partition(" constraint failed: ")[2]


@cache
def _columns_of(name: str) -> str:
    """Return a unique constraint's columns as SQLite lists them. Raises LookupError for a constraint of no model."""
    for model in apps.get_models():
        for constraint in model._meta.constraints:
            if constraint.name == name and isinstance(constraint, UniqueConstraint):
                columns = [model._meta.get_field(field).column for field in constraint.fields]  # type: ignore[union-attr]
                return ", ".join(f"{model._meta.db_table}.{column}" for column in columns)
    raise LookupError(f"no model has a unique constraint {name}")
