"""A word that occurs twice in a row was pasted by mistake."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ASIDE = {".venv", "var", "tests", "migrations", "bench", "typings", "static", "staticfiles", "node_modules"}
TAG = re.compile(r"<[^>]*>|{[%#{].*?[%#}]}", re.DOTALL)
TWICE = re.compile(r"(?<![-\w@/])([A-Za-z]{2,})\s+\1(?![-\w@/])")


def files(pattern: str) -> list[Path]:
    return [path for path in sorted(ROOT.rglob(pattern)) if not ASIDE & {*path.relative_to(ROOT).parts}]


def texts(path: Path) -> Iterator[str]:
    """Return what people read in this file: a module's strings, or a page's words without its tags."""
    if path.suffix == ".py":
        constants = (node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant))
        yield from (value for value in constants if isinstance(value, str))
    else:
        yield TAG.sub("\0", path.read_text())


def doubled(text: str) -> list[str]:
    return [found.group() for found in TWICE.finditer(text)]


@pytest.mark.parametrize("pattern", ["*.py", "*.html", "*.txt", "*.md"])
def test_no_text_says_a_word_twice_in_a_row(pattern: str) -> None:
    read = files(pattern)

    assert read
    assert {
        str(path.relative_to(ROOT)): found for path in read for text in texts(path) if (found := doubled(text))
    } == {}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("please please do not", ["please please"]),
        ("of the\nthe page", ["the\nthe"]),
        ("--owner owner@demo.test", []),
        ("do not do it", []),
    ],
)
def test_a_doubled_word_is_found(text: str, found: list[str]) -> None:
    assert doubled(text) == found
