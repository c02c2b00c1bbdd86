"""Remove what the database itself refuses, so that a test can show what it is for."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models import CheckConstraint, Model, UniqueConstraint


def drop_constraint(model: type[Model], name: str) -> None:
    """Drop a constraint of a model's table. In a test without `transaction=True`, it is restored when the test ends."""
    constraint = next(found for found in model._meta.constraints if found.name == name)
    if connection.vendor == "sqlite" and isinstance(constraint, UniqueConstraint) and constraint.condition is None:
        pytest.skip("SQLite keeps such a constraint inside the table and can't drop it alone")
    connection.check_constraints()  # now, as no table can be altered while foreign keys wait to be checked
    statement = constraint.remove_sql(model, connection.schema_editor())
    if connection.vendor == "sqlite" and isinstance(constraint, CheckConstraint):
        statement = "PRAGMA ignore_check_constraints = ON"
    with connection.cursor() as cursor:
        cursor.execute(str(statement))


@contextmanager
def without_constraints(*dropped: tuple[type[Model], str]) -> Iterator[None]:
    """Drop constraints for all processes; afterward, all rows are gone and the constraints are back."""
    for model, name in dropped:
        drop_constraint(model, name)
    try:
        yield
    finally:
        call_command("flush", interactive=False, verbosity=0)
        with connection.schema_editor() as editor:
            for model, name in dropped:
                editor.add_constraint(model, next(found for found in model._meta.constraints if found.name == name))
