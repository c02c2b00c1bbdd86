"""Let PostgreSQL delete a family's sign-in with its session: the previous release, which may run beside this one, deletes
sessions without knowing that something refers to them. SQLite has no second release beside it."""

from django.db import migrations

TABLE = "accounts_familysignin"


def set_rule(schema_editor, rule):
    if schema_editor.connection.vendor != "postgresql":
        return
    with schema_editor.connection.cursor() as cursor:
        found = schema_editor.connection.introspection.get_constraints(cursor, TABLE)
    [name] = [name for name, each in found.items() if each["foreign_key"] and each["columns"] == ["session_id"]]
    schema_editor.execute(
        f"ALTER TABLE {TABLE} DROP CONSTRAINT {schema_editor.quote_name(name)}, "
        f"ADD CONSTRAINT {schema_editor.quote_name(name)} FOREIGN KEY (session_id) "
        f"REFERENCES django_session (session_key) {rule} DEFERRABLE INITIALLY DEFERRED"
    )


def cascade(apps, schema_editor):
    set_rule(schema_editor, "ON DELETE CASCADE")


def refuse(apps, schema_editor):
    set_rule(schema_editor, "")


class Migration(migrations.Migration):
    dependencies = [("accounts", "0025_family_sign_ins"), ("sessions", "0001_initial")]
    operations = [migrations.RunPython(cascade, refuse)]
