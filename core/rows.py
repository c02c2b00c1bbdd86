"""Insert and change rows in one statement each, where Django's way is slower or says less about the outcome.

`save()` and `bulk_create()` build their SQL again for every call, which costs more than the database does; these
functions derive it once from the model. They send no signals and fill in no automatic fields, since none of our models
has any. And Django offers only half of "insert, or learn that it exists": `get_or_create` costs an extra query and
savepoint, and `bulk_create(ignore_conflicts=True)` does not say what happened.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import BigAutoField, CharField, Field, ForeignKey, IntegerField, Model, TextField

from .errors import require
from .statements import fetch_rows, run_statement


def insert_rows(rows: Sequence[Model]) -> None:
    """Insert new rows of one model, in order, and set their primary keys. Raises IntegrityError."""
    if not rows:
        return
    table = _table(type(rows[0]))
    params = [value for row in rows for value in table.values(row)]
    values = ", ".join([f"({table.placeholders})"] * len(rows))
    keys = fetch_rows(f"{table.insert} VALUES {values} {table.returning}", params)
    for row, (key,) in zip(rows, keys, strict=True):
        _mark_as_stored(row, key)


def insert_chain(rows: Sequence[Model]) -> None:
    """Insert new rows, where later ones may refer to earlier ones, and set their primary keys: for example, an
    enrollment, its seat, and the decision about both. Raises IntegrityError.

    PostgreSQL runs them as one statement, in which each row's key is what its insert returned.
    """
    if connection.vendor != "postgresql" or len(rows) < 2:
        for row in rows:
            _refer(row)
            insert_rows([row])
        return
    places = {id(row): place for place, row in enumerate(rows)}
    links: list[tuple[type[Model], tuple[str, ...]]] = []
    params: list[Any] = []
    for row in rows:
        values = _table(type(row)).values(row)
        columns = zip(_fields(row), values, strict=True)
        links.append((type(row), tuple(_source(row, field, value, places) for field, value in columns)))
        params += [value for value in values if value is not None]
    (keys,) = fetch_rows(_chain(tuple(links)), params)
    for row, key in zip(rows, keys, strict=True):
        _mark_as_stored(row, key)
        _refer(row)


def _source(row: Model, field: "Field[Any, Any]", value: Any, places: Mapping[int, int]) -> str:
    """Return where a column's value comes from: the parameters, an earlier row, or neither."""
    if value is not None:
        return "%s"
    place = places.get(id(row._state.fields_cache.get(field.name)))
    return "NULL" if place is None else f"(SELECT key FROM row_{place})"  # noqa: S608  (a number)


def _refer(row: Model) -> None:
    """Set on the row the keys of the rows it was created with, which have been stored since."""
    for field in _fields(row):
        other = row._state.fields_cache.get(field.name)
        if other is not None:
            row.__dict__[field.attname] = getattr(other, field.target_field.attname)  # type: ignore[attr-defined]


@lru_cache(maxsize=256)
def _chain(links: tuple[tuple[type[Model], tuple[str, ...]], ...]) -> str:
    inserts: list[str] = []
    names: list[str] = []
    for place, (model, sources) in enumerate(links):
        table = _table(model)
        names.append(f"row_{place}")
        inserts.append(f"row_{place} AS ({table.insert} VALUES ({', '.join(sources)}) {table.returning} AS key)")
    keys = ", ".join(f"{name}.key" for name in names)
    return f"WITH {', '.join(inserts)} SELECT {keys} FROM {', '.join(names)}"  # noqa: S608  (names and placeholders)


def insert_many(rows: Sequence[Model]) -> None:
    """Insert new rows of one model whose keys nobody needs. Raises IntegrityError.

    PostgreSQL receives them by COPY: with thousands of values in one statement, psycopg takes longer to find the
    placeholders than the database takes to insert the rows.
    """
    if not rows:
        return
    if connection.vendor != "postgresql":
        _insert_in_bites(rows)
        return
    table = _table(type(rows[0]))
    copy_rows(table.copy, [table.values(row) for row in rows])


