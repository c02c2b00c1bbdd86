from typing import Any

import pytest
from django.db import OperationalError

from core import migrating
from core.migrating import migrate_under_load


class Met(Exception):
    """The error psycopg raises, with the state that identifies it."""

    def __init__(self, sqlstate: str | None) -> None:
        super().__init__(sqlstate)
        self.sqlstate = sqlstate


@pytest.fixture
def failures(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """The states with which the next migrations fail; after them, one succeeds."""
    states: list[str | None] = []

    def call(*arguments: Any, **options: Any) -> None:
        if states:
            raise OperationalError from Met(states.pop(0))

    monkeypatch.setattr(migrating, "call_command", call)
    monkeypatch.setattr(migrating, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(migrating, "_connect_anew", lambda: None)
    return states


class TestMigratingUnderLoad:
    def test_begins_again_after_a_lock_that_was_not_to_be_had_a_deadlock_and_a_lost_connection(
        self, failures: list[str | None]
    ) -> None:
        failures += ["55P03", "40P01", None]

        assert migrate_under_load(tries=4) == 4

    def test_ends_after_as_many_tries_as_it_was_given(self, failures: list[str | None]) -> None:
        failures += ["55P03"] * 3

        with pytest.raises(OperationalError):
            migrate_under_load(tries=2)

        assert len(failures) == 1

    def test_does_not_repeat_what_would_fail_again(self, failures: list[str | None]) -> None:
        failures += ["42P01", "42P01"]

        with pytest.raises(OperationalError):
            migrate_under_load(tries=9)

        assert len(failures) == 1
