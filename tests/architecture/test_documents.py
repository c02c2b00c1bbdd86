"""Everything that documents name exists."""

import ast
import re
from pathlib import Path

import pytest

from enrollment_project.dashboard.navigation import every_entry
from operations.doctor import INVARIANTS

ROOT = Path(__file__).resolve().parent.parent.parent
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("*/README.md"), *(ROOT / "docs").rglob("*.md")]
LINK = re.compile(r"\]\(([^)#\s]+?)(?:#[^)]*)?\)")
# A file of ours by its path from the root, or from the folder of an app's README: `routing/decide.py`
NAMED = re.compile(r"`((?:[a-z_0-9]+/)+[a-z_0-9]+\.(?:py|md|txt))`")

# Names that a module defines: `core/text.py`: `fit`, `shorten`
DEFINED = re.compile(r"`((?:[a-z_0-9]+/)+[a-z_0-9]+\.py)`: (`\w+`(?:, `\w+`)*)")
SPAN = re.compile(r"`(\w+)`")


def defined_in(module: Path) -> set[str]:
    """Return the functions, classes, and constants of a module."""
    names: set[str] = set()
    for node in ast.parse(module.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names


THE_DOCTOR = (ROOT / "docs" / "doctor.md").read_text()
IN_ONE_LINE = " ".join(THE_DOCTOR.split())
# Words in bold on its page that are no buttons.
ASKED = ["Who is affected", "What to do"]
HEADINGS = {*ASKED, "by hand", "waits", "Waits"}


def places(document: Path, name: str) -> list[Path]:
    """Return where a file that a document names may be: below the root, beside the document, or in one of the apps."""
    return [ROOT / name, document.parent / name, *(init.parent / name for init in ROOT.glob("*/__init__.py"))]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
class TestADocument:
    def test_links_to_what_is_there(self, document: Path) -> None:
        targets = [link for link in LINK.findall(document.read_text()) if "://" not in link]

        assert [link for link in targets if not (document.parent / link).exists()] == []

    def test_names_files_that_are_there(self, document: Path) -> None:
        named = NAMED.findall(document.read_text())

        assert [name for name in named if not any(place.exists() for place in places(document, name))] == []

    def test_names_what_its_modules_define(self, document: Path) -> None:
        missing = [
            f"{module}: {name}"
            for module, names in DEFINED.findall(document.read_text())
            for name in SPAN.findall(names)
            if name not in defined_in(ROOT / module)
        ]

        assert missing == []


def test_a_name_that_leads_nowhere_is_found() -> None:
    assert NAMED.findall("see `enrollments/deciding.py`") == ["enrollments/deciding.py"]
    assert not any(place.exists() for place in places(ROOT / "README.md", "enrollments/deciding.py"))


def test_a_definition_that_is_gone_is_found() -> None:
    ((module, names),) = DEFINED.findall("| a rule | `core/text.py`: `fit`, `cut_off` |")

    assert [name for name in SPAN.findall(names) if name not in defined_in(ROOT / module)] == ["cut_off"]


class TestThePageOfTheDoctor:
    def test_has_every_rule_in_its_order(self) -> None:
        assert re.findall(r"^### `(.+)`$", THE_DOCTOR, re.MULTILINE) == list(INVARIANTS)

    def test_says_of_each_who_is_wronged_and_what_to_do(self) -> None:
        rules = re.split(r"^### ", THE_DOCTOR, flags=re.MULTILINE)[1:]

        silent = [rule.split()[0] for rule in rules if re.findall(r"^- \*\*(.+?)\*\*", rule, re.MULTILINE) != ASKED]
        assert silent == []

    def test_names_buttons_that_are_there(self) -> None:
        pages = [path.read_text() for path in ROOT.glob("*/admin*/**/*.py")] + [
            path.read_text() for path in ROOT.glob("*/admin.py")
        ]
        buttons = {name for page in pages for name in re.findall(r'description="([A-Z][^"]+)"', page)}

        assert set(re.findall(r"\*\*([^*]+)\*\*", IN_ONE_LINE)) - HEADINGS - buttons == set()

    def test_names_pages_of_the_back_office_that_are_there(self) -> None:
        pages = {entry.title for entry in every_entry()}

        assert set(re.findall(r"(?<!\*)\*([A-Z][^*]+)\*(?!\*)", IN_ONE_LINE)) - pages == set()

    def test_names_commands_that_are_there(self) -> None:
        commands = {path.stem for path in ROOT.glob("*/management/commands/*.py")} | {"dbshell", "shell"}

        assert set(re.findall(r"manage\.py ([a-z_]+)", IN_ONE_LINE)) - commands == set()
