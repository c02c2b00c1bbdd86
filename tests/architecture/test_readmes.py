"""Each package's README has one layout and agrees with the code about models, states, events, imports, and modules."""

import ast
import configparser
import re
from pathlib import Path

import pytest
from django.apps import apps
from django.db.models import Model

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = sorted(init.parent.name for init in ROOT.glob("*/__init__.py") if init.parent.name != "tests")
MEASURED_FROM_OUTSIDE = {"bench"}  # it may import everything, and belongs to no layer
INSTALLED = [name for name in PACKAGES if apps.is_installed(name)]
LAYOUT = ["Owns", "States", "Events", "May import", "Modules"]
# A reader who looks for one of their modules knows the name: a line for the folder is enough.
FOLDERS = {
    "admin",
    "api",
    "commands",
    "formats",
    "gateways",
    "graphql",
    "management",
    "models",
    "pages",
    "settings",
    "templatetags",
}
UNNAMED = {"__init__.py", "apps.py"}

SPAN = re.compile(r"`([^`]+)`")
FIRST_CELL = re.compile(r"^\| ([^|]+) \|", re.MULTILINE)
EVENT_TYPE = re.compile(r"[a-z]+\.[a-z_]+|[A-Z_]+")
EVENT_CLASS = re.compile(r"(?:[A-Z][a-z]+)+")


def sections(text: str) -> dict[str, str]:
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def readme(package: str) -> dict[str, str]:
    return sections((ROOT / package / "README.md").read_text())


def named_modules(table: str) -> set[str]:
    return {name for cell in FIRST_CELL.findall(table) for name in SPAN.findall(cell)}


def modules(package: str) -> set[str]:
    """Return what needs a line: each module by its path, or by the folder that may represent it."""
    found = set()
    for file in (ROOT / package).rglob("*.py"):
        path = file.relative_to(ROOT / package)
        if path.name in UNNAMED or {"tests", "migrations"} & set(path.parts):
            continue
        folder = next((number for number, part in enumerate(path.parts[:-1]) if part in FOLDERS), None)
        found.add(str(path) if folder is None else "/".join(path.parts[: folder + 1]) + "/")
    return found


def syntax_trees(package: str) -> list[ast.AST]:
    files = [file for file in (ROOT / package).rglob("*.py") if not {"tests", "migrations"} & set(file.parts)]
    return [ast.parse(file.read_text()) for file in files]


def published_types(package: str) -> set[str]:
    """Return the values of `type: ClassVar[str] = ...`."""
    return {
        str(node.value.value)
        for tree in syntax_trees(package)
        for node in ast.walk(tree)
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and node.target.id == "type"
        and isinstance(node.value, ast.Constant)
    }


def handled_classes(package: str) -> set[str]:
    """Return the arguments of `@handles(...)` and `@handles_together(...)`."""
    return {
        node.args[0].id
        for tree in syntax_trees(package)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in {"handles", "handles_together"}
        and isinstance(node.args[0], ast.Name)
    }


def layers() -> list[set[str]]:
    """Return the packages as `.importlinter` stacks them, from the top down."""
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter")
    lines = contracts["importlinter:contract:apps"]["layers"].strip().splitlines()
    return [{re.sub(r"[()]", "", name).split(".")[0].strip() for name in re.split(r"[|:]", line)} for line in lines]


def importable(package: str) -> set[str]:
    """Return the packages on the layers below; none if the package is on no layer."""
    stack = layers()
    depth = next((number for number, layer in enumerate(stack) if package in layer), len(stack))
    return {name for layer in stack[depth + 1 :] for name in layer if (ROOT / name).is_dir()}


def models(package: str) -> list[type[Model]]:
    return list(apps.get_app_config(package).get_models())


def states(package: str) -> dict[str, set[str]]:
    return {
        f"{model.__name__}.{field.name}": {str(value) for value, _ in field.choices}
        for model in models(package)
        for field in model._meta.concrete_fields
        if field.name.endswith("status") and field.choices
    }


@pytest.mark.parametrize("package", PACKAGES)
class TestTheReadme:
    def test_has_the_layout_that_all_share(self, package: str) -> None:
        text = (ROOT / package / "README.md").read_text()

        assert text.startswith(f"# {package}\n\n")
        assert list(sections(text))[: len(LAYOUT)] == LAYOUT

    def test_has_a_line_for_every_module_and_a_module_for_every_line(self, package: str) -> None:
        assert named_modules(readme(package)["Modules"]) == modules(package)

    def test_names_the_packages_that_may_be_imported(self, package: str) -> None:
        named = set(SPAN.findall(readme(package)["May import"])) & set(PACKAGES)

        assert package in MEASURED_FROM_OUTSIDE or named == importable(package)

    def test_names_the_types_of_events_that_are_published(self, package: str) -> None:
        published, _, _ = readme(package)["Events"].partition("**Handles**")
        types = {name for name in SPAN.findall(published) if EVENT_TYPE.fullmatch(name) and not name.endswith(".py")}

        assert types == published_types(package)

    def test_names_the_events_that_are_handled(self, package: str) -> None:
        _, _, handled = readme(package)["Events"].partition("**Handles**")

        assert {name for name in SPAN.findall(handled) if EVENT_CLASS.fullmatch(name)} == handled_classes(package)


@pytest.mark.parametrize("package", INSTALLED)
class TestTheReadmeOfAnApp:
    def test_names_every_model(self, package: str) -> None:
        assert named_modules(readme(package)["Owns"]) == {model.__name__ for model in models(package)}

    def test_names_every_state(self, package: str) -> None:
        rows = re.findall(r"^\| `(\w+\.\w+)` \| ([^|]+) \|", readme(package)["States"], flags=re.MULTILINE)

        assert {field: set(SPAN.findall(values)) for field, values in rows} == states(package)


class TestWhatTheReadmesAreComparedWith:
    def test_is_found_in_the_code(self) -> None:
        assert {"routing/route.py", "models/", "states.py"} <= modules("enrollments")
        assert "seat.reserved" in published_types("enrollments")
        assert "PaymentSucceeded" in handled_classes("cohorts")
        assert importable("notifications") == {"accounts", "backoffice", "core"}
        assert states("accounts") == {"StaffTask.status": {"open", "done"}}
