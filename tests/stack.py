"""The whole product as a test sees it from outside: web, worker, and sandbox, each in a process of its own."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from enrollment_project.mailbox import Mail, list_mails
from sandbox.testing import SandboxProcess, free_port, wait_until

from .desk import Desk
from .migrated import copy_migrated_database

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
START_SECONDS = 60.0
STOP_SECONDS = 10.0
SERVE = ["granian", "--interface", "wsgi", "--host", "127.0.0.1", "--workers", "1", "--blocking-threads", "4"]
WORK = ["celery", "-A", "enrollment_project", "worker", "--pool", "solo", "--loglevel", "WARNING"]
BEAT = ["celery", "-A", "enrollment_project", "beat", "--loglevel", "WARNING", "--pidfile="]


class RunningStack:
    """A context manager around the production stack on free ports, over a database that is removed with it.

    With `database_url`, it uses that (migrated) database instead of a SQLite file of its own. `environment` overrides
    settings by their variables; an empty database named there is migrated. `commands` overrides the command of a name.
    Without `beat`, no sweep runs by itself: `manage` runs the one a test is about. Each process can be stopped, killed,
    and started again by its name: web, worker, beat.
    """

    def __init__(
        self,
        *,
        database_url: str = "",
        beat: bool = False,
        environment: dict[str, str] | None = None,
        commands: dict[str, list[str]] | None = None,
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="stack-")
        self.folder = Path(self._folder.name)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.sandbox = SandboxProcess(webhook_url=f"{self.url}/api/webhooks/stripe", retry_seconds=0.2)
        self._migrated = bool(database_url)
        self.environment = {
            **{name: value for name, value in os.environ.items() if name != "TEST_DATABASE_URL"},
            "DJANGO_SETTINGS_MODULE": "enrollment_project.settings.dev",
            "ENV_FILE": os.devnull,
            "PORT": str(self.port),
            "GRANIAN_PORT": str(self.port),
            "PUBLIC_URL": self.url,
            "DATABASE_URL": database_url or f"sqlite:///{self.folder / 'db.sqlite3'}",
            "CELERY_BROKER_URL": "filesystem://",
            "CELERY_SPOOL_DIR": str(self.folder / "celery"),
            "EMAIL_FILE_PATH": str(self.folder / "mail"),
            "FILES_DIR": str(self.folder / "files"),
            "SANDBOX": "1",
            "SANDBOX_PORT": str(self.sandbox.port),
            "SANDBOX_URL": self.sandbox.url,
            "STRIPE_API_BASE": self.sandbox.url,
            "STRIPE_SECRET_KEY": self.sandbox.api_key,
            "STRIPE_WEBHOOK_SECRET": self.sandbox.secret,
            "STRIPE_TIMEOUT_SECONDS": "5",
            "STRIPE_MAX_RETRIES": "0",
            "APPLICATIONS_PER_NETWORK": "10000",  # all tests come from the same address
            "SIGN_IN_CODES_PER_NETWORK": "10000",
            "SIGN_IN_CODES_PER_CALLER": "10000",
            "SIGN_IN_CODES_PER_MAILBOX": "10000",
            "TMPDIR": str(self.folder),  # the folder in which passwords queue, separate from other stacks
            "LOG_LEVEL": "WARNING",
            **(environment or {}),
        }
        self._commands = {
            "web": [*SERVE, "--port", str(self.port), "enrollment_project.wsgi:application"],
            "worker": [*WORK, "--without-gossip", "--without-mingle", "--without-heartbeat"],
        }
        if beat:
            self._commands["beat"] = [*BEAT, "--schedule", str(self.folder / "beat")]
        self._commands |= commands or {}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._desk: Desk | None = None

    def __enter__(self) -> Self:
        try:
            self._start_all()
        except BaseException:
            self._stop_all()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop_all()

    # --- Processes ----------------------------------------------------------------------------------------------------

    def start(self, name: str) -> None:
        """Start a process, also again after `stop` or `kill`; return once the web answers. Raise RuntimeError."""
        program, *arguments = self._commands[name]
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [str(BIN / program), *arguments],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,  # its children end with it
            )
        if name == "web":
            wait_until(self._is_serving, seconds=START_SECONDS)

    def stop(self, name: str, *, seconds: float = STOP_SECONDS) -> int:
        """End a process as Docker and Kubernetes do, by signaling it alone; return its exit code once it has ended by
        itself. Raise TimeoutExpired, with all of it killed, if it takes longer.
        """
        self.tell_to_stop(name)
        return self.wait_for(name, seconds=seconds)

    def tell_to_stop(self, name: str) -> None:
        os.kill(self.pid(name), signal.SIGTERM)

    def wait_for(self, name: str, *, seconds: float = STOP_SECONDS) -> int:
        """Return the exit code of a process that was told to stop, once it has ended. Raise TimeoutExpired, with all of
        it killed, if it takes longer.
        """
        try:
            code = self._processes[name].wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill(name)
            raise
        del self._processes[name]
        return code

    def kill(self, name: str) -> None:
        """End a process and its children at once, in the middle of whatever they do."""
        process = self._processes.pop(name)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def pid(self, name: str) -> int:
        return self._processes[name].pid

    def log(self, name: str) -> str:
        """Return what a process has written so far."""
        return (self.folder / f"{name}.log").read_text()

    # --- Calling it ---------------------------------------------------------------------------------------------------

    def manage(self, *arguments: str) -> str:
        """Run a management command in the stack's environment; return its output. Raise CalledProcessError."""
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr + done.stdout)
        return done.stdout

    def call(self, function: str) -> Any:
        """Call `module:function` in the stack's environment; return its result, by way of JSON. Raise RuntimeError."""
        assert self._desk is not None, "the stack is not running"
        self._desk.ask(function)
        return self._desk.answer()

    def mails(self, *, to: str) -> list[Mail]:
        """Return the mail that went to this address, newest first."""
        return [mail for mail in list_mails(folder=self.folder / "mail", limit=1000) if mail.to == to]

    def sign_in_code(self, *, to: str) -> str:
        """Return the newest code that went to this address, even if other mail to it is newer."""
        return next(mail.code for mail in self.mails(to=to) if mail.code)

    def forget_mails(self) -> None:
        """Empty every mailbox, as each look reads all mail."""
        for file in (self.folder / "mail").iterdir():
            file.unlink()

    # --- Inside -------------------------------------------------------------------------------------------------------

    def _start_all(self) -> None:
        for name in ("celery/queue", "mail"):
            (self.folder / name).mkdir(parents=True)
        self._desk = Desk(environment=self.environment, log=self.folder / "desk.log")
        if self.environment["DATABASE_URL"] == f"sqlite:///{self.folder / 'db.sqlite3'}":
            copy_migrated_database(self.folder / "db.sqlite3")
        elif not self._migrated:
            self.manage("migrate", "--verbosity", "0")
        self.sandbox.start()
        for name in sorted(self._commands, key="web".__eq__):  # last, as only the web is waited for
            self.start(name)

    def _stop_all(self) -> None:
        if self._desk is not None:
            self._desk.close()
        for name in [*self._processes]:
            self.kill(name)  # nothing it would do on the way out is needed anymore
        self.sandbox.__exit__(None, None, None)
        self._folder.cleanup()

    def _is_serving(self) -> bool:
        if self._processes["web"].poll() is not None:
            raise RuntimeError(f"The web process ended while starting:\n{self.log('web')}")
        try:
            return httpx.get(f"{self.url}/", timeout=10, trust_env=False).is_success
        except httpx.HTTPError:
            return False
