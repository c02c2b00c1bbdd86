"""Each guard of the back office is removed once, and the matrix notices: no guard is untested."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from .asked_powers import NOT_GUARDS, asking
from .guarding import Guard, Leaks, take_away
from .guards import GUARDS
from .guards_of_forms import GUARDS_OF_FORMS
from .guards_of_sessions import GUARDS_OF_SESSIONS
from .matrix import Marks, add_callers, add_rows, marks
from .small_demo import small_demo

EVERY_GUARD = [*GUARDS, *GUARDS_OF_FORMS, *GUARDS_OF_SESSIONS]


@pytest.fixture(scope="module")
def known(django_db_setup: None, django_db_blocker: Any, folder_of_the_demo: Path) -> Iterator[Marks]:
    with small_demo(django_db_blocker, folder_of_the_demo):
        add_callers()
        add_rows()
        yield marks()


class TestTheGuards:
    def test_are_all_functions_that_ask_what_somebody_may_do(self) -> None:
        """If you write another one, add its entry, or say in asked_powers.py why it keeps nobody out."""
        entered = {guard.where for guard in EVERY_GUARD}

        assert asking() - entered - NOT_GUARDS.keys() == set(), "without an entry in guards.py or asked_powers.py"
        assert NOT_GUARDS.keys() - asking() == set(), "ask no more"
        assert NOT_GUARDS.keys() & entered == set()

    def test_let_nobody_through(self, known: Marks, db: None) -> None:
        """The matrix row next to each guard, once, with the guard in place."""
        nearest = {guard.leaks: guard for guard in EVERY_GUARD}

        assert {str(guard): found for leaks, guard in nearest.items() if (found := _undone(leaks, known))} == {}


def _undone(leaks: Leaks, known: Marks) -> list[str]:
    """Return what leaks, with its writes rolled back."""
    around = transaction.atomic()
    around._from_testcase = True  # type: ignore[attr-defined]  # it holds several transactions of the product's
    with around:
        found = leaks(known)
        transaction.set_rollback(True)
    return found


@pytest.mark.walk
class TestAGuard:
    @pytest.mark.parametrize("guard", EVERY_GUARD, ids=str)
    def test_is_missed_when_it_is_taken_away(
        self, guard: Guard, known: Marks, db: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        take_away(guard, monkeypatch)

        assert guard.leaks(known) != []
