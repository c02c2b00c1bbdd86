"""The table that compares other back offices names buttons, pages, and cards that exist."""

import re
from pathlib import Path

import pytest

from backoffice.display import cards_for
from backoffice.tests.staff_client import staff_request
from enrollment_project.dashboard.navigation import every_entry

from .matrix import pages
from .small_demo import my_row_of, person

TABLE = Path(__file__).resolve().parents[2] / "docs/decisions/0128-what-others-show.md"


def named_in(text: str) -> set[str]:
    rows = [line for line in text.splitlines() if line.startswith("|")]
    return set(re.findall(r"(?<!\*)\*([^*]+)\*(?!\*)", "\n".join(rows)))


@pytest.mark.walk
class TestTheTableOfWhatOthersShow:
    def test_names_what_is_there(self, world: None, db: None) -> None:
        request = staff_request(person("superuser"))
        buttons = {
            str(button.description)
            for page in pages()
            for button in page._get_base_actions_list() + page._get_base_actions_detail()
        }
        cards = {card.title for page in pages() for card in cards_for(request, my_row_of(page))}
        known = buttons | cards | {str(entry.title) for entry in every_entry()}

        assert named_in(TABLE.read_text()) - known == set()

    def test_names_many(self) -> None:
        assert len(named_in(TABLE.read_text())) > 30
        assert named_in("| there | *Refund* in *full* |\nNot in the *table*") == {"Refund", "full"}
