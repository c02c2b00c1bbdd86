"""Each decision has a page in the common form, and a line in the index."""

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "decisions"
PAGES = sorted(FOLDER.glob("[0-9]*.md"))
FORM = re.compile(r"# (\d+)\. (.+)\n\n\d{4}-\d{2}-\d{2} · (?:Accepted|Superseded by \[(\d{4})\]\(\S+\))\n\n\S")
LINE = re.compile(r"^\| \[(\d{4})\]\((\S+)\) \| (.+) \|$", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
class TestADecision:
    def test_begins_with_its_number_title_date_and_status(self, page: Path) -> None:
        beginning = FORM.match(page.read_text())

        assert beginning, "# N. Title, then `YYYY-MM-DD · Accepted` (or `Superseded by [NNNN](page)`)"
        assert int(beginning[1]) == int(page.name[:4])


class TestTheIndex:
    def test_has_a_line_for_every_decision(self) -> None:
        titles = {page.name: page.read_text().splitlines()[0].partition(". ")[2] for page in PAGES}

        listed = {name: title for _, name, title in LINE.findall((FOLDER / "README.md").read_text())}

        assert listed == titles

    def test_gives_each_number_once(self) -> None:
        numbers = [page.name[:4] for page in PAGES]

        assert sorted(set(numbers)) == numbers


@pytest.mark.parametrize(
    "text",
    ["# 1. Title\n\nAccepted 2026-11-27\n\nText", "# Title\n\n2026-11-27 · Accepted\n\nText", "# 1. Title\n\nText"],
)
def test_another_form_is_noticed(text: str) -> None:
    assert FORM.match(text) is None
