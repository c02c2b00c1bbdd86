"""What the contracts of .importlinter can't see: packages without a contract, and imports inside functions."""

import ast
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = {init.parent for init in ROOT.glob("*/__init__.py")} - {ROOT / "tests", ROOT / "bench"}
Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def inner_imports(source: str) -> Iterator[int]:
    """Return the lines on which a function of this source imports something."""
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, Function):
            for node in ast.walk(function):
                if isinstance(node, ast.Import | ast.ImportFrom):
                    yield node.lineno


# Django finds commands, template tags, and date formats by name: none of them imports another.
APART = {"tests", "migrations", "commands", "formats"}


def packages_of_modules() -> list[str]:
    """Return our packages with two modules or more, except those that Django finds by name."""
    found = []
    for init in (path for package in PACKAGES for path in package.rglob("__init__.py")):
        folder = init.parent.relative_to(ROOT)
        modules = [
            path for path in init.parent.glob("*.py") if path.name not in ("__init__.py", "apps.py", "conftest.py")
        ]
        if len(modules) > 1 and not APART & set(folder.parts) and folder.parts[0] != "sandbox":
            found.append(".".join(folder.parts))
    return sorted(found)


class TestAPackage:
    def test_has_a_contract_with_a_line_per_layer(self) -> None:
        contracts = ConfigParser()
        contracts.read(ROOT / ".importlinter")
        named = {contracts[section].get("containers", "").strip() for section in contracts.sections()}

        packages = packages_of_modules()

        assert {"billing", "billing.checkout", "cohorts.sale", "core.http"} <= set(packages)
        assert [package for package in packages if package not in named] == []


class TestFunctions:
    def test_import_nothing_apart_from_an_app_getting_ready(self) -> None:
        sources = [path for package in PACKAGES for path in package.rglob("*.py") if path.name != "apps.py"]

        found = [f"{path.relative_to(ROOT)}:{line}" for path in sources for line in inner_imports(path.read_text())]

        assert len(sources) > 100
        assert found == []

    def test_that_import_would_be_found(self) -> None:
        source = "import os\n\ndef route():\n    from billing import checkout\n    return checkout\n"

        assert list(inner_imports(source)) == [4]
