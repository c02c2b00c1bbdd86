"""docs/notifications.md lists the mails that a workspace may word itself, with exactly their placeholders."""

import re
from pathlib import Path

from notifications.wording import list_wordings

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "notifications.md").read_text()
_ROW = re.compile(r"^\| `(\w+)` \| [^|]+ \|([^|]*)\|$", re.MULTILINE)
EVERYWHERE = set(re.findall(r"`\{(\w+)\}`", next(line for line in PAGE.splitlines() if line.startswith("| kind |"))))


def listed() -> dict[str, set[str]]:
    return {kind: set(re.findall(r"`\{(\w+)\}`", cell)) for kind, cell in _ROW.findall(PAGE)}


class TestThePage:
    def test_lists_every_mail_with_its_placeholders(self) -> None:
        registered = {wording.kind: set(wording.samples) - EVERYWHERE for wording in list_wordings()}

        assert listed() == registered
