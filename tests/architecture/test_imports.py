"""What the import contracts of .importlinter can't see: imports that hide inside functions to dodge a cycle."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = {init.parent for init in ROOT.glob("*/__init__.py")} - {ROOT / "tests", ROOT / "bench"}
Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def inner_imports(source: str) -> Iterator[int]:
    """The lines on which a function of this source imports something."""
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, Function):
            for node in ast.walk(function):
                if isinstance(node, ast.Import | ast.ImportFrom):
                    yield node.lineno


class TestFunctions:
    def test_import_nothing_apart_from_an_app_getting_ready(self) -> None:
        sources = [path for package in PACKAGES for path in package.rglob("*.py") if path.name != "apps.py"]

        found = [f"{path.relative_to(ROOT)}:{line}" for path in sources for line in inner_imports(path.read_text())]

        assert len(sources) > 100
        assert found == []

    def test_that_import_would_be_found(self) -> None:
        source = "import os\n\ndef route():\n    from billing import checkout\n    return checkout\n"

        assert list(inner_imports(source)) == [4]
