"""How product code is written where ruff has no rule, about mistakes that would go unnoticed."""

import ast
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
ASIDE = {".venv", "var", "tests", "migrations", "bench", "typings", "conftest.py"}


def modules() -> list[Path]:
    return [path for path in sorted(ROOT.rglob("*.py")) if not ASIDE & set(path.relative_to(ROOT).parts)]


def is_about_types(node: ast.Assert) -> bool:
    """Return whether `assert isinstance(...)` tells the type checker what a framework's method receives."""
    return (
        isinstance(node.test, ast.Call) and isinstance(node.test.func, ast.Name) and node.test.func.id == "isinstance"
    )


def is_swap(targets: list[ast.expr], values: list[ast.expr]) -> bool:
    """Return whether a value reads something assigned before it, so that two statements would differ."""
    for number, value in enumerate(values):
        read = {ast.unparse(part) for part in ast.walk(value) if isinstance(part, ast.expr)}
        if any(ast.unparse(target) in read for target in targets[:number]):
            return True
    return False


def removable_asserts(tree: ast.AST) -> Iterator[int]:
    """Return lines that `python -O` removes. `core.errors.require`, a typed error, or a constraint can't be removed."""
    yield from (node.lineno for node in ast.walk(tree) if isinstance(node, ast.Assert) and not is_about_types(node))


def crowded_assignments(tree: ast.AST) -> Iterator[int]:
    """Return lines with several assignments, which are read as one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple):
            for target in node.targets:
                if isinstance(target, ast.Tuple) and not is_swap(target.elts, node.value.elts):
                    yield node.lineno


def unreachable(tree: ast.AST) -> Iterator[int]:
    """Return statements that follow a return or raise in its block: often the rest of a text that a break cut off."""
    for node in ast.walk(tree):
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if isinstance(block, list):
                for statement, following in itertools.pairwise(block):
                    if isinstance(statement, ast.Return | ast.Raise | ast.Continue | ast.Break):
                        yield following.lineno


def test_no_module_guards_by_an_assert_assigns_two_things_at_once_or_has_a_part_that_is_never_reached() -> None:
    found = []
    for path in modules():
        tree = ast.parse(path.read_text())
        lines = [*removable_asserts(tree), *crowded_assignments(tree), *unreachable(tree)]
        found += [f"{path.relative_to(ROOT)}:{line}" for line in lines]

    assert found == []


@pytest.mark.parametrize(
    ("source", "found"),
    [("assert a\n", [1]), ("assert isinstance(a, int)\n", []), ("def f():\n    assert a > 1\n", [2])],
)
def test_an_assert_is_found(source: str, found: list[int]) -> None:
    assert list(removable_asserts(ast.parse(source))) == found


@pytest.mark.parametrize(
    ("source", "found"), [("a, b = 1, 2\n", [1]), ("a, b = b, a\n", []), ("a, b = f()\n", []), ("a = 1, 2\n", [])]
)
def test_a_crowded_assignment_is_found(source: str, found: list[int]) -> None:
    assert list(crowded_assignments(ast.parse(source))) == found


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("def f():\n    return 'one '\n    'two'\n", [3]),
        ("def f():\n    return 'one ' 'two'\n", []),
        ("if a:\n    raise B\nelse:\n    c()\n", []),
    ],
)
def test_what_is_never_reached_is_found(source: str, found: list[int]) -> None:
    assert list(unreachable(ast.parse(source))) == found
