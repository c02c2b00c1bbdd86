"""The clock is read at the edge: what is called from there is told what time it is, and acts at one moment."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
APPS = ("core", "accounts", "backoffice", "notifications", "events", "billing", "enrollments", "cohorts")
# What is called by a person, a program or the scheduler; `models` fill in when a row was made.
EDGES = {"admin", "api", "pages", "tasks", "management", "http", "models"}
OTHER_EDGES = {
    "accounts/guardian_pages.py": "pages",
    "accounts/staff_pages.py": "pages",
    "backoffice/display.py": "shows times as the back office does",
    "backoffice/site.py": "the front page of the back office",
    "cohorts/emails.py": "a mail says what is true when it is sent",
    "billing/reconciliation.py": "a run takes minutes: what it finds is caught up with at its own moment",
    "core/clock.py": "the clock itself",
    "core/work.py": "runs a sweep for its task, each batch at its own moment",
    "core/counters.py": "windows of the cache, which has a clock of its own",
}
# These still read it inside. None may join them: pass `now` on. One that is mended comes off the list.
STILL_INSIDE = {
    "cohorts/course/curriculum.py",
    "cohorts/course/replanning.py",
    "cohorts/course/scheduling.py",
    "cohorts/learning/attendance.py",
    "cohorts/learning/booking.py",
    "cohorts/learning/calendar.py",
    "cohorts/learning/completion.py",
    "cohorts/learning/reminders.py",
    "cohorts/learning/stranded.py",
    "cohorts/queries.py",
    "cohorts/sale/checkout.py",
    "cohorts/sale/enroll.py",
    "cohorts/sale/opening.py",
    "cohorts/sale/transfer.py",
    "cohorts/sale/waitlist.py",
}


def reads_the_clock(source: str) -> bool:
    imports = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom))
    return any(name.name == "utc_now" for found in imports for name in found.names)


def is_edge(name: str) -> bool:
    return bool(EDGES & set(Path(name).with_suffix("").parts)) or name in OTHER_EDGES


def inside() -> set[str]:
    """The modules that are no edge, and read the clock."""
    found = set()
    for path in (path for app in APPS for path in (ROOT / app).rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if not {"tests", "migrations"} & set(path.parts) and not is_edge(name) and reads_the_clock(path.read_text()):
            found.add(name)
    return found


def test_no_other_module_inside_reads_the_clock() -> None:
    assert inside() - STILL_INSIDE == set(), "take `now` as a keyword; whoever calls reads the clock"


def test_the_list_names_no_module_that_was_mended() -> None:
    assert STILL_INSIDE - inside() == set()


@pytest.mark.parametrize("name", sorted(OTHER_EDGES))
def test_an_edge_by_name_is_there_and_reads_the_clock(name: str) -> None:
    source = (ROOT / name).read_text()

    assert reads_the_clock(source) or "def utc_now" in source


def test_a_use_case_that_reads_it_is_found() -> None:
    assert reads_the_clock("from core.clock import utc_now\n")
    assert not reads_the_clock("from core.clock import utc_text\n")
    assert not is_edge("cohorts/sale/places.py")
