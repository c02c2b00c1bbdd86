from django.db import migrations

# The one change that an entry takes: its reason becomes ERASED, and every other column stays as it was.
ON_POSTGRESQL = """
CREATE OR REPLACE FUNCTION audit_log_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.at < now() - interval '365 days' THEN
            RETURN OLD;
        END IF;
    ELSIF OLD.reason <> '' AND NEW.reason = '(erased)' AND to_jsonb(NEW) - 'reason' = to_jsonb(OLD) - 'reason' THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'the audit log is only added to' USING ERRCODE = 'restrict_violation';
END $$;
"""
BEFORE_ON_POSTGRESQL = """
CREATE OR REPLACE FUNCTION audit_log_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND OLD.at < now() - interval '365 days' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the audit log is only added to' USING ERRCODE = 'restrict_violation';
END $$;
"""
DROP_ON_SQLITE = "DROP TRIGGER audit_log_is_not_changed"
KEPT = ("id", "at", "actor", "workspace_id", "model", "object_id", "action", "changes", "request_id")
ON_SQLITE = f"""
CREATE TRIGGER audit_log_is_not_changed BEFORE UPDATE ON backoffice_auditentry
WHEN NOT (OLD.reason <> '' AND NEW.reason = '(erased)' AND {" AND ".join(f"NEW.{each} IS OLD.{each}" for each in KEPT)})
BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END
"""
BEFORE_ON_SQLITE = """
CREATE TRIGGER audit_log_is_not_changed BEFORE UPDATE ON backoffice_auditentry
BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END
"""


def allow(apps, schema_editor):
    _put(schema_editor, ON_POSTGRESQL, ON_SQLITE)


def refuse(apps, schema_editor):
    _put(schema_editor, BEFORE_ON_POSTGRESQL, BEFORE_ON_SQLITE)


def _put(schema_editor, on_postgresql, on_sqlite):
    statements = (on_postgresql,) if schema_editor.connection.vendor == "postgresql" else (DROP_ON_SQLITE, on_sqlite)
    for statement in statements:
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    """When a person is erased, the reasons that staff wrote are blanked, and the entries remain."""

    dependencies = [("backoffice", "0004_saved_lists")]

    operations = [migrations.RunPython(allow, refuse)]
