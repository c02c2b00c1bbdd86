"""An empty database after a test that commits, for a tenth of what Django's flush costs."""

from typing import Any

from django.apps import apps
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

# They follow from the code alone. Django empties them too, then makes each of them anew.
KEPT = {ContentType._meta.db_table, Permission._meta.db_table}


def empty_databases(_: Any) -> None:
    """What `TransactionTestCase` does when a test has ended: no row that the test committed is left."""
    for connection in connections.all(initialized_only=True):
        if not connection.settings_dict["TEST"].get("MIRROR"):  # a replica becomes empty by itself
            empty_database(connection)


def empty_database(connection: BaseDatabaseWrapper) -> None:
    """DELETE costs nothing where there is nothing; TRUNCATE makes new files for each table and index. In which order
    is all the same: Django's foreign keys are checked when the transaction ends."""
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        _empty_audit_log(cursor, connection.vendor)
        statements = [f"DELETE FROM {connection.ops.quote_name(table)}" for table in sorted(tables_of_rows())]
        for statement in ["; ".join(statements)] if connection.vendor == "postgresql" else statements:
            cursor.execute(statement)


def _empty_audit_log(cursor: Any, vendor: str) -> None:
    """Its triggers let nobody delete an entry, and are only met where a test has committed some."""
    cursor.execute("SELECT 1 FROM backoffice_auditentry LIMIT 1")
    if cursor.fetchone() is None:
        return
    if vendor == "postgresql":
        cursor.execute("TRUNCATE backoffice_auditentry")
        return
    cursor.execute("SELECT sql FROM sqlite_master WHERE name = 'audit_log_is_kept'")
    (trigger,) = cursor.fetchone()
    cursor.execute("DROP TRIGGER audit_log_is_kept")
    cursor.execute("DELETE FROM backoffice_auditentry")
    cursor.execute(trigger)


def tables_of_rows() -> set[str]:
    """All but those that follow from the code."""
    models = apps.get_models(include_auto_created=True)
    return {model._meta.db_table for model in models if model._meta.managed and not model._meta.proxy} - KEPT
