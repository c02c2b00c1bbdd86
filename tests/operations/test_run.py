"""`manage.py run`, which `make run` calls: it starts everything, and however it ends, it leaves nothing behind."""

import fcntl
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from sandbox.testing import wait_until
from tests.migrated import copy_migrated_database

from .running import (
    PARTS,
    ROOT,
    START_SECONDS,
    STOP_SECONDS,
    is_healthy,
    kill,
    left_of,
    named,
    place,
    runs,
    start,
    tree,
)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return place(tmp_path)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that already has a workspace, so that no demo data is loaded."""
    folder = tmp_path_factory.mktemp("database")
    copy_migrated_database(folder / "db.sqlite3")
    command = [sys.executable, "manage.py", "create_workspace", "here"]
    subprocess.run(command, cwd=ROOT, env=place(folder), check=True, capture_output=True)
    return folder / "db.sqlite3"


@pytest.fixture
def stack(environment: dict[str, str], database: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Wait until it runs and is healthy."""
    shutil.copy(database, tmp_path)
    with start(environment) as running:
        try:
            wait_until(lambda: is_healthy(environment) or running.poll() is not None, seconds=START_SECONDS)
            yield running
        finally:
            kill(tree(running))


def is_whole_without(gone: list[psutil.Process], stack: subprocess.Popen[str]) -> bool:
    """Return whether every part has a process, and none of those that are gone."""
    there = [p for p in left_of(tree(stack)) if p not in gone]
    return all(any(runs(p, part) for p in there) for part in PARTS)


@pytest.mark.slow
@pytest.mark.walk
class TestTheRunningStack:
    def test_consists_of_web_worker_beat_and_sandbox_and_ends_with_ctrl_c(self, stack: subprocess.Popen[str]) -> None:
        processes = tree(stack)
        parts = [named(processes, word) for word in PARTS]

        stack.send_signal(signal.SIGINT)
        output, _ = stack.communicate(timeout=STOP_SECONDS)

        assert len(parts) == len({part.pid for part in parts})
        assert stack.returncode == 0
        assert left_of(processes) == []
        assert "Stopping ..." in output

    def test_starts_again_whatever_dies_and_ends_when_make_deletes_its_target(
        self, stack: subprocess.Popen[str], environment: dict[str, str], tmp_path: Path
    ) -> None:
        before = [named(tree(stack), part) for part in PARTS]

        kill(before)
        wait_until(lambda: is_whole_without(before, stack) and is_healthy(environment), seconds=START_SECONDS)
        processes = tree(stack)
        (tmp_path / "running").unlink()
        output, _ = stack.communicate(timeout=STOP_SECONDS)

        for name in ("web", "worker", "beat", "sandbox"):
            assert f"The {name} process ended by itself (exit code -9) and is started again." in output
        assert stack.returncode == 0
        assert left_of(processes) == []


@pytest.mark.walk
class TestAStart:
    @pytest.mark.parametrize("variable", ["PORT", "SANDBOX_PORT"])
    def test_is_refused_on_a_taken_port(self, environment: dict[str, str], variable: str, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", int(environment[variable]))):
            running = start(environment)
            output, _ = running.communicate(timeout=START_SECONDS)

        assert running.returncode == 1
        assert f"Port {environment[variable]} ({variable}) is taken by another program" in output
        assert list(tmp_path.iterdir()) == []

    def test_is_refused_beside_one_in_the_same_folder(self, environment: dict[str, str], tmp_path: Path) -> None:
        with (tmp_path / "running").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            running = start(environment)
            output, _ = running.communicate(timeout=START_SECONDS)

        assert running.returncode == 1
        assert "The stack is already running in this folder" in output
        assert [path.name for path in tmp_path.iterdir()] == ["running"]
