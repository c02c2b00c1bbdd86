"""Queries that are written with the ORM and compiled once.

The ORM builds a query's SQL anew each time it runs, which takes several times longer than the database needs to answer
it by a key. The queries of a purchase, a booking, or a routing are always the same except for their values. The paths
that many requests take at once therefore write them as a function from the values to the query, which is called once:

    @compiled
    def _place(place_id: int) -> QuerySet[CohortPlace]:
        return CohortPlace.objects.select_related("learner").filter(pk=place_id)

    place = _place.get(place_id)

The function sees placeholders instead of values, so it must contain nothing but the query: no conditions, no slices by
an argument. Values are texts, numbers, and moments, and lists of them with `__among`. Rows come back as the query
itself would return them.
"""

import datetime as dt
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from inspect import signature
from typing import Any, Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import QuerySet, Value
from django.db.models.query import FlatValuesListIterable, ModelIterable, get_related_populators
from django.db.models.sql import UpdateQuery
from django.db.transaction import TransactionManagementError

from .statements import fetch_rows, run_statement

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class _Place:
    """Marks where a value goes among the statement's parameters."""

    number: int


class _Statement:
    """SQL and its parameters, with placeholders for the values."""

    def __init__(self, sql: str, params: tuple[Any, ...]) -> None:
        self._sql = sql
        self._params = params

    def with_values(self, values: tuple[Any, ...], database: BaseDatabaseWrapper) -> tuple[str, list[Any]]:
        given = [_as_stored(value, database) for value in values]
        return self._sql, [given[each.number] if type(each) is _Place else each for each in self._params]


class _Rows:
    """How the rows of a compiled query become what the query returns: models with their joined rows, or tuples."""

    def __init__(self, query: QuerySet[Any, Any]) -> None:
        compiler = query.query.get_compiler(using=DEFAULT_DB_ALIAS)
        self.statement = _Statement(*compiler.as_sql())
        self.locks = query.query.select_for_update
        columns = compiler.select[: compiler.col_count]
        self._converters = list(compiler.get_converters([column for column, _, _ in columns]).items())
        self._model = None
        self._is_flat = query._iterable_class is FlatValuesListIterable
        if query._iterable_class is ModelIterable:
            self._model = query.model
            info = compiler.klass_info
            self._names = [columns[place][0].target.attname for place in info["select_fields"]]
            self._own = slice(info["select_fields"][0], info["select_fields"][-1] + 1)
            self._annotations = list((compiler.annotation_col_map or {}).items())
            # The stubs describe a later Django.
            self._related = get_related_populators(info, compiler.select, DEFAULT_DB_ALIAS)  # type: ignore[call-arg]

    def read(self, found: list[tuple[Any, ...]]) -> Iterator[Any]:
        for row in self._converted(found) if self._converters else found:
            if self._model is None:
                yield row[0] if self._is_flat else tuple(row)
                continue
            one = self._model.from_db(DEFAULT_DB_ALIAS, self._names, row[self._own])
            for related in self._related:
                related.populate(row, one)
            for name, place in self._annotations:
                setattr(one, name, row[place])
            yield one

    def _converted(self, found: list[tuple[Any, ...]]) -> Iterator[list[Any]]:
        connection = connections[DEFAULT_DB_ALIAS]
        for row in map(list, found):
            for place, (converters, expression) in self._converters:
                for convert in converters:
                    row[place] = convert(row[place], expression, connection)
            yield row


class Compiled(Generic[R]):
    """A query that runs with values for its placeholders, in the order of the function's arguments."""

    def __init__(self, build: Callable[..., QuerySet[Any, R]]) -> None:
        self._build = build
        self.__doc__ = build.__doc__
        self._rows = cache(lambda vendor: _Rows(build(*_places_of(build))))

    def all(self, *values: Any) -> list[R]:
        """Return all rows."""
        database = connections[DEFAULT_DB_ALIAS]
        rows = self._rows(database.vendor)
        if rows.locks and database.features.has_select_for_update and not database.in_atomic_block:
            raise TransactionManagementError("select_for_update cannot be used outside of a transaction.")
        return list(rows.read(fetch_rows(*rows.statement.with_values(values, database), on=database)))

    def first(self, *values: Any) -> R | None:
        """Return the first row; the query itself sets the limit and the order."""
        return next(iter(self.all(*values)), None)

    def get(self, *values: Any) -> R:
        """Return the only row. Raises the model's DoesNotExist."""
        found = self.all(*values)
        if len(found) != 1:
            model = self._build(*_places_of(self._build)).model
            raise model.DoesNotExist if not found else model.MultipleObjectsReturned
        return found[0]


class CompiledUpdate:
    """An UPDATE that runs with values for its placeholders."""

    def __init__(self, build: Callable[..., tuple[QuerySet[Any, Any], dict[str, Any]]]) -> None:
        self.__doc__ = build.__doc__
        self._statement = cache(lambda vendor: _update(*build(*_places_of(build))))

    def run(self, *values: Any) -> int:
        """Run the update and return how many rows changed."""
        database = connections[DEFAULT_DB_ALIAS]
        return run_statement(*self._statement(database.vendor).with_values(values, database))


def compiled(build: Callable[..., QuerySet[Any, R]]) -> Compiled[R]:
    """Turn the function into a query that is compiled once."""
    return Compiled(build)


def compiled_update(build: Callable[..., tuple[QuerySet[Any, Any], dict[str, Any]]]) -> CompiledUpdate:
    """Do the same for a function that returns the rows and the new values of their columns."""
    return CompiledUpdate(build)


def _update(rows: QuerySet[Any, Any], changes: dict[str, Any]) -> _Statement:
    query: Any = rows.query.chain(UpdateQuery)
    query.add_update_values(changes)
    return _Statement(*query.get_compiler(using=DEFAULT_DB_ALIAS).as_sql())


def _as_stored(value: Any, database: BaseDatabaseWrapper) -> Any:
    if isinstance(value, dt.datetime):
        return database.ops.adapt_datetimefield_value(value)
    if isinstance(value, list) and database.vendor != "postgresql":
        return json.dumps(value)
    return value


def _places_of(build: Callable[..., Any]) -> list[Value]:
    return [Value(_Place(number)) for number in range(len(signature(build).parameters))]