def insert_alike(row: Model, *, fields: Sequence[str], values: Sequence[Sequence[Any]]) -> None:
    """Insert a row like this one for each of `values`, which replace these fields as the database stores them (keys,
    plain numbers, and texts, for example). Raises IntegrityError.

    This is for thousands of rows that differ little: what they share is prepared once, and none of them becomes an
    object.
    """
    table = _table(type(row))
    places = [table.place(name) for name in fields]
    shared = table.values(row)
    rows = []
    for own in values:
        columns = shared.copy()
        for place, value in zip(places, own, strict=True):
            columns[place] = value
        rows.append(columns)
    if not rows:
        return
    if connection.vendor == "postgresql":
        copy_rows(table.copy, rows)
        return
    with connection.cursor() as cursor:
        cursor.executemany(f"{table.insert} VALUES ({table.placeholders})", rows)


def insert_with_keys(rows: Sequence[Model]) -> None:
    """Insert many new rows of one model and set their primary keys. Raises IntegrityError.

    COPY returns nothing, so the keys are fetched from PostgreSQL first: one statement more, and a fifth of the time
    that `insert_rows` takes for a thousand rows of an enrollment.
    """
    if not rows:
        return
    if connection.vendor != "postgresql":
        _insert_in_bites(rows)
        return
    table = _table(type(rows[0]))
    keys = [key for (key,) in fetch_rows(table.next_keys, [len(rows)])]
    copy_rows(table.copy_keyed, [[key, *table.values(row)] for key, row in zip(keys, rows, strict=True)])
    for row, key in zip(rows, keys, strict=True):
        _mark_as_stored(row, key)


def _insert_in_bites(rows: Sequence[Model]) -> None:
    """Insert in batches: SQLite accepts 32,766 values in a statement."""
    for start in range(0, len(rows), _ROWS_IN_A_STATEMENT):
        insert_rows(rows[start : start + _ROWS_IN_A_STATEMENT])


_ROWS_IN_A_STATEMENT = 500


def copy_rows(statement: str, rows: Sequence[Sequence[Any]]) -> None:
    """Send rows to PostgreSQL by a COPY ... FROM STDIN, whose errors Django translates like any others."""
    with connection.cursor() as cursor, connection.wrap_database_errors, cursor.cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def insert_unless_present(row: Model, *, unless_same: Sequence[str] = ()) -> bool:
    """Insert `row` and set its primary key; return False if a unique constraint prevents it, or (where columns are
    named) if a row with the same values in all of them exists.

    It waits for a concurrent transaction that is inserting the same key. After False the caller selects the existing
    row.
    """
    table = _table(type(row))
    params = table.values(row)
    source = f"VALUES ({table.placeholders})"
    if unless_same:
        same = " AND ".join(f"{connection.ops.quote_name(name)} = %s" for name in unless_same)
        exists = f"EXISTS (SELECT 1 FROM {table.name} WHERE {same})"  # noqa: S608  (names of the model's, no values)
        source = f"SELECT {table.placeholders} WHERE NOT {exists}"
        params += [getattr(row, name) for name in unless_same]
    for (key,) in fetch_rows(f"{table.insert} {source} ON CONFLICT DO NOTHING {table.returning}", params):
        _mark_as_stored(row, key)
        return True
    return False


def update_row(row: Model, *fields: str, where: Mapping[str, Any] | None = None) -> bool:
    """Save these fields of a stored row, as `save(update_fields=...)` does. Return False if the row no longer exists,
    or if its values differ from `where`, which lists what must not have changed since it was read."""
    table = _table(type(row))
    conditions = where or {}
    params = [*table.values_of(row, fields), *conditions.values(), row.pk]
    return bool(run_statement(_update(type(row), fields, tuple(conditions)), params))


@cache
def _update(model: type[Model], fields: Sequence[str], conditions: Sequence[str]) -> str:
    def equal(name: str) -> str:
        return f"{connection.ops.quote_name(str(model._meta.get_field(name).column))} = %s"  # type: ignore[union-attr]

    key = str(require(model._meta.pk, "a model has a key").attname)
    changes = ", ".join(map(equal, fields))
    same = " AND ".join(map(equal, (*conditions, key)))
    return f"UPDATE {_table(model).name} SET {changes} WHERE {same}"  # noqa: S608  (names of the model's, no values)


