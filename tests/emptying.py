"""Empty the database after a test that commits, for a tenth of what Django's flush costs."""

from typing import Any

from django.apps import apps
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

# Tables whose rows follow from the code alone. Django empties them too, then creates each row anew.
KEPT = {ContentType._meta.db_table, Permission._meta.db_table}

# Tables whose rows a trigger protects, and the one that refuses to delete from them.
ONLY_ADDED_TO = {"backoffice_auditentry": "audit_log_is_kept", "billing_ledgerline": "ledger_is_kept"}


def empty_databases(_: Any) -> None:
    """Leave no row that the test committed, as `TransactionTestCase` does when a test has ended."""
    for connection in connections.all(initialized_only=True):
        if not connection.settings_dict["TEST"].get("MIRROR"):  # a replica becomes empty by itself
            empty_database(connection)


def empty_database(connection: BaseDatabaseWrapper) -> None:
    """Delete all rows. DELETE costs nothing for an empty table, while TRUNCATE creates new files for each table and
    index. The order does not matter: Django's foreign keys are checked when the transaction ends.
    """
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        for table, guard in ONLY_ADDED_TO.items():
            _empty_kept_rows(cursor, connection.vendor, table, guard)
        statements = [f"DELETE FROM {connection.ops.quote_name(table)}" for table in sorted(tables_of_rows())]
        for statement in ["; ".join(statements)] if connection.vendor == "postgresql" else statements:
            cursor.execute(statement)


def _empty_kept_rows(cursor: Any, vendor: str, table: str, guard: str) -> None:
    """Empty the tables whose triggers let nobody delete a row, if a test has committed some."""
    cursor.execute(f"SELECT 1 FROM {table} LIMIT 1")
    if cursor.fetchone() is None:
        return
    if vendor == "postgresql":
        cursor.execute(f"TRUNCATE {table}")
        return
    cursor.execute("SELECT sql FROM sqlite_master WHERE name = %s", [guard])
    (trigger,) = cursor.fetchone()
    cursor.execute(f"DROP TRIGGER {guard}")
    cursor.execute(f"DELETE FROM {table}")
    cursor.execute(trigger)


def tables_of_rows() -> set[str]:
    """Return all tables but those that follow from the code."""
    models = apps.get_models(include_auto_created=True)
    return {model._meta.db_table for model in models if model._meta.managed and not model._meta.proxy} - KEPT
