"""Keep several processes running in one terminal: each is restarted when it ends, until one can't stay up."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self

ENDS = 5  # ends of one process within the seconds below that make a crash loop
WITHIN_SECONDS = 120.0
LAST_LINES = 20
GRACE_SECONDS = 8  # to finish work before being killed; an idle Celery worker needs up to 4 (two polls of 2 s)

Say = Callable[[str], None]


class CrashLoop(Exception):
    """A process ends again and again; the message says which, how, and what it wrote last."""


class Processes:
    """A context manager around named commands; on exit it stops those that were started. Their output goes to `say`,
    line by line, prefixed with the name. Processes named in `once` may end and are not restarted.

    Each runs in a session of its own: signals of the terminal reach only us, and we pass them on once.
    """

    def __init__(
        self,
        commands: Mapping[str, list[str]],
        *,
        environment: Mapping[str, str],
        folder: Path,
        say: Say,
        once: Collection[str] = (),
    ) -> None:
        self._once = once
        self._running = {
            name: _Process(name, command, environment=environment, folder=folder, say=say)
            for name, command in commands.items()
        }
        self._say = say

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def start(self, *names: str) -> None:
        """Start these, in this order."""
        for name in names:
            self._running[name].start()

    def exit_code(self, name: str) -> int | None:
        """Return the exit code, or None while the process runs."""
        return self._running[name].exit_code()

    def last_lines(self, name: str) -> str:
        """Return the last lines of its output."""
        return self._running[name].last_lines()

    def revive(self) -> None:
        """Restart the processes that have ended, and report it. Raise CrashLoop."""
        for name, process in self._running.items():
            code = process.exit_code()
            if code is not None and name not in self._once:
                process.forget_group()
                if process.ended_too_often():
                    raise CrashLoop(
                        f"The {name} process ended {ENDS} times within {WITHIN_SECONDS:.0f} seconds "
                        f"(exit code {code}). Its last lines:\n{process.last_lines()}"
                    )
                self._say(f"The {name} process ended by itself (exit code {code}) and is started again.")
                process.start()

    def _stop(self) -> None:
        for process in self._running.values():
            process.signal(signal.SIGTERM)
        deadline = time.monotonic() + GRACE_SECONDS
        for process in self._running.values():
            process.wait(max(0.0, deadline - time.monotonic()))
        for process in self._running.values():
            process.forget_group()


class _Process:
    def __init__(
        self, name: str, command: list[str], *, environment: Mapping[str, str], folder: Path, say: Say
    ) -> None:
        self._name = name
        self._command = command
        self._environment = {**environment, "PYTHONUNBUFFERED": "1"}
        self._folder = folder
        self._say = say
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self._lines: deque[str] = deque(maxlen=LAST_LINES)
        self._ends: deque[float] = deque(maxlen=ENDS)

    def start(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603 (the Procfile's own commands)
            self._command,
            env=self._environment,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def exit_code(self) -> int | None:
        """Return the exit code, or None while the process runs."""
        return self._process.poll() if self._process else None

    def ended_too_often(self) -> bool:
        """Count this end and return whether it completes a crash loop."""
        self._ends.append(time.monotonic())
        return len(self._ends) == ENDS and self._ends[-1] - self._ends[0] <= WITHIN_SECONDS

    def last_lines(self) -> str:
        return "\n".join(f"  {line}" for line in self._lines) or "  (it wrote nothing)"

    def signal(self, number: signal.Signals) -> None:
        if self._process:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)

    def wait(self, seconds: float) -> None:
        if self._process:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=seconds)

    def forget_group(self) -> None:
        """Kill the process if it still runs, and any leftovers of its process group, which may hold its port."""
        self.signal(signal.SIGKILL)
        if self._reader:
            self._reader.join(timeout=1)  # for its last words

    def _read(self, output: IO[bytes]) -> None:
        for raw in output:
            line = raw.decode(errors="replace").rstrip()
            self._lines.append(line)
            with contextlib.suppress(OSError, ValueError):  # a closed terminal must not block the process
                self._say(f"{self._name:<7} | {line}")
