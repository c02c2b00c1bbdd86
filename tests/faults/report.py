"""A pytest plugin for `make faults`: a table of what was killed, how often, and how long recovery took.

A test asserts what is true afterward; only this module judges durations.
"""

import time
from typing import Any

import pytest

AT_MOST_S = 60.0
_survived: list[tuple[str, int, float]] = []
_failed: list[str] = []


class Recoveries:
    """The time of the slowest of some recoveries, from the moment of the fault."""

    def __init__(self) -> None:
        self.slowest = 0.0
        self._began = 0.0

    def begin(self) -> None:
        self._began = time.perf_counter()

    def end(self) -> None:
        self.slowest = max(self.slowest, time.perf_counter() - self._began)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Collect reports; this is also called in the process that pytest-xdist's workers report to."""
    if report.failed:
        _failed.append(report.nodeid)
    elif report.when == "call":
        properties: list[tuple[str, Any]] = report.user_properties
        _survived.extend((value[0], value[1], value[2]) for name, value in properties if name == "fault")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if not hasattr(session.config, "workerinput") and session.exitstatus == 0 and _slow():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if not _survived:
        return
    terminalreporter.section("faults survived: nothing acknowledged lost, nothing doubled, the doctor finds nothing")
    width = max(len(name) for name, *_ in _survived)
    terminalreporter.write_line(f"{'what was killed':{width}}  times  slowest recovery")
    for name, times, seconds in sorted(_survived):
        mark = f"  MORE THAN {AT_MOST_S:.0f} s" if seconds > AT_MOST_S else ""
        terminalreporter.write_line(f"{name:{width}}{times:7,}{seconds:16.1f} s{mark}")
    times = sum(times for _, times, _ in _survived)
    slowest = max(seconds for *_, seconds in _survived)
    terminalreporter.write_line(f"{len(_survived)} points, {times:,} faults, {len(_failed)} not survived")
    terminalreporter.write_line(f"slowest recovery {slowest:.1f} s; {AT_MOST_S:.0f} are allowed")


def _slow() -> bool:
    return any(seconds > AT_MOST_S for *_, seconds in _survived)
