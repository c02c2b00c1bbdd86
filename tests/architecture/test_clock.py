"""The clock is read at the edge: code called from there is told the time, and acts at one moment."""

import ast
from pathlib import Path

import pytest

from .own_code import APPS, ROOT, modules

# The edge is what a person, a program, or the scheduler calls; `models` fill in when a row was created.
EDGES = {"admin", "api", "graphql", "pages", "tasks", "management", "http", "models"}
OTHER_EDGES = {
    "accounts/guardian_pages.py": "pages",
    "accounts/name_pages.py": "pages",
    "accounts/staff_pages.py": "pages",
    "enrollments/apply_pages.py": "pages",
    "enrollments/district_pages.py": "pages",
    "enrollments/idle_pages.py": "pages",
    "enrollments/inquiry_pages.py": "pages",
    "enrollments/leave_pages.py": "pages",
    "backoffice/auditing/recording.py": "says when a member of staff did what they just did",
    "backoffice/display.py": "shows times as the back office does",
    "backoffice/queues.py": "filters lists, which are pages",
    "backoffice/site.py": "the front page of the back office",
    "cohorts/emails.py": "a mail says what is true when it is sent",
    "enrollments/letters.py": "a mail says what is true when it is sent",
    "billing/reconciliation.py": "a run takes minutes: what it finds is caught up with at its own moment",
    "events/webhooks/sending.py": "sends one delivery after the other, each at its own moment",
    "operations/doctor.py": "asked by whoever wants to know how things stand now",
    "core/clock.py": "the clock itself",
    "core/jobs.py": "does the batches of a job, each at its own moment",
    "core/work.py": "runs a sweep for its task, each batch at its own moment",
    "core/counters.py": "windows of the cache, which has a clock of its own",
}


def reads_the_clock(source: str) -> bool:
    imports = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom))
    return any(name.name == "utc_now" for found in imports for name in found.names)


def is_edge(name: str) -> bool:
    return bool(EDGES & set(Path(name).with_suffix("").parts)) or name in OTHER_EDGES


def inside() -> set[str]:
    """Return the modules that are not at the edge but read the clock."""
    found = set()
    for path in modules(*APPS):
        name = path.relative_to(ROOT).as_posix()
        if not is_edge(name) and reads_the_clock(path.read_text()):
            found.add(name)
    return found


def guesses_the_time(source: str) -> list[str]:
    """Return the functions that do not insist on being told the time: `now` may be omitted or None."""
    functions = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef))
    return [function.name for function in functions if _may_lack_now(function.args)]


def _may_lack_now(arguments: ast.arguments) -> bool:
    positional = arguments.posonlyargs + arguments.args
    left_out = positional[len(positional) - len(arguments.defaults) :]
    left_out += [
        keyword
        for keyword, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if default is not None
    ]
    vague = [
        each for each in positional + arguments.kwonlyargs if each.annotation and "None" in ast.unparse(each.annotation)
    ]
    return any(each.arg == "now" for each in left_out + vague)


def test_no_module_inside_reads_the_clock() -> None:
    assert inside() == set(), "take `now` as a keyword; whoever calls reads the clock"


@pytest.mark.parametrize("app", APPS)
def test_every_function_that_takes_the_time_insists_on_it(app: str) -> None:
    found = {path.relative_to(ROOT).as_posix(): guesses_the_time(path.read_text()) for path in modules(app)}
    found.pop("operations/doctor.py", None)  # examines the present unless told otherwise

    assert {name: functions for name, functions in found.items() if functions} == {}


@pytest.mark.parametrize(
    "signature",
    ["*, now: dt.datetime | None = None", "*, now: dt.datetime | None", "now=None", "*, now: dt.datetime = NOON"],
)
def test_a_function_that_guesses_it_is_found(signature: str) -> None:
    assert guesses_the_time(f"def act({signature}): ...") == ["act"]


@pytest.mark.parametrize("signature", ["*, now: dt.datetime", "*, now: dt.datetime, limit: int = 1", "limit=None"])
def test_a_function_that_insists_on_it_passes(signature: str) -> None:
    assert guesses_the_time(f"def act({signature}): ...") == []


@pytest.mark.parametrize("name", sorted(OTHER_EDGES))
def test_an_edge_by_name_is_there_and_reads_the_clock(name: str) -> None:
    source = (ROOT / name).read_text()

    assert reads_the_clock(source) or "def utc_now" in source


def test_a_use_case_that_reads_it_is_found() -> None:
    assert reads_the_clock("from core.clock import utc_now\n")
    assert not reads_the_clock("from core.clock import utc_text\n")
    assert not is_edge("cohorts/sale/places.py")
