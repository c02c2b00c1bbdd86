"""What the migrated database refuses and what it has indexes for, read from its own catalog, in lines to compare."""

import re
from collections.abc import Iterator
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.db import connection
from django.db.models import Model

_CONSTRAINTS = """
    SELECT relation.relname, found.contype, found.conname, pg_get_constraintdef(found.oid)
    FROM pg_constraint found JOIN pg_class relation ON relation.oid = found.conrelid
    WHERE relation.relname = ANY(%s) AND found.contype NOT IN ('p', 'n')
"""
_INDEXES = """
    SELECT tablename, indexname, indexdef FROM pg_indexes
    WHERE tablename = ANY(%s) AND indexname NOT IN (SELECT conname FROM pg_constraint)
    AND indexdef NOT LIKE '%%_pattern_ops%%'
"""
_NULLABLE = """
    SELECT table_name, string_agg(column_name, ', ' ORDER BY column_name) FROM information_schema.columns
    WHERE table_name = ANY(%s) AND is_nullable = 'YES' GROUP BY table_name
"""
_CASTS = re.compile(r"::(text|character varying|bigint|numeric|integer)(\[\])?")
_MADE_UP = re.compile(r"_[0-9a-f]{8}(_|$)")  # Django's own names end in a digest


def own_models() -> Iterator[type[Model]]:
    """Return the project's models, and the join tables that Django creates."""
    for app in apps.get_app_configs():
        if Path(app.path).is_relative_to(settings.BASE_DIR) and "site-packages" not in app.path:
            yield from app.get_models(include_auto_created=True)


def read_catalog() -> list[str]:
    """Return one line per constraint and index of PostgreSQL, sorted: table, kind, name, and definition."""
    tables = [model._meta.db_table for model in own_models()]
    lines = []
    with connection.cursor() as cursor:
        cursor.execute(_CONSTRAINTS, [tables])
        for table, kind, name, definition in cursor.fetchall():
            lines.append(_constraint(table, kind, name, definition))
        cursor.execute(_INDEXES, [tables])
        for table, name, definition in cursor.fetchall():
            lines.append(_index(table, name, definition))
        cursor.execute(_NULLABLE, [tables])
        for table, columns in cursor.fetchall():
            lines.append(f"{table} nullable ({columns})")
    return sorted(lines)


def _constraint(table: str, kind: str, name: str, definition: str) -> str:
    plain = re.sub(r" DEFERRABLE INITIALLY DEFERRED$", "", _CASTS.sub("", definition))
    if kind == "c":
        return f"{table} check {name}: {_bare(plain.removeprefix('CHECK '))}"
    if kind == "u":
        return f"{table} unique {_name(name)}{plain.removeprefix('UNIQUE ')}"
    return f"{table} foreign {plain.removeprefix('FOREIGN KEY ').replace(' REFERENCES ', ' -> ')}"


def _index(table: str, name: str, definition: str) -> str:
    kind = "unique" if definition.startswith("CREATE UNIQUE ") else "index"
    columns, _, condition = _CASTS.sub("", definition.split(" USING btree ", 1)[1]).partition(" WHERE ")
    return f"{table} {kind} {_name(name)}{columns}{' where ' + _bare(condition) if condition else ''}"


def _name(name: str) -> str:
    return "" if _MADE_UP.search(name) else f"{name} "


def _bare(condition: str) -> str:
    """Remove the parentheses that PostgreSQL puts around a whole condition, a single column, and, after a restore from
    pg_dump, a single text.
    """
    plain = re.sub(r"\((\w+|'[^']*')\)", r"\1", condition)
    plain = re.sub(r"= ANY \((\()?ARRAY\[(.*?)\](?(1)\))\)", r"in (\2)", plain)
    while plain.startswith("(") and plain.endswith(")") and _closes_at_the_end(plain):
        plain = plain[1:-1]
    return plain


def _closes_at_the_end(text: str) -> bool:
    depth = 0
    for place, character in enumerate(text):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth == 0:
            return place == len(text) - 1
    return False
