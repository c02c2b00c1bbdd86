"""The servers that production depends on, from Debian's packages and with the configuration of deploy/: each is
started, stopped, and restarted by itself, on its own port.
"""

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import psycopg
import redis
from psycopg.conninfo import make_conninfo

from sandbox.testing import free_port, wait_until

ROOT = Path(__file__).resolve().parent.parent.parent
DEPLOY = ROOT / "deploy"
START_SECONDS = 30.0
STOP_SECONDS = 30.0
USER = DATABASE = "enrollment"
PASSWORD = 'a "quoted" secret'
PROGRAMS = ("redis-server", "pgbouncer", "nginx")


def postgres_programs() -> Path | None:
    """Return the folder of Debian's newest PostgreSQL."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    return found[-1] if found else None


def missing() -> list[str]:
    """Return which of the servers are not installed."""
    programs = [program for program in PROGRAMS if not shutil.which(program)]
    return programs if postgres_programs() else ["postgresql", *programs]


class Server:
    """A process in its own folder. If root starts it, it runs as another user, as PostgreSQL and pgbouncer require."""

    def __init__(self, *, signal_to_stop: signal.Signals = signal.SIGTERM) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"{type(self).__name__.lower()}-"))
        self.port = free_port()
        self._signal_to_stop = signal_to_stop
        self._process: subprocess.Popen[bytes] | None = None
        self.user = "postgres" if os.geteuid() == 0 else None
        self._give_away()

    def command(self) -> list[str]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return {}

    def is_up(self) -> bool:
        raise NotImplementedError

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                cwd=self.folder,
                env=os.environ | self.environment(),
                user=self.user,
                group=self.user,
                extra_groups=[] if self.user else None,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until(self._is_serving, seconds=START_SECONDS)

    def stop(self) -> None:
        assert self._process is not None
        self._process.send_signal(self._signal_to_stop)
        self._process.wait(STOP_SECONDS)

    def restart(self) -> None:
        self.stop()
        self.start()

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def _give_away(self) -> None:
        if self.user:
            for path in (self.folder, *self.folder.rglob("*")):
                shutil.chown(path, self.user, self.user)

    def _is_serving(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"{type(self).__name__} ended while starting:\n{self.log()}")
        return self.is_up()


class Postgres(Server):
    def __init__(self) -> None:
        super().__init__(signal_to_stop=signal.SIGINT)  # without waiting for connected clients
        programs = postgres_programs()
        assert programs is not None
        self._programs = programs
        secret = self.folder / "secret"
        secret.write_text(PASSWORD)
        self._give_away()
        cluster = [str(programs / "initdb"), "--pgdata", str(self.folder / "data"), "--username", USER]
        subprocess.run(
            [*cluster, "--auth", "scram-sha-256", "--pwfile", str(secret), "--no-sync"],
            check=True,
            stdout=subprocess.DEVNULL,
            user=self.user,
            group=self.user,
        )

    def command(self) -> list[str]:
        place = ["-D", str(self.folder / "data"), "-p", str(self.port), "-k", str(self.folder), "-h", "127.0.0.1"]
        return [str(self._programs / "postgres"), *place, "-c", "fsync=off"]

    def is_up(self) -> bool:
        try:
            self.ask("SELECT 1", database="postgres")
        except psycopg.OperationalError:
            return False
        return True

    def ask(self, statement: str, *, database: str = DATABASE) -> list[tuple[Any, ...]]:
        place = make_conninfo(host="127.0.0.1", port=self.port, user=USER, password=PASSWORD, dbname=database)
        with psycopg.connect(place, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


class Redis(Server):
    def command(self) -> list[str]:
        place = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        return ["redis-server", *place, "--appendonly", "yes"]

    def is_up(self) -> bool:
        try:
            return bool(redis.Redis(port=self.port).ping())
        except redis.ConnectionError:
            return False


class Pgbouncer(Server):
    """pgbouncer, with the image's own entry point and settings."""

    def __init__(self, postgres: Postgres) -> None:
        super().__init__(signal_to_stop=signal.SIGINT)  # its STOPSIGNAL: work under way ends first
        self._postgres = postgres
        text = (DEPLOY / "pgbouncer" / "pgbouncer.ini").read_text()
        settings = {"6432": str(self.port), "0.0.0.0": "127.0.0.1", "/tmp/": f"{self.folder}/"}
        (self.folder / "pgbouncer.ini").write_text(replaced(text, settings))
        self._give_away()

    def command(self) -> list[str]:
        return [str(DEPLOY / "pgbouncer" / "entrypoint.sh"), str(self.folder / "pgbouncer.ini")]

    def environment(self) -> dict[str, str]:
        return {
            "RUN_FOLDER": str(self.folder),
            "POSTGRES_HOST": "127.0.0.1",
            "POSTGRES_PORT": str(self._postgres.port),
            "POSTGRES_USER": USER,
            "POSTGRES_DB": DATABASE,
            "POSTGRES_PASSWORD": PASSWORD,
        }

    def is_up(self) -> bool:
        return "process up" in self.log()


class Nginx(Server):
    """The proxy's configuration, in front of the webs it was given last. Browsers use HTTPS; the tests' programs do
    not, as nobody would trust its certificate.
    """

    def __init__(self) -> None:
        super().__init__(signal_to_stop=signal.SIGQUIT)
        self.user = None
        self.url = f"http://127.0.0.1:{self.port}"
        self._secure = free_port()
        self.secure_url = f"https://127.0.0.1:{self._secure}"
        self._unavailable = free_port()
        key, certificate = self.folder / "privkey.pem", self.folder / "fullchain.pem"
        asking = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1"]
        subprocess.run([*asking, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
        self.send_to([free_port()])

    def send_to(self, ports: list[int]) -> None:
        """Forward requests to the webs on these ports from now on."""
        webs = "\n        ".join(f"server 127.0.0.1:{port} max_fails=0;" for port in ports)
        text = (DEPLOY / "nginx.conf").read_text()
        before, redirect, rest = text.partition("    server {\n        listen 80;")
        _, https, site = rest.partition("    server {\n        listen 443 ssl;\n")
        assert redirect
        assert https
        listens = f"        listen 127.0.0.1:{self.port};\n        listen 127.0.0.1:{self._secure} ssl;\n"
        settings = {
            "server web:8000 max_fails=0;": webs,
            "127.0.0.1:8503": f"127.0.0.1:{self._unavailable}",
            "/etc/nginx/tls": str(self.folder),
            "proxy_set_header Host $host;": "proxy_set_header Host $http_host;",  # with the port, which is not 443
            "X-Forwarded-Proto $scheme": "X-Forwarded-Proto https",
            "/tmp/nginx.pid": f"{self.folder}/nginx.pid",
            "worker_processes auto": "worker_processes 1",
        }
        (self.folder / "nginx.conf").write_text(replaced(f"{before}    server {{\n{listens}{site}", settings))
        if self._process is not None:
            self._process.send_signal(signal.SIGHUP)

    def command(self) -> list[str]:
        return ["nginx", "-c", str(self.folder / "nginx.conf"), "-g", "daemon off;"]

    def is_up(self) -> bool:
        return (self.folder / "nginx.pid").exists()


def replaced(text: str, settings: dict[str, str]) -> str:
    """Replace their texts with ours; each of them has to occur."""
    for theirs, ours in settings.items():
        assert theirs in text, theirs
        text = text.replace(theirs, ours)
    return text
