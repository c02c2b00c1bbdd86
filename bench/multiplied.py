"""Many copies of learners: every learner is copied with all dependent rows, in one statement per table.

Which tables those are, and which of their columns must differ between copies, follows from the models: a new model that
belongs to a learner is copied without a change here. Counters of seats and places are not copied; they describe the
first copy.
"""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.db import connection, models

from core.addresses import AddressField

# The roots of a family's rows. Everything with a foreign key to one of these, or to their dependents, is copied too.
ROOTS = (
    "accounts.Learner",
    "accounts.Lead",
    "accounts.Guardian",
    "accounts.StaffTask",
    "accounts.User",
    "admin.LogEntry",
    "backoffice.AuditEntry",
    "billing.Checkout",
    "billing.Mismatch",
    "billing.StripeEvent",
    "enrollments.Application",
    "events.OutboxEvent",
    "notifications.Notification",
)
STRIDE = 1_000_000  # between the keys of two copies
# These columns name a row in a text: "payment:49", "enrollment:c…/2", or just "49".
REFERENCES = ("subject", "subject_key", "aggregate", "object_id")

_FUNCTIONS = rf"""
    CREATE FUNCTION pg_temp.renamed(written text, copy bigint, fits integer) RETURNS text IMMUTABLE LANGUAGE sql AS $$
        SELECT CASE
            WHEN written ~ '^c[a-z0-9]{{23}}$' THEN left(written, 20) || lpad(to_hex(copy), 4, '0')
            WHEN position('@' IN written) > 0 THEN replace(written, '@', '+' || copy || '@')
            ELSE left(written, fits - 5) || '-' || lpad(copy::text, 4, '0')
        END
    $$;
    CREATE FUNCTION pg_temp.moved(written text, copy bigint) RETURNS text IMMUTABLE LANGUAGE sql AS $$
        SELECT CASE
            WHEN written ~ '^\d+$' THEN (written::bigint + copy * {STRIDE})::text
            WHEN written ~ '^[a-z_]+:\d+' THEN split_part(written, ':', 1) || ':'
                || (substring(written FROM ':(\d+)')::bigint + copy * {STRIDE})
                || substring(written FROM '^[a-z_]+:\d+(.*)$')
            WHEN written ~ 'c[a-z0-9]{{23}}' THEN regexp_replace(
                written, '(c[a-z0-9]{{19}})[a-z0-9]{{4}}', '\1' || lpad(to_hex(copy), 4, '0'))
            ELSE written || '-' || copy
        END
    $$;
"""


def multiply(times: int) -> None:
    """Copy the learners of this PostgreSQL database, with all that is theirs, until there are `times` as many."""
    copied = copied_models()
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute("SET idle_in_transaction_session_timeout = 0")
        cursor.execute("SET session_replication_role = replica")  # no foreign key is checked: all are copied alike
        cursor.execute(_FUNCTIONS)
        for model in copied:
            cursor.execute(_statement(model, copied), {"last": times - 1})
        cursor.execute("SET session_replication_role = DEFAULT")
        for model in copied:
            table = model._meta.db_table
            cursor.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}) + 1)")
        cursor.execute("ANALYZE")


def copied_models() -> set[type[models.Model]]:
    """Return the models whose rows are copied."""
    return set(_copied())


def _copied() -> Iterator[type[models.Model]]:
    found = {apps.get_model(name) for name in ROOTS}
    while True:
        yield from found
        further = {
            model
            for model in apps.get_models()
            if model not in found and any(field.related_model in found for field in model._meta.concrete_fields)
        }
        if not further:
            return
        found |= further


def _statement(model: type[models.Model], copied: set[type[models.Model]]) -> str:
    fields = [field for field in model._meta.concrete_fields if not getattr(field, "generated", False)]
    distinct = _must_differ(model, copied)
    columns = ", ".join(f'"{field.column}"' for field in fields)
    values = ", ".join(_value(field, copied, distinct) for field in fields)
    return f"""
        INSERT INTO {model._meta.db_table} ({columns})
        SELECT {values} FROM {model._meta.db_table} old CROSS JOIN generate_series(1, %(last)s) copy
    """


def _must_differ(model: type[models.Model], copied: set[type[models.Model]]) -> set[str]:
    """Return a column of each unique constraint that copied keys do not keep apart already."""
    constraints = [each for each in model._meta.constraints if isinstance(each, models.UniqueConstraint)]
    keys: list[tuple[str, ...]] = [tuple(each.fields) for each in constraints if each.fields]
    keys += [(field.name,) for field in model._meta.concrete_fields if field.unique and not field.primary_key]
    differing = set()
    for key in keys:
        fields: list[Any] = [model._meta.get_field(name) for name in key]
        if any(field.related_model in copied or field.name in REFERENCES for field in fields):
            continue
        own = [field for field in fields if not field.is_relation]
        texts = [field for field in own if isinstance(field, models.CharField)]
        differing |= {field.name for field in (texts or own)[-1:]}
    return differing


def _value(field: Any, copied: set[type[models.Model]], distinct: set[str]) -> str:
    old = f'old."{field.column}"'
    if field.primary_key or field.related_model in copied:
        return f"{old} + copy * {STRIDE}"
    if field.name in REFERENCES:
        return f"pg_temp.moved({old}, copy)"
    if field.name not in distinct and not isinstance(field, AddressField):
        return old
    if isinstance(field, models.CharField):
        return f"pg_temp.renamed({old}, copy, {field.max_length or 250})"
    return f"{old} + copy * {STRIDE}"
