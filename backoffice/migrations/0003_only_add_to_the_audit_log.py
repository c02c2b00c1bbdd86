from django.db import migrations

# A year is the least that an entry is kept; AUDIT_LOG_KEPT_DAYS says how much longer.
ON_POSTGRESQL = """
CREATE FUNCTION audit_log_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND OLD.at < now() - interval '365 days' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the audit log is only added to' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER audit_log_is_kept BEFORE UPDATE OR DELETE ON backoffice_auditentry
FOR EACH ROW EXECUTE FUNCTION audit_log_is_kept();
"""
NO_LONGER_ON_POSTGRESQL = """
DROP TRIGGER audit_log_is_kept ON backoffice_auditentry;
DROP FUNCTION audit_log_is_kept();
"""
ON_SQLITE = (
    """
    CREATE TRIGGER audit_log_is_not_changed BEFORE UPDATE ON backoffice_auditentry
    BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END
    """,
    """
    CREATE TRIGGER audit_log_is_kept BEFORE DELETE ON backoffice_auditentry
    WHEN datetime(OLD.at) >= datetime('now', '-365 days')
    BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END
    """,
)


def guard(apps, schema_editor):
    for statement in (ON_POSTGRESQL,) if schema_editor.connection.vendor == "postgresql" else ON_SQLITE:
        schema_editor.execute(statement)


def leave_unguarded(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(NO_LONGER_ON_POSTGRESQL)
    else:
        for name in ("audit_log_is_not_changed", "audit_log_is_kept"):
            schema_editor.execute(f"DROP TRIGGER {name}")


class Migration(migrations.Migration):
    """Make the database refuse to change an entry, or to delete one younger than a year."""

    dependencies = [("backoffice", "0002_audit_log")]

    operations = [migrations.RunPython(guard, leave_unguarded)]
