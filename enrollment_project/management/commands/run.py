"""`make run`: the whole platform in the foreground of one terminal, for development and for trying it out."""

import contextlib
import fcntl
import json
import os
import shlex
import signal
import socket
import string
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from accounts.models import User
from core.migrating import quick_migrations
from demo.catalog import GUARDIAN_EMAIL, PASSWORD
from demo.load import list_missing
from demo.sandbox import is_sandbox_there
from enrollment_project.supervision import CrashLoop, Processes

POLL_SECONDS = 0.3
OWNER_EMAIL = "owner@demo.test"


class Command(BaseCommand):
    help = "Migrate, run every process of the Procfile until Ctrl-C, and on the first start load the demo data."
    requires_system_checks: list[str] = []

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._writing = threading.Lock()

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.SANDBOX:
            raise CommandError("This is the development stack, with stand-ins for vendors: it needs SANDBOX=1.")
        # Until the processes run, Ctrl-C has nothing to stop.
        with contextlib.suppress(KeyboardInterrupt), _only_one(settings.VAR_DIR / "running") as running:
            _refuse_taken(settings.PORT, "PORT")
            _refuse_taken(settings.SANDBOX_PORT, "SANDBOX_PORT")
            self.stdout.write("Bringing the database up to date ...")
            with quick_migrations():
                call_command("migrate", verbosity=0)
            is_demo_missing = bool(list_missing())
            connection.close()
            stopping = _stop_on_signals()
            with self._running(_commands()) as processes:
                self._watch(processes, self._come_up(processes, is_demo_missing), stopping, running)
                self._say("Stopping ...")

    def _come_up(self, processes: Processes, is_demo_missing: bool) -> Iterator[None]:
        """Start everything in order; each `yield` waits for the next condition. Raise CommandError on failure.

        The site already answers while the demo is loading. Nothing else runs yet: the sweeps would work on a history
        that is only partly loaded, and SQLite allows one writer at a time.
        """
        first = ("web", "sandbox")
        others = ("worker", "beat")
        processes.start(*first, *(() if is_demo_missing else others))
        while not _is_healthy():
            yield
        if is_demo_missing:
            self._say(f"The site answers at {settings.PUBLIC_URL}/ and waits for its demo data ...")
            while not is_sandbox_there():  # the loading demo tells it about payments
                yield
            processes.start("demo")
            while processes.exit_code("demo") is None:
                yield
            if code := processes.exit_code("demo"):
                raise CommandError(
                    f"Loading the demo data ended early (exit code {code}); the next start continues it. Its "
                    f"last lines:\n{processes.last_lines('demo')}"
                )
            processes.start(*others)
        self._say(_banner(has_demo=_has_demo()))

    def _watch(self, processes: Processes, coming_up: Iterator[None], stopping: threading.Event, running: Path) -> None:
        """Return when a signal or make (gone, or its target deleted) ends it.

        A process that ends is started again. Raise CommandError when one can't stay up: half a platform would only
        confuse.
        """
        started_by = os.getppid()
        while not stopping.wait(POLL_SECONDS) and running.exists() and os.getppid() == started_by:
            try:
                processes.revive()
            except CrashLoop as error:
                raise CommandError(str(error)) from error
            next(coming_up, None)

    def _running(self, commands: dict[str, list[str]]) -> Processes:
        environment = os.environ | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PORT": str(settings.PORT),
            "SANDBOX_PORT": str(settings.SANDBOX_PORT),
            "SANDBOX_DATABASE": str(settings.VAR_DIR / "sandbox.sqlite3"),
            "SANDBOX_WEBHOOK_URL": f"http://127.0.0.1:{settings.PORT}/api/webhooks/stripe",
            "STRIPE_SECRET_KEY": settings.STRIPE_SECRET_KEY,
            "STRIPE_WEBHOOK_SECRET": settings.STRIPE_WEBHOOK_SECRET,
            "PYTHONWARNINGS": "ignore:You're running the worker with superuser privileges",  # as in any container
        }
        loading = {"demo": [sys.executable, "manage.py", "load_demo"]}
        return Processes(
            commands | loading, environment=environment, folder=settings.BASE_DIR, say=self._say, once=loading
        )

    def _say(self, text: str) -> None:
        """Write whole lines at once, as the reader threads of all processes call this."""
        with self._writing:
            self.stdout.write(text)
            self.stdout.flush()


@contextlib.contextmanager
def _only_one(path: Path) -> Iterator[Path]:
    """Lock the file that says the stack runs here: two stacks would share one database and one queue.

    The file is also make's target. When only make is interrupted, make deletes it, and that ends the stack.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError("The stack is already running in this folder; stop it first (Ctrl-C).") from None
        # Other commands in this folder rely on these (see settings/running.py).
        file.truncate(0)
        file.write(json.dumps({"PORT": settings.PORT, "SANDBOX_PORT": settings.SANDBOX_PORT}))
        file.flush()
        os.utime(path)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)


def _refuse_taken(port: int, variable: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            another = f"PORT={settings.PORT + 100} make run"
            raise CommandError(f"Port {port} ({variable}) is taken by another program; try {another}") from error


def _stop_on_signals() -> threading.Event:
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup ignores SIGHUP on purpose
            signal.signal(number, lambda *_: stopping.set())
    return stopping


def _commands() -> dict[str, list[str]]:
    """Return the Procfile's processes by name, with $PORT filled in."""
    lines = (settings.BASE_DIR / "Procfile").read_text().splitlines()
    filled = (string.Template(line).substitute(PORT=settings.PORT).partition(":") for line in lines if line.strip())
    return {name: shlex.split(command) for name, _, command in filled}


def _has_demo() -> bool:
    try:
        return User.objects.filter(email=OWNER_EMAIL).exists()
    finally:
        connection.close()


def _is_healthy() -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{settings.PORT}/health", timeout=2).is_success
    except httpx.HTTPError:
        return False


def _banner(*, has_demo: bool) -> str:
    """Tell the reader of the terminal where everything is."""
    site = settings.PUBLIC_URL
    facts = {
        "Site": f"{site}/",
        "Admin": f"{site}/admin/",
        "API docs": f"{site}/api/docs",
        "Mail": f"{site}/dev/mailbox  (sign-in codes arrive here)",
        "Sandbox": f"{settings.SANDBOX_URL}/  (Stripe's stand-in)",
    }
    if has_demo:
        facts["Staff"] = f"{OWNER_EMAIL}, password {PASSWORD}"
        facts[""] = "also admin@, finance@, reviewer@, viewer@ and operator@demo.test"
        facts["Parent"] = f"{GUARDIAN_EMAIL}, by the code that is mailed"
    rule = "-" * 76
    lines = [f"  {name:<10}{fact}" for name, fact in facts.items()]
    return "\n".join(["", rule, "  The enrollment platform is running. Press Ctrl-C to stop it.", "", *lines, rule, ""])
