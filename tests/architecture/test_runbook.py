"""The runbook names every command, every kind of waiting work, and every alert, and nothing that does not exist."""

import re
from pathlib import Path

import pytest
from django.conf import settings

from enrollment_project.metrics import WORK

ROOT = Path(settings.BASE_DIR)
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
OURS = [path.stem for path in sorted(ROOT.glob("*/management/commands/*.py")) if path.stem != "__init__"]


def first_cells(section: str) -> set[str]:
    """Return the code spans in the first column of the tables under a heading."""
    text = RUNBOOK.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    return {name for row in re.findall(r"^\| (`.*?) \|", text, re.M) for name in re.findall(r"`([^`]+)`", row)}


class TestTheRunbook:
    def test_names_every_command(self) -> None:
        assert first_cells("Commands") == set(OURS)

    def test_says_what_to_do_about_every_kind_of_work_that_waits(self) -> None:
        assert first_cells("Work that waits") == {work.name for work in WORK}

    def test_leads_on_from_every_alert(self) -> None:
        alerts = re.findall(r"alert: (\w+)", (ROOT / "deploy" / "prometheus" / "alerts.yml").read_text())

        assert first_cells("When an alert fires") == set(alerts)

    @pytest.mark.parametrize("command", re.findall(r"`manage\.py (\w+)", RUNBOOK))
    def test_calls_commands_that_there_are(self, command: str) -> None:
        assert command in [*OURS, "migrate"]