def lock_rows(model: type[Model], *keys: int) -> None:
    """Lock rows that the caller does not need to read (again), in key order, for changes that leave those keys alone.
    On SQLite there is nothing to do: a transaction that writes has the whole database to itself."""
    if connection.features.has_select_for_update:
        table = connection.ops.quote_name(model._meta.db_table)
        key = connection.ops.quote_name(str(model._meta.pk.column))
        sql = f"SELECT 1 FROM {table} WHERE {key} = ANY(%s) ORDER BY {key} FOR NO KEY UPDATE"  # noqa: S608  (names)
        fetch_rows(sql, [list(keys)])


def hold_row(model: type[Model], key: int) -> None:
    """Keep others from changing a row until the transaction ends, though not from holding it, too. It is for rows that
    others lock before what the caller has locked: raises OperationalError instead of waiting for them."""
    if connection.features.has_select_for_update:
        table = connection.ops.quote_name(model._meta.db_table)
        column = connection.ops.quote_name(str(model._meta.pk.column))
        fetch_rows(f"SELECT 1 FROM {table} WHERE {column} = %s FOR SHARE NOWAIT", [key])  # noqa: S608  (names)


@dataclass(frozen=True, slots=True)
class _Table:
    """The fixed parts of a model's INSERT, and how the database expects the values of its columns."""

    name: str
    insert: str
    copy: str
    copy_keyed: str
    next_keys: str
    placeholders: str
    returning: str
    columns: tuple[tuple[str, type | None, Callable[[Any, Any], Any]], ...]

    def place(self, name: str) -> int:
        """Return the position of this field's column among the values."""
        return [each for each, _, _ in self.columns].index(name)

    def values_of(self, row: Model, fields: Sequence[str]) -> list[Any]:
        """Return the values of these fields only."""
        database = connections[DEFAULT_DB_ALIAS]
        named = (type(row)._meta.get_field(name) for name in fields)
        return [field.get_db_prep_save(row.__dict__[field.attname], database) for field in named]  # type: ignore[union-attr]

    def values(self, row: Model) -> list[Any]:
        database = connections[DEFAULT_DB_ALIAS]  # what `connection` resolves to, without resolving it for each value
        found = row.__dict__
        return [
            value if (value := found[name]) is None or type(value) is as_it_is else prepare(value, database)
            for name, as_it_is, prepare in self.columns
        ]


@cache
def _fields_of(model: type[Model]) -> tuple["Field[Any, Any]", ...]:
    return tuple(field for field in model._meta.concrete_fields if not field.primary_key)


def _fields(row: Model) -> tuple["Field[Any, Any]", ...]:
    return _fields_of(type(row))


@cache
def _table(model: type[Model]) -> _Table:
    meta = model._meta
    quote = connection.ops.quote_name
    fields = _fields_of(model)
    names = ", ".join(quote(str(field.column)) for field in fields)
    return _Table(
        name=quote(meta.db_table),
        insert=f"INSERT INTO {quote(meta.db_table)} ({names})",
        copy=f"COPY {quote(meta.db_table)} ({names}) FROM STDIN",
        copy_keyed=f"COPY {quote(meta.db_table)} ({quote(str(meta.pk.column))}, {names}) FROM STDIN",
        next_keys=(
            f"SELECT nextval(pg_get_serial_sequence('{meta.db_table}', '{meta.pk.column}')) "  # noqa: S608  (names)
            "FROM generate_series(1, %s)"
        ),
        placeholders=", ".join(["%s"] * len(fields)),
        returning=f"RETURNING {quote(str(meta.pk.column))}",
        columns=tuple((field.attname, stored_as_it_is(field), field.get_db_prep_save) for field in fields),
    )


def stored_as_it_is(field: "Field[Any, Any]") -> type | None:
    """Return the Python type whose values this field passes to the database unchanged, so that they need no
    preparation: plain text and whole numbers, unless a subclass prepares them in its own way."""
    if isinstance(field, ForeignKey):
        return int if type(field.target_field) is BigAutoField else None
    for plain, python_type in ((CharField, str), (TextField, str), (IntegerField, int)):
        if isinstance(field, plain):
            return python_type if all(_same(field, plain, name) for name in _PREPARING) else None
    return None


_PREPARING = ("get_db_prep_save", "get_db_prep_value", "get_prep_value", "to_python")


def _same(field: "Field[Any, Any]", plain: type, name: str) -> bool:
    return getattr(type(field), name) is getattr(plain, name)


def _mark_as_stored(row: Model, key: Any) -> None:
    row.pk = key
    row._state.adding = False
    row._state.db = DEFAULT_DB_ALIAS
