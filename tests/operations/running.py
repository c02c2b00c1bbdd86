"""`manage.py run` as a process, seen from outside."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import httpx
import psutil

from sandbox.testing import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
START_SECONDS = 60.0
STOP_SECONDS = 20.0
PARTS = ("enrollment_project.wsgi:application", "worker", "beat", "sandbox")


def place(folder: Path) -> dict[str, str]:
    """Return the environment of a stack with its own folder and ports."""
    return {
        **{name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "TEST_DATABASE_URL"}},
        "DJANGO_SETTINGS_MODULE": "enrollment_project.settings.dev",
        "ENV_FILE": os.devnull,
        "VAR_DIR": str(folder),
        "PORT": str(free_port()),
        "SANDBOX_PORT": str(free_port()),
    }


def start(environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "manage.py", "run"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def is_healthy(environment: dict[str, str]) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{environment['PORT']}/health").is_success
    except httpx.TransportError:
        return False


def tree(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Return the process and everything it started."""
    try:
        top = psutil.Process(process.pid)
        return [top, *top.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def left_of(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [p for p in processes if is_alive(p)]


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # it ended between the two questions
        return False


def runs(process: psutil.Process, word: str) -> bool:
    """Return whether this word is one of its command line; it is not once the process has ended."""
    try:
        return word in process.cmdline()
    except psutil.NoSuchProcess:
        return False


def named(processes: list[psutil.Process], word: str) -> psutil.Process:
    return next(p for p in processes if runs(p, word))


def kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
