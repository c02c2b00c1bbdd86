import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.testing import ROOT, SandboxProcess, wait_until

pytestmark = pytest.mark.walk


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc to find the children")
class TestTheProcess:
    @pytest.mark.parametrize("name", [signal.SIGINT, signal.SIGTERM])
    def test_stops_promptly_and_leaves_no_child(self, name: signal.Signals) -> None:
        with SandboxProcess() as sandbox:
            pid, children = sandbox.pid, children_of(sandbox.pid)

            os.kill(pid, name)
            wait_until(lambda: not any(is_running(one) for one in [pid, *children]), seconds=3)

            assert children != []
            assert f"Sandbox ready at {sandbox.url}\n" in sandbox.log

    def test_leaves_no_child_when_it_is_killed(self) -> None:
        with SandboxProcess() as sandbox:
            children = children_of(sandbox.pid)

            os.kill(sandbox.pid, signal.SIGKILL)

            wait_until(lambda: not any(is_running(child) for child in children), seconds=30)
            assert children != []


class TestStarting:
    def test_is_refused_on_a_port_that_is_taken(self, sandbox: SandboxProcess, tmp_path: Path) -> None:
        database = tmp_path / "sandbox.sqlite3"
        environment = {**os.environ, "SANDBOX_PORT": str(sandbox.port), "SANDBOX_DATABASE": str(database)}
        environment.pop("DJANGO_SETTINGS_MODULE", None)

        tried = subprocess.run(
            [sys.executable, "-m", "sandbox"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=30
        )

        assert tried.returncode == 1
        assert f"Port {sandbox.port} is taken" in tried.stderr
        assert not database.exists()

    @pytest.mark.parametrize(
        ("variable", "value"),
        [("SANDBOX", "0"), ("SANDBOX", "false"), ("DJANGO_SETTINGS_MODULE", "enrollment_project.settings.prod")],
    )
    def test_is_refused_in_production(self, tmp_path: Path, variable: str, value: str) -> None:
        database = tmp_path / "sandbox.sqlite3"
        environment = {**os.environ, "SANDBOX": "1", "SANDBOX_DATABASE": str(database), variable: value}

        tried = subprocess.run(
            [sys.executable, "-m", "sandbox"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=30
        )

        assert tried.returncode == 1
        assert "does not start in production" in tried.stderr
        assert f"{variable}={value}" in tried.stderr
        assert not database.exists()
