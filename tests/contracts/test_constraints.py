"""The database's own rules: none is lost, none is unreviewed, and each refuses what it is meant to refuse."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from core.database_errors import violated_by

from . import (
    refused_rows,
    refused_rows_of_books,
    refused_rows_of_consents,
    refused_rows_of_operations,
    refused_rows_of_refunds,
    refused_rows_of_vouchers,
)
from .catalog import own_models, read_catalog
from .refused_rows import VALID, insert_row

pytestmark = [pytest.mark.django_db]

_FILES = (
    refused_rows,
    refused_rows_of_refunds,
    refused_rows_of_operations,
    refused_rows_of_books,
    refused_rows_of_consents,
    refused_rows_of_vouchers,
)
CHECKS = {name: broken for file in _FILES for name, broken in file.CHECKS.items()}
UNIQUE = {name: twice for file in _FILES for name, twice in file.UNIQUE.items()}
LISTED = (Path(__file__).parent / "constraints.txt").read_text().splitlines()
_RULE = re.compile(r"^(?P<table>\w+) (?P<kind>check|unique) (?P<name>\w+):? (?P<rest>.*)$")
RULES = {found["name"]: found for line in LISTED if (found := _RULE.match(line))}
OF_COLUMNS = {
    name: rule["rest"].split()[0].strip('"')
    for name, rule in RULES.items()
    if rule["kind"] == "check" and name == f"{rule['table']}_{rule['rest'].split()[0].strip(chr(34))}_check"
}


class TestTheList:
    """A model and its migration can lose a constraint together, but not this list with them. To change a constraint,
    you change the list, and the reviewer sees it.
    """

    @pytest.mark.skipif(connection.vendor != "postgresql", reason="it is written as PostgreSQL tells it")
    def test_is_what_the_migrated_database_has(self) -> None:
        assert read_catalog() == LISTED

    @pytest.mark.sqlite
    def test_names_what_each_database_refuses(self) -> None:
        """The list uses what both databases report: the names of checks, and the columns of unique constraints."""
        checks, unique = set(), set()
        with connection.cursor() as cursor:
            for model in own_models():
                table = model._meta.db_table
                for name, found in connection.introspection.get_constraints(cursor, table).items():
                    if found["check"] and "__unnamed" not in name and name not in OF_COLUMNS:
                        checks.add(name)
                    if found["unique"] and not found["primary_key"]:
                        unique.add((table, tuple(found["columns"])))

        assert checks == {name for name, rule in RULES.items() if rule["kind"] == "check"} - set(OF_COLUMNS)
        assert unique == {(table, columns) for table, columns in unique_columns()}

    def test_has_rows_that_each_of_its_rules_refuses(self) -> None:
        checks = {name for name, rule in RULES.items() if rule["kind"] == "check"}

        assert set(CHECKS) == checks - set(OF_COLUMNS)
        assert set(UNIQUE) == set(RULES) - checks


class TestACheck:
    @pytest.mark.sqlite
    @pytest.mark.parametrize("name", CHECKS)
    def test_refuses_a_row_that_breaks_it_and_accepts_the_row_beside_it(self, name: str) -> None:
        broken = CHECKS[name]

        insert(broken.model, broken.good)
        refused = refuse(broken.model, broken.bad)

        assert refused == name

    @pytest.mark.parametrize("name", OF_COLUMNS)
    @pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite does not name these")
    def test_of_a_column_refuses_less_than_zero(self, name: str) -> None:
        """Whatever else the table refuses is dropped first, since another check might respond before it."""
        table = RULES[name]["table"]
        with connection.cursor() as cursor:
            for other, rule in RULES.items():
                if rule["table"] == table and rule["kind"] == "check" and other != name:
                    cursor.execute(f'ALTER TABLE "{table}" DROP CONSTRAINT "{other}"')
        meta = next(model._meta for model in own_models() if model._meta.db_table == table)
        attribute = next(column.attname for column in meta.concrete_fields if column.column == OF_COLUMNS[name])

        assert refuse(meta.label, {attribute: -1}) == name


@pytest.mark.sqlite
class TestAUniqueIndex:
    @pytest.mark.parametrize("name", UNIQUE)
    def test_refuses_the_second_row_and_accepts_one_that_its_condition_leaves_out(self, name: str) -> None:
        twice = UNIQUE[name]
        condition = " where " in RULES[name]["rest"]

        with transaction.atomic():
            insert_row(twice.model, **twice.same)
            refused = refuse(twice.model, twice.same)
            if twice.apart:
                insert(twice.model, twice.same | twice.apart)
            transaction.set_rollback(True)

        assert refused == name
        assert bool(twice.apart) == condition


LABELS = sorted({*VALID, *(row.model for row in CHECKS.values()), *(row.model for row in UNIQUE.values())})


class TestARowOfTheseTests:
    @pytest.mark.parametrize(
        "label", sorted({*VALID, *(row.model for row in CHECKS.values()), *(row.model for row in UNIQUE.values())})
    )
    def test_is_accepted_as_it_is(self, label: str) -> None:
        insert(label, {})


def insert(label: str, columns: dict[str, Any]) -> None:
    """Insert a row and roll it back before its references are checked."""
    with transaction.atomic():
        insert_row(label, **columns)
        transaction.set_rollback(True)


def refuse(label: str, columns: dict[str, Any]) -> str:
    """Return the name of the rule that refuses a row; its columns if SQLite has no name for it."""
    try:
        insert(label, columns)
    except IntegrityError as error:
        return refused_by(error)
    return "nothing"


def refused_by(error: IntegrityError) -> str:
    if connection.vendor == "postgresql":
        return violated_by(error)
    kind, _, what = str(error).partition(" constraint failed: ")
    if kind == "CHECK":
        return what
    columns = {part.split(".")[1] for part in what.split(", ")}
    table = what.split(".")[0]
    fitting = [name for name in UNIQUE if RULES[name]["table"] == table and set(columns_of(name)) == columns]
    return fitting[0] if len(fitting) == 1 else f"{table} {columns}: {fitting}"


def columns_of(name: str) -> tuple[str, ...]:
    listed = re.match(r"\((.*?)\)", RULES[name]["rest"])
    assert listed is not None
    return tuple(listed[1].replace('"', "").split(", "))


def unique_columns() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Return the listed unique columns, including those whose names Django generates."""
    for line in LISTED:
        if found := re.match(r"^(\w+) unique (?:\w+ )?\((.*?)\)", line):
            yield found[1], tuple(found[2].replace('"', "").split(", "))
