"""Append-only tables, split into partitions on PostgreSQL once `manage.py partition_tables` has converted them.

A partition holds a range of one column: a number of parents (`width`), or the rows of one day in UTC. The models know
nothing of it, and SQLite keeps plain tables. The existing rows become the first partition as they are: none is moved,
and no index is built. docs/decisions/0154-tables-in-parts.md says what PostgreSQL can and can't guarantee about such
tables.
"""

import datetime as dt
import re
from dataclasses import dataclass
from typing import Any, Final

import structlog
from django.db import connection, models, transaction

from .errors import Invalid
from .models import IdempotencyRecord

log = structlog.get_logger(__name__)

DAYS_AHEAD: Final = 8
# The first partition ends this far ahead, so that it receives the rows written while it is prepared.
DAYS_OF_FIRST: Final = 2
_UPPER_BOUND = re.compile(r" TO \('?([^')]+)'?\)$")

Bound = int | dt.datetime


class CannotPartition(Invalid):
    code = "cannot_partition"
    title = "This table can't be cut into parts"


@dataclass(frozen=True, slots=True)
class Part:
    """One partition of a table. `until` is its end; None marks the default one, for rows that fit no other."""

    name: str
    until: Bound | None


@dataclass(frozen=True, slots=True)
class Partitioning:
    """How a model's table is partitioned: by `width` ids of the parent in `column`, or by day if it is a time.

    `unique` names columns that are unique together and do not include `column`: PostgreSQL guarantees that within a
    partition, and a trigger across them.
    """

    model: type[models.Model]
    column: str
    width: int = 0
    unique: tuple[str, ...] = ()

    @property
    def table(self) -> str:
        return self.model._meta.db_table

    def is_done(self) -> bool:
        """Return whether this database's table has been converted."""
        if connection.vendor != "postgresql":
            return False
        return bool(_values("SELECT relkind = 'p' FROM pg_class WHERE oid = %s::regclass", self.table)[0])

    def parts(self) -> list[Part]:
        """Return the partitions from the oldest to the newest, then the default one."""
        rows = _rows(
            "SELECT relname, pg_get_expr(relpartbound, pg_class.oid) FROM pg_inherits "
            "JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = %s::regclass",
            self.table,
        )
        parts = [
            Part(name, self._read(found[1]) if (found := _UPPER_BOUND.search(text)) else None) for name, text in rows
        ]
        return sorted(parts, key=lambda part: (part.until is None, part.until))

    def newest(self, now: dt.datetime) -> Bound:
        """Return the largest value that current rows have in the column."""
        if not self.width:
            return now
        parent: Any = self.model._meta.get_field(self.column.removesuffix("_id")).related_model
        return parent._base_manager.aggregate(newest=models.Max("pk"))["newest"] or 0

    def edge(self, at: Bound, *, further: int = 0) -> Bound:
        """Return where the partition that holds `at` ends, or the one `further` after it."""
        if isinstance(at, dt.datetime):
            day = at.astimezone(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
            return day + dt.timedelta(days=1 + further)
        return (at // self.width + 1 + further) * self.width

    def after(self, edge: Bound) -> Bound:
        return edge + dt.timedelta(days=1) if isinstance(edge, dt.datetime) else edge + self.width

    def is_ahead(self, now: dt.datetime) -> bool:
        """Return whether there are partitions for what comes next: half a partition of new parents, or two days."""
        newest = self.newest(now)
        needed = newest + dt.timedelta(days=2) if isinstance(newest, dt.datetime) else newest + self.width // 2
        return any(part.until is not None and part.until >= needed for part in self.parts())  # type: ignore[operator]

    def stray_rows(self) -> int:
        """Return how many rows are in the default partition, where they would block creating a proper partition."""
        count: int = _values(f"SELECT count(*) FROM {_quoted(_default_of(self.table))}")[0]  # noqa: S608  (a name)
        return count

    def _read(self, text: str) -> Bound:
        return int(text) if self.width else dt.datetime.fromisoformat(text)


# Twice the time that answers are kept, in the worst case: whole days are dropped at once.
ANSWERS = Partitioning(IdempotencyRecord, "created_at", unique=("scope", "key"))


def convert(partitioning: Partitioning, *, now: dt.datetime) -> None:
    """Convert this model's table to a partitioned one; the old table is its first partition. Raises CannotPartition.

    Checking that the rows fit runs alongside writers. Then the table is locked for some milliseconds.
    """
    _refuse_what_cannot_be(partitioning)
    table = partitioning.table
    edge = partitioning.edge(partitioning.newest(now), further=1)
    column = _quoted(partitioning.column)
    fits = _quoted(f"{table}_fits")
    _run(f"ALTER TABLE {_quoted(table)} DROP CONSTRAINT IF EXISTS {fits}")
    _run(f"ALTER TABLE {_quoted(table)} ADD CONSTRAINT {fits} CHECK ({column} < {_literal(edge)}) NOT VALID")
    _run(f"ALTER TABLE {_quoted(table)} VALIDATE CONSTRAINT {fits}")
    with transaction.atomic():
        _run(f"LOCK TABLE {_quoted(table)} IN ACCESS EXCLUSIVE MODE")
        _put_parent_above(partitioning)
        first = _quoted(_first_of(table))
        _run(f"ALTER TABLE {_quoted(table)} ATTACH PARTITION {first} FOR VALUES FROM (MINVALUE) TO ({_literal(edge)})")
        _run(f"ALTER TABLE {first} DROP CONSTRAINT {fits}")
        _make(partitioning, _default_of(table), "DEFAULT")
        if partitioning.unique:
            _promise_uniqueness(partitioning)
        make_parts_ahead(partitioning, now=now)
    log.info("table_partitioned", table=table)


def make_parts_ahead(partitioning: Partitioning, *, now: dt.datetime) -> list[str]:
    """Create the partitions needed next, and return their names."""
    made = []
    wanted = partitioning.edge(partitioning.newest(now), further=1 if partitioning.width else DAYS_AHEAD)
    edge = max(part.until for part in partitioning.parts() if part.until is not None)
    while edge < wanted:  # type: ignore[operator]
        until = partitioning.after(edge)
        label = f"{edge:%Y%m%d}" if isinstance(edge, dt.datetime) else str(edge)
        name = f"{partitioning.table}_{label}"
        with transaction.atomic():
            _make(partitioning, name, f"FOR VALUES FROM ({_literal(edge)}) TO ({_literal(until)})")
        made.append(name)
        edge = until
    return made


def drop_parts(partitioning: Partitioning, *, before: dt.datetime) -> list[str]:
    """Drop the days that had ended by then, with all their rows, and return their names."""
    gone = [part.name for part in partitioning.parts() if isinstance(part.until, dt.datetime) and part.until <= before]
    for name in gone:
        _run(f"DROP TABLE {_quoted(name)}")
    if gone:
        log.info("parts_dropped", table=partitioning.table, parts=gone)
    return gone


def _refuse_what_cannot_be(partitioning: Partitioning) -> None:
    if connection.vendor != "postgresql":
        raise CannotPartition("Only PostgreSQL cuts tables into parts; this database keeps them whole.")
    table = partitioning.table
    if partitioning.is_done():
        raise CannotPartition(f"{table} has been converted already.")
    if pointing := _values("SELECT conname FROM pg_constraint WHERE contype = 'f' AND confrelid = %s::regclass", table):
        raise CannotPartition(f"Rows of other tables point at {table} ({', '.join(pointing)}).")
    if triggers := _values("SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass AND NOT tgisinternal", table):
        raise CannotPartition(f"{table} has triggers of its own ({', '.join(triggers)}).")


def _put_parent_above(partitioning: Partitioning) -> None:
    """Rename the table and everything that belongs to it, and create an empty partitioned one under the old name."""
    table = partitioning.table
    old = _quoted(_first_of(table))
    new = _quoted(table)
    key = _quoted(str(partitioning.model._meta.pk.column))
    next_key = _values(f"SELECT nextval(pg_get_serial_sequence('{table}', {_literal_text(key)}))")[0]
    constraints = _rows(
        "SELECT conname, contype, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s::regclass "
        "AND contype IN ('f', 'u') ORDER BY conname",
        table,
    )
    indexes = _rows(
        "SELECT relname, pg_get_indexdef(indexrelid) FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid "
        "WHERE indrelid = %s::regclass AND NOT indisunique ORDER BY relname",
        table,
    )
    grants = _rows(
        "SELECT quote_ident(rolname), privilege_type FROM pg_class, aclexplode(relacl) JOIN pg_roles "
        "ON pg_roles.oid = grantee WHERE pg_class.oid = %s::regclass",
        table,
    )
    _run(f"ALTER TABLE {new} RENAME TO {old}")
    _run(f"ALTER TABLE {old} ALTER COLUMN {key} DROP IDENTITY")
    shape = f"LIKE {old} INCLUDING DEFAULTS INCLUDING CONSTRAINTS"
    _run(f"CREATE TABLE {new} ({shape}) PARTITION BY RANGE ({_quoted(partitioning.column)})")
    _run(f"ALTER TABLE {new} DROP CONSTRAINT {_quoted(f'{table}_fits')}")
    _run(f"ALTER TABLE {new} ALTER COLUMN {key} ADD GENERATED BY DEFAULT AS IDENTITY (START WITH {next_key + 1})")
    for name, kind, definition in constraints:
        if kind == "u":
            _run(f"ALTER TABLE {old} RENAME CONSTRAINT {_quoted(name)} TO {_quoted(f'{name}_first')}")
        if kind == "f" or not partitioning.unique:
            _run(f"ALTER TABLE {new} ADD CONSTRAINT {_quoted(name)} {definition}")
    for name, definition in indexes:
        _run(f"ALTER INDEX {_quoted(name)} RENAME TO {_quoted(f'{name}_first')}")
        _run(definition)
    for role, privilege in grants:
        _run(f"GRANT {privilege} ON {new} TO {role}")


def _make(partitioning: Partitioning, name: str, bounds: str) -> None:
    """Create a partition with its own primary key: a key on the whole table would have to include the range column."""
    _run(f"CREATE TABLE {_quoted(name)} PARTITION OF {_quoted(partitioning.table)} {bounds}")
    key = _quoted(str(partitioning.model._meta.pk.column))
    _run(f"ALTER TABLE {_quoted(name)} ADD PRIMARY KEY ({key})")
    if partitioning.unique:
        _run(f"ALTER TABLE {_quoted(name)} ADD UNIQUE ({', '.join(map(_quoted, partitioning.unique))})")


def _promise_uniqueness(partitioning: Partitioning) -> None:
    """Leave out a row whose duplicate is in any partition, as ON CONFLICT DO NOTHING does in a plain table.

    A concurrent insert of the same row waits for the first one's transaction and then sees its row: each statement of
    the function sees what was committed before it.
    """
    table = _quoted(partitioning.table)
    once = _quoted(f"{partitioning.table}_once")
    told = " || chr(10) || ".join(f"NEW.{_quoted(name)}" for name in partitioning.unique)
    same = " AND ".join(f"{_quoted(name)} = NEW.{_quoted(name)}" for name in partitioning.unique)
    _run(f"""
        CREATE OR REPLACE FUNCTION {once}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM pg_advisory_xact_lock(hashtextextended({told}, 154));
            IF EXISTS (SELECT 1 FROM {table} WHERE {same}) THEN
                RETURN NULL;
            END IF;
            RETURN NEW;
        END $$
    """)  # noqa: S608  (names of the model's, no values)
    _run(f"CREATE TRIGGER {once} BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION {once}()")


def _first_of(table: str) -> str:
    return f"{table}_first"


def _default_of(table: str) -> str:
    return f"{table}_default"


def _literal(bound: Bound) -> str:
    return f"TIMESTAMPTZ {_literal_text(bound.isoformat())}" if isinstance(bound, dt.datetime) else str(bound)


def _literal_text(text: str) -> str:
    return "'" + text.replace("'", "''").strip('"') + "'"


def _quoted(name: str) -> str:
    return connection.ops.quote_name(name)


def _run(statement: str) -> None:
    """Run a DDL statement, which accepts no parameters."""
    with connection.cursor() as cursor:
        cursor.execute(statement)


def _rows(query: str, *params: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, params)
        return list(cursor.fetchall())


def _values(query: str, *params: Any) -> list[Any]:
    return [row[0] for row in _rows(query, *params)]
