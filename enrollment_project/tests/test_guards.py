"""Each guard of the back office is taken away once, and the matrix notices: none stands there that nobody tests."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .guards import GUARDS, Guard, take_away
from .matrix import Marks, add_callers, add_rows, marks
from .small_demo import small_demo

pytestmark = pytest.mark.walk


@pytest.fixture(scope="module")
def known(django_db_setup: None, django_db_blocker: Any, folder_of_the_demo: Path) -> Iterator[Marks]:
    with small_demo(django_db_blocker, folder_of_the_demo):
        add_callers()
        add_rows()
        yield marks()


@pytest.mark.parametrize("guard", GUARDS, ids=str)
class TestAGuard:
    def test_lets_nobody_through(self, guard: Guard, known: Marks, db: None) -> None:
        assert guard.leaks(known) == []

    def test_is_missed_when_it_is_taken_away(
        self, guard: Guard, known: Marks, db: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        take_away(guard, monkeypatch)

        assert guard.leaks(known) != []
