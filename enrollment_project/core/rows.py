"""Insert a row or learn that it is there already, in one statement and without breaking the transaction.

Django offers either half: `get_or_create` costs a query and a savepoint more, `bulk_create(ignore_conflicts=True)` does
not say what happened.
"""

from typing import Any

from django.db import connection
from django.db.models import Model, QuerySet


def insert_unless_present(row: Model, *, unless: QuerySet[Any] | None = None) -> bool:
    """Insert `row` and set its primary key; False if a unique constraint, or a row in `unless`, stands in the way.

    A concurrent transaction that is inserting the same key is waited for. After False the caller selects what is there.
    """
    table = row._meta
    fields = [field for field in table.concrete_fields if not field.primary_key]
    quote = connection.ops.quote_name
    columns = ", ".join(quote(str(field.column)) for field in fields)
    params: list[Any] = [field.get_db_prep_save(field.pre_save(row, True), connection) for field in fields]
    values = ", ".join(["%s"] * len(fields))
    source = f"VALUES ({values})"
    if unless is not None:
        condition, condition_params = unless.order_by().values("pk").query.sql_with_params()
        source = f"SELECT {values} WHERE NOT EXISTS ({condition})"
        params += condition_params
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {quote(table.db_table)} ({columns}) {source} "
            f"ON CONFLICT DO NOTHING RETURNING {quote(str(table.pk.column))}",
            params,
        )
        inserted = cursor.fetchone()
    if inserted is None:
        return False
    row.pk = inserted[0]
    row._state.adding = False
    row._state.db = connection.alias
    return True
