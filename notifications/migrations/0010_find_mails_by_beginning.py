"""Add an index to find mails by the first letters of the address. Only PostgreSQL needs it: SQLite, which serves a
single machine, compares text in another way.
"""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps


def create(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            "CREATE INDEX notification_by_beginning"
            " ON notifications_notification (workspace_id, UPPER(recipient::text) text_pattern_ops)"
        )


def drop(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP INDEX notification_by_beginning")


class Migration(migrations.Migration):
    dependencies = [("notifications", "0009_call_rows_what_staff_call_them")]

    operations = [migrations.RunPython(create, drop)]
