"""The cursor that the statements of a transaction share."""

from typing import Any
from unittest.mock import patch

import pytest
from django.db import DEFAULT_DB_ALIAS, IntegrityError, connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import Workspace
from accounts.tests.factories import WorkspaceFactory
from core.statements import fetch_rows, run_statement

NAMES = "SELECT name FROM accounts_workspace ORDER BY name"
RENAME = "UPDATE accounts_workspace SET name = %s WHERE name = %s"


def made_cursors() -> Any:
    database = connections[DEFAULT_DB_ALIAS]
    return patch.object(database, "cursor", wraps=database.cursor)


@pytest.mark.sqlite
@pytest.mark.django_db
class TestStatements:
    def test_return_rows_or_how_many_changed(self) -> None:
        for name in ("East", "West"):
            WorkspaceFactory(name=name)

        assert run_statement(RENAME, ["North", "West"]) == 1
        assert run_statement(RENAME, ["South", "West"]) == 0
        assert fetch_rows(NAMES) == [("East",), ("North",)]

    def test_take_their_values_by_name_too(self) -> None:
        WorkspaceFactory(name="East")

        assert fetch_rows("SELECT name FROM accounts_workspace WHERE name = %(name)s", {"name": "East"}) == [("East",)]

    def test_share_one_cursor(self) -> None:
        fetch_rows(NAMES)

        with made_cursors() as cursor:
            fetch_rows(NAMES)
            run_statement(RENAME, ["North", "West"])

        assert cursor.call_count == 0

    def test_continue_after_one_that_was_refused_and_undone(self) -> None:
        WorkspaceFactory(name="East")

        with pytest.raises(IntegrityError), transaction.atomic():
            run_statement("UPDATE accounts_workspace SET name = NULL")

        assert fetch_rows(NAMES) == [("East",)]

    def test_are_recorded_for_whoever_asks_although_the_cursor_was_made_before(self) -> None:
        fetch_rows(NAMES)

        with CaptureQueriesContext(connection) as queries:
            fetch_rows(NAMES)

        assert [query["sql"] for query in queries] == [NAMES]


@pytest.mark.sqlite
@pytest.mark.django_db(transaction=True)
class TestOutsideOfATransaction:
    def test_each_has_a_cursor_of_its_own_for_which_the_connection_is_checked(self) -> None:
        with made_cursors() as cursor:
            fetch_rows(NAMES)
            fetch_rows(NAMES)

        assert cursor.call_count == 2

    def test_a_connection_that_was_opened_again_has_another_cursor(self) -> None:
        with transaction.atomic():
            fetch_rows(NAMES)
        connection.close()

        with transaction.atomic():
            WorkspaceFactory(name="East")
            assert fetch_rows(NAMES) == [("East",)]

        assert Workspace.objects.count() == 1
