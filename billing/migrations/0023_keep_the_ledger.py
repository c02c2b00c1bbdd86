from django.db import migrations

ON_POSTGRESQL = """
CREATE FUNCTION ledger_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is only added to' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER ledger_is_kept BEFORE UPDATE OR DELETE ON billing_ledgerline
FOR EACH ROW EXECUTE FUNCTION ledger_is_kept();
"""
NO_LONGER_ON_POSTGRESQL = """
DROP TRIGGER ledger_is_kept ON billing_ledgerline;
DROP FUNCTION ledger_is_kept();
"""
ON_SQLITE = (
    """
    CREATE TRIGGER ledger_is_not_changed BEFORE UPDATE ON billing_ledgerline
    BEGIN SELECT RAISE(ABORT, 'the ledger is only added to'); END
    """,
    """
    CREATE TRIGGER ledger_is_kept BEFORE DELETE ON billing_ledgerline
    BEGIN SELECT RAISE(ABORT, 'the ledger is only added to'); END
    """,
)


def guard(apps, schema_editor):
    for statement in (ON_POSTGRESQL,) if schema_editor.connection.vendor == "postgresql" else ON_SQLITE:
        schema_editor.execute(statement)


def leave_unguarded(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(NO_LONGER_ON_POSTGRESQL)
    else:
        for name in ("ledger_is_not_changed", "ledger_is_kept"):
            schema_editor.execute(f"DROP TRIGGER {name}")


class Migration(migrations.Migration):
    """Make the database refuse to change or delete a line of a closed month."""

    dependencies = [("billing", "0022_ledger_says_payer_and_correction")]

    operations = [migrations.RunPython(guard, leave_unguarded)]
