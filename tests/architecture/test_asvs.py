"""docs/asvs.md has a row for each line of ASVS 5.0.0 at levels 1 and 2, which says where it is met or why not.

test_documents checks that the files it names exist.
"""

import re
from collections import Counter
from pathlib import Path

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "asvs.md").read_text()
ROWS = re.findall(r"^\| (\d+\.\d+\.\d+) \| (.+?) \| (.+?) \| (.+) \|$", DOCUMENT, re.MULTILINE)
VERDICTS = ["met", "none here", "operator", "not met"]
# How many lines of levels 1 and 2 each chapter of the standard has.
LINES = [27, 11, 19, 10, 9, 35, 18, 7, 7, 29, 14, 9, 13, 9, 13, 16, 7]


def test_every_line_of_the_standard_has_its_row() -> None:
    numbers = [number for number, *_ in ROWS]

    assert len(numbers) == len(set(numbers)) == 253
    assert [Counter(number.split(".")[0] for number in numbers)[str(chapter)] for chapter in range(1, 18)] == LINES


def test_every_row_has_a_verdict_and_what_stands_behind_it() -> None:
    assert [row for row in ROWS if row[2] not in VERDICTS or len(row[3]) < len("RE2")] == []


def test_the_sums_are_those_of_the_rows() -> None:
    told = re.search(r"\|\n\|---\|---\|---\|---\|\n\| (\d+) \| (\d+) \| (\d+) \| (\d+) \|", DOCUMENT)
    counted = Counter(verdict for _, _, verdict, _ in ROWS)

    assert told is not None
    assert [int(number) for number in told.groups()] == [counted[verdict] for verdict in VERDICTS]
