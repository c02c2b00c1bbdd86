"""Add indexes to find people by the first letters of their last name or address. Only PostgreSQL needs them: SQLite,
which serves a single machine, compares text in another way."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

TABLES = ("accounts_learner", "accounts_lead")


def create(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor != "postgresql":
        return
    for table in TABLES:
        schema_editor.execute(
            f"CREATE INDEX {table}_by_last_name ON {table} (workspace_id, UPPER(last_name::text) text_pattern_ops)"
        )
        schema_editor.execute(f"CREATE INDEX {table}_by_address ON {table} (workspace_id, email varchar_pattern_ops)")


def drop(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor != "postgresql":
        return
    for table in TABLES:
        schema_editor.execute(f"DROP INDEX {table}_by_last_name")
        schema_editor.execute(f"DROP INDEX {table}_by_address")


class Migration(migrations.Migration):
    dependencies = [("accounts", "0012_keep_addresses")]

    operations = [migrations.RunPython(create, drop)]
