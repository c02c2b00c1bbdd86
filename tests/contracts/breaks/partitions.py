"""Breaches of the invariant of partitioned tables, and near misses."""

import pytest
from django.db import connection

from core.clock import utc_now
from core.partitions import ANSWERS, convert

from .world import World, breaks, spares

RULE = "operations.tables_have_parts_for_what_comes"


@breaks(RULE)
def parts_that_nobody_has_made(world: World) -> str:
    _convert()
    for part in ANSWERS.parts()[1:-1]:
        _run(f'DROP TABLE "{part.name}"')
    _run(f'TRUNCATE "{ANSWERS.table}_first"')
    _run(f'ALTER TABLE "{ANSWERS.table}" DETACH PARTITION "{ANSWERS.table}_first"')
    return f"table {ANSWERS.table}"


@spares(RULE)
def parts_that_were_just_made(world: World) -> None:
    _convert()


def _convert() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite keeps plain tables")
    _run("SET CONSTRAINTS ALL IMMEDIATE")
    convert(ANSWERS, now=utc_now())


def _run(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
