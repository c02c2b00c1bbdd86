"""Staff tasks: every kind of task that is raised is registered, and every registered kind is raised."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from accounts.states import Role
from accounts.task_kinds import TaskKind, find_kind, list_kinds, register_kind
from backoffice.display import link_subject

from .own_code import APPS, ROOT, modules

RAISING = ("raise_staff_task", "raise_staff_tasks", "raise_staff_task_once")
# Platform operators read Stripe's inbox; the staff of a workspace have no page for its events.
WITHOUT_A_PAGE = {"stripe-event"}
# Ids with which somebody looks something up in the system of a vendor.
OF_VENDORS = {"event.event_id"}


def raised_in(source: str) -> Iterator[str]:
    """Return the values of `kind=` in the calls that raise a task, as written."""
    for call in ast.walk(ast.parse(source)):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in RAISING:
            yield next(ast.unparse(word.value) for word in call.keywords if word.arg == "kind")


def ids_told_in(source: str) -> list[str]:
    """Return the ids of our rows that summaries of tasks contain, as written."""
    told = [
        part.value
        for call in ast.walk(ast.parse(source))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in RAISING
        for word in call.keywords
        if word.arg in ("summary", "summaries")
        for part in ast.walk(word.value)
        if isinstance(part, ast.FormattedValue)
    ]
    names = {ast.unparse(value) for value in told}
    return sorted(name for name in names if re.search(r"\b(pk|id|cuid)$|_(id|cuid)$", name) and name not in OF_VENDORS)


def kinds_named_in(path: Path) -> dict[str, TaskKind]:
    """Return the kinds that a module imports or defines, by the names it uses for them."""
    module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    return {name: value for name, value in vars(module).items() if isinstance(value, TaskKind)}


def raised() -> dict[str, set[TaskKind | None]]:
    """Return, by module, the kinds it raises; None for an unregistered kind."""
    found: dict[str, set[TaskKind | None]] = {}
    for path in modules(*APPS):
        names = list(raised_in(path.read_text()))
        if names:
            known = kinds_named_in(path)
            found[str(path.relative_to(ROOT))] = {known.get(name) for name in names}
    return found


class TestAKindOfTask:
    def test_that_is_raised_is_registered(self) -> None:
        strays = {module for module, kinds in raised().items() if None in kinds}

        assert strays == set(), "raise a kind that the app's task_kinds.py registers"

    def test_that_is_registered_is_raised(self) -> None:
        everywhere = {kind for kinds in raised().values() for kind in kinds}

        assert set(list_kinds()) - everywhere == set()

    def test_written_as_text_is_noticed(self) -> None:
        """Negative control."""
        source = "raise_staff_task(workspace_id=1, kind='dispute', subject='payment:1', summary='')"

        assert list(raised_in(source)) == ["'dispute'"]

    def test_says_what_it_is_for_whom_and_how_it_is_solved(self) -> None:
        kinds = list_kinds()

        assert len({kind.label for kind in kinds}) == len(kinds)
        assert [kind for kind in kinds if not (kind.remedy.endswith(".") and isinstance(kind.role, Role))] == []
        assert [kind for kind in kinds if kind.role == Role.VIEWER] == [], "viewers change nothing"

    def test_names_rows_that_have_a_page(self) -> None:
        words = {word for kind in list_kinds() for word in kind.subjects} - WITHOUT_A_PAGE

        assert {word for word in words if "href" not in link_subject(f"{word}:1")} == set()

    def test_is_raised_without_an_id_since_staff_read_whom_its_subject_names(self) -> None:
        found = {str(path.relative_to(ROOT)): ids_told_in(path.read_text()) for path in modules(*APPS)}

        assert {module: ids for module, ids in found.items() if ids} == {}

    @pytest.mark.parametrize("name", ["payment.pk", "enrollment_id", "job.cuid"])
    def test_raised_with_an_id_is_noticed(self, name: str) -> None:
        """Negative control."""
        source = f"raise_staff_task(subject=f'payment:{{{name}}}', summary=f'{{what}} {{{name}}} is {{step.label}}.')"

        assert ids_told_in(source) == [name]

    def test_has_its_name_for_itself(self) -> None:
        with pytest.raises(ValueError, match="called dispute already"):
            register_kind("dispute", label="Another", role=Role.ADMIN, subjects=(), remedy="Look.")

        assert find_kind("dispute").label == "Disputed payment"
