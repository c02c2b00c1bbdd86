"""The subset that also runs on SQLite stays a subset: `sqlite` marks a test whose statements no other test sends there
(CONTRIBUTING.md), and those are few. Marking a whole module or class raises the count quickly.
"""

import ast
from pathlib import Path

import pytest

from tests.architecture.test_durations import ROOT, modules_of_tests

MOST = 0.12  # of all test functions
FEWEST = 150  # needed to cover each kind of statement and each refusal


def is_marked(node: ast.AST) -> bool:
    return any(
        isinstance(each, ast.Attribute) and each.attr == "sqlite" and ast.unparse(each) == "pytest.mark.sqlite"
        for each in ast.walk(node)
    )


def counted(source: str) -> tuple[int, int]:
    """Count a module's test functions, and how many are marked: by themselves, or with their class or module."""
    module = ast.parse(source)
    whole = any(
        is_marked(node.value)
        for node in module.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark"
    )
    found: list[bool] = []
    for node in module.body:
        classes = [node] if isinstance(node, ast.ClassDef) else []
        for test in [each for outer in classes for each in outer.body] or [node]:
            if isinstance(test, ast.FunctionDef) and test.name.startswith("test"):
                decorators = [*test.decorator_list, *(each for outer in classes for each in outer.decorator_list)]
                found.append(whole or any(is_marked(each) for each in decorators))
    return len(found), sum(found)


def test_the_subset_on_sqlite_stays_a_small_part_of_the_tests() -> None:
    counts = [counted(Path(path).read_text()) for path in modules_of_tests() if path.is_relative_to(ROOT)]
    tests, marked = (sum(column) for column in zip(*counts, strict=True))

    assert FEWEST < marked < MOST * tests


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def test_a(): pass", (1, 0)),
        ("@pytest.mark.sqlite\ndef test_a(): pass\ndef test_b(): pass", (2, 1)),
        ("pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]\ndef test_a(): pass\ndef test_b(): pass", (2, 2)),
        ("@pytest.mark.sqlite\nclass TestA:\n    def test_a(self): pass\n    def test_b(self): pass", (2, 2)),
        ("class TestA:\n    @pytest.mark.sqlite\n    def test_a(self): pass\n    def test_b(self): pass", (2, 1)),
    ],
)
def test_marks_are_counted_wherever_they_stand(source: str, expected: tuple[int, int]) -> None:
    assert counted(source) == expected
