"""Add indexes to find tasks by the beginning and by the end of their subject. Only PostgreSQL needs them: SQLite, which
serves a single machine, compares text in another way."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

INDEXES = {
    "accounts_stafftask_by_subject": "subject varchar_pattern_ops",
    "accounts_stafftask_by_end": "REVERSE(subject::text) text_pattern_ops",
}


def create(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor != "postgresql":
        return
    for name, key in INDEXES.items():
        schema_editor.execute(f"CREATE INDEX {name} ON accounts_stafftask ({key})")


def drop(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor != "postgresql":
        return
    for name in INDEXES:
        schema_editor.execute(f"DROP INDEX {name}")


class Migration(migrations.Migration):
    dependencies = [("accounts", "0026_end_family_sign_ins_with_sessions")]

    operations = [migrations.RunPython(create, drop)]
