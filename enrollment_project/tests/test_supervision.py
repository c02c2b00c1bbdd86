"""How `make run` handles processes that end, tested with processes that do nothing else."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from enrollment_project import supervision
from enrollment_project.supervision import CrashLoop, Processes
from sandbox.testing import wait_until

LASTS = [sys.executable, "-c", "import time; print('here', flush=True); time.sleep(600)"]
ENDS = [sys.executable, "-c", "print('no luck'); raise SystemExit(3)"]
LEAVES_A_CHILD = [
    sys.executable,
    "-c",
    "import os, time; print('child', os.fork() or os.getpid(), flush=True); time.sleep(600)",
]


def pids_of(processes: Processes) -> dict[str, int]:
    """Return the process ids of those that have been started."""
    return {name: process.pid for name, process in processes._running.items() if process.pid}


@pytest.fixture
def said() -> list[str]:
    return []


@contextlib.contextmanager
def supervise(
    commands: dict[str, list[str]], folder: Path, said: list[str], once: tuple[str, ...] = ()
) -> Iterator[Processes]:
    """Wait until all commands have been started."""
    with Processes(commands, environment=os.environ, folder=folder, say=said.append, once=once) as processes:
        processes.start(*commands)
        yield processes


@pytest.fixture
def two(tmp_path: Path, said: list[str]) -> Iterator[Processes]:
    with supervise({"one": LASTS, "two": LASTS}, tmp_path, said) as processes:
        wait_until(lambda: len(said) == 2)
        yield processes


class TestProcesses:
    def test_write_with_their_names_in_front(self, two: Processes, said: list[str]) -> None:
        assert sorted(said) == ["one     | here", "two     | here"]

    def test_are_left_alone_while_they_run(self, two: Processes, said: list[str]) -> None:
        before = dict(pids_of(two))

        two.revive()

        assert pids_of(two) == before
        assert len(said) == 2

    def test_are_started_again_one_by_one_and_with_a_word(self, two: Processes, said: list[str]) -> None:
        before = dict(pids_of(two))
        psutil.Process(before["two"]).kill()
        wait_until(lambda: psutil.Process(before["two"]).status() == psutil.STATUS_ZOMBIE)

        two.revive()
        wait_until(lambda: said.count("two     | here") == 2)

        assert pids_of(two)["one"] == before["one"]
        assert pids_of(two)["two"] != before["two"]
        assert "The two process ended by itself (exit code -9) and is started again." in said

    def test_take_with_them_what_they_started(self, tmp_path: Path, said: list[str]) -> None:
        with supervise({"parent": LEAVES_A_CHILD}, tmp_path, said) as processes:
            wait_until(lambda: len(said) == 2)
            child = next(
                psutil.Process(int(line.split()[-1])) for line in said if "child" in line and is_child(line, processes)
            )
            psutil.Process(pids_of(processes)["parent"]).kill()
            wait_until(lambda: psutil.Process(pids_of(processes)["parent"]).status() == psutil.STATUS_ZOMBIE)

            processes.revive()

            assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE

    def test_all_end_with_the_context(self, tmp_path: Path, said: list[str]) -> None:
        with supervise({"one": LASTS, "two": LASTS}, tmp_path, said) as processes:
            pids = list(pids_of(processes).values())

        assert [pid for pid in pids if psutil.pid_exists(pid)] == []

    def test_all_end_when_one_can_not_be_started(self, tmp_path: Path, said: list[str]) -> None:
        processes = Processes(
            {"one": LASTS, "two": ["/no/such/program"]}, environment=os.environ, folder=tmp_path, say=said.append
        )

        with pytest.raises(FileNotFoundError), processes:
            processes.start("one", "two")

        assert not psutil.pid_exists(pids_of(processes)["one"])

    def test_that_are_to_run_once_are_not_started_again(self, tmp_path: Path, said: list[str]) -> None:
        with supervise({"one": LASTS, "two": ENDS}, tmp_path, said, once=("two",)) as processes:
            wait_until(lambda: processes.exit_code("two") is not None)
            processes.revive()

            assert processes.exit_code("two") == 3
            assert processes.exit_code("one") is None
            wait_until(lambda: processes.last_lines("two") == "  no luck")

    def test_run_only_once_they_are_started(self, tmp_path: Path, said: list[str]) -> None:
        processes = Processes({"one": LASTS, "two": LASTS}, environment=os.environ, folder=tmp_path, say=said.append)

        with processes:
            processes.start("one")
            processes.revive()

            assert list(pids_of(processes)) == ["one"]


def is_child(line: str, processes: Processes) -> bool:
    return int(line.split()[-1]) != pids_of(processes)["parent"]


class TestAProcessThatCanNotStayUp:
    def test_ends_the_stack_which_says_which_one_and_what_it_wrote(self, tmp_path: Path, said: list[str]) -> None:
        with supervise({"one": LASTS, "two": ENDS}, tmp_path, said) as processes, pytest.raises(CrashLoop) as raised:
            wait_until(lambda: processes.revive() is not None)

        assert str(raised.value).startswith("The two process ended 5 times within 120 seconds (exit code 3).")
        assert str(raised.value).endswith("Its last lines:\n" + "\n".join(["  no luck"] * 5))
        assert len([line for line in said if "is started again" in line]) == 4

    def test_is_started_for_ever_while_its_ends_lie_apart(
        self, tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(supervision, "WITHIN_SECONDS", 0.0)

        with supervise({"two": ENDS}, tmp_path, said) as processes:
            wait_until(lambda: processes.revive() is not None or said.count("two     | no luck") >= 7)
