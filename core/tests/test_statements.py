"""The cursor that the statements of a transaction share."""

import datetime as dt
import gc
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest.mock import patch
from weakref import ref

import pytest
from django.db import DEFAULT_DB_ALIAS, IntegrityError, connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from core.models import SharedCounter
from core.statements import fetch_rows, run_statement

KEYS = "SELECT key FROM core_sharedcounter ORDER BY key"
RENAME = "UPDATE core_sharedcounter SET key = %s WHERE key = %s"


def count(*keys: str) -> None:
    for key in keys:
        SharedCounter.objects.create(key=key, value=1, ends_at=dt.datetime(2027, 1, 1, tzinfo=dt.UTC))


def made_cursors() -> Any:
    database = connections[DEFAULT_DB_ALIAS]
    return patch.object(database, "cursor", wraps=database.cursor)


@pytest.mark.sqlite
@pytest.mark.django_db
class TestStatements:
    def test_return_rows_or_how_many_changed(self) -> None:
        count("east", "west")

        assert run_statement(RENAME, ["north", "west"]) == 1
        assert run_statement(RENAME, ["south", "west"]) == 0
        assert fetch_rows(KEYS) == [("east",), ("north",)]

    def test_take_their_values_by_name_too(self) -> None:
        count("east", "west")

        assert fetch_rows("SELECT key FROM core_sharedcounter WHERE key = %(key)s", {"key": "east"}) == [("east",)]

    def test_share_one_cursor(self) -> None:
        fetch_rows(KEYS)

        with made_cursors() as cursor:
            fetch_rows(KEYS)
            run_statement(RENAME, ["north", "west"])

        assert cursor.call_count == 0

    def test_continue_after_one_that_was_refused_and_undone(self) -> None:
        count("east")

        with pytest.raises(IntegrityError), transaction.atomic():
            run_statement("UPDATE core_sharedcounter SET value = NULL")

        assert fetch_rows(KEYS) == [("east",)]

    def test_are_recorded_for_whoever_asks_although_the_cursor_was_made_before(self) -> None:
        fetch_rows(KEYS)

        with CaptureQueriesContext(connection) as queries:
            fetch_rows(KEYS)

        assert [query["sql"] for query in queries] == [KEYS]


@pytest.mark.sqlite
@pytest.mark.django_db(transaction=True)
class TestOutsideOfATransaction:
    def test_each_has_a_cursor_of_its_own_for_which_the_connection_is_checked(self) -> None:
        with made_cursors() as cursor:
            fetch_rows(KEYS)
            fetch_rows(KEYS)

        assert cursor.call_count == 2

    def test_a_connection_that_was_opened_again_has_another_cursor(self) -> None:
        with transaction.atomic():
            fetch_rows(KEYS)
        connection.close()

        with transaction.atomic():
            count("east")
            assert fetch_rows(KEYS) == [("east",)]

        assert SharedCounter.objects.count() == 1

    def test_a_connection_that_nobody_needs_is_not_kept(self) -> None:
        def work() -> "ref[Any]":
            with transaction.atomic():
                fetch_rows(KEYS)
            return ref(connections[DEFAULT_DB_ALIAS])

        with ThreadPoolExecutor(1) as threads:
            kept = threads.submit(work).result()
        gc.collect()

        assert kept() is None
