"""No test asserts how long something took: that depends on the machine, not on the code. `make bench` measures."""

import ast
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent.parent
JUDGE = ROOT / "tests" / "faults" / "report.py"  # part of `make faults` only: its tests assert no duration either
CLOCKS = {"monotonic", "perf_counter", "process_time", "monotonic_ns", "perf_counter_ns", "elapsed"}


def modules_of_tests() -> list[Path]:
    found = (path for path in ROOT.rglob("*.py") if path.name.startswith("test_") or "tests" in path.parts)
    return [path for path in found if path != JUDGE and not {".venv", "var"} & set(path.relative_to(ROOT).parts)]


def readings(tree: ast.AST) -> set[ast.expr]:
    return {node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in CLOCKS}


def offenses(source: str) -> list[int]:
    """Return the lines that read a stopwatch for anything but a deadline after which a test gives up."""
    tree = ast.parse(source)
    allowed: set[ast.expr] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.While):
            allowed |= readings(node.test)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "deadline":
            allowed |= readings(node.value)
        if isinstance(node, ast.BinOp) and isinstance(node.left, ast.Name) and node.left.id == "deadline":
            allowed |= readings(node.right)
    return sorted(node.lineno for node in readings(tree) - allowed)


def test_tests_read_a_stopwatch_only_to_give_up() -> None:
    found = {str(path.relative_to(ROOT)): offenses(path.read_text()) for path in modules_of_tests()}

    assert {path: lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "source",
    [
        "assert time.monotonic() - started < 2",
        "started = time.perf_counter()",
        "assert response.elapsed.total_seconds() < 1",
        "while x:\n    assert clock.monotonic() < 3",
    ],
)
def test_a_measured_duration_is_found(source: str) -> None:
    assert offenses(source) != []


def test_a_deadline_is_not_taken_for_one() -> None:
    assert offenses("deadline = time.monotonic() + 1\nwhile time.monotonic() < deadline:\n    pass") == []


def test_no_example_that_hypothesis_draws_is_timed() -> None:
    assert settings().deadline is None
    assert HealthCheck.too_slow in settings().suppress_health_check
