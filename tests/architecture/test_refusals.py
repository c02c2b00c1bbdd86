"""Whoever catches a refused row asks which constraint refused it, or lets what was not expected go on as an error."""

import ast
from collections.abc import Iterator

import pytest

from .own_code import APPS, PROJECT, ROOT, modules

# Those that may take every refusal alike, each for its reason.
ALIKE = {
    "accounts/learners.py": "looks for the learner again, and answers 503 if there is none",
    "accounts/sign_in.py": "looks for the account again, and fails if there is none",
    "backoffice/scoping.py": "does not know the constraints of the app whose page it saves",
    "enrollment_project/management/commands/upgrade_database.py": "names the row in the way, whichever rule it breaks",
    "enrollments/allocations/roster.py": "reports the line as not carried out; the file can be sent again",
    "enrollments/routing/route.py": "decides again; if it is refused each time, logs an error and answers 503",
}


def taken_alike(source: str) -> Iterator[int]:
    """Return the lines of the handlers that neither name a constraint nor raise what they caught."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ExceptHandler) and _catches_refusals(node) and not _lets_go(node):
            yield node.lineno


def _catches_refusals(handler: ast.ExceptHandler) -> bool:
    caught = ast.walk(handler.type) if handler.type is not None else ()
    return any("IntegrityError" in (getattr(each, "id", ""), getattr(each, "attr", "")) for each in caught)


def _lets_go(handler: ast.ExceptHandler) -> bool:
    return any(isinstance(each, ast.Raise) and each.exc is None for each in ast.walk(handler))


def test_an_unexpected_refusal_is_let_go() -> None:
    alike = {
        str(module.relative_to(ROOT)) for module in modules(*APPS, PROJECT) if list(taken_alike(module.read_text()))
    }

    assert alike == set(ALIKE)


@pytest.mark.parametrize(
    ("handler", "lines"),
    [
        ("except IntegrityError as error:\n    raise Taken() from error", [3]),
        ("except (ValueError, db.IntegrityError):\n    pass", [3]),
        ("except IntegrityError as error:\n    if not violates(error, 'a'):\n        raise\n    raise Taken()", []),
        ("except ValueError:\n    pass", []),
    ],
)
def test_one_that_is_taken_for_the_expected_one_is_noticed(handler: str, lines: list[int]) -> None:
    assert list(taken_alike(f"try:\n    save()\n{handler}\n")) == lines
