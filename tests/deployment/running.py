"""All of production as processes: what compose.yaml starts as containers, from one source tree or two."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from enrollment_project.mailbox import list_mails
from sandbox.testing import SandboxProcess, free_port, wait_until
from tests.desk import Desk

from .image import Image
from .servers import PASSWORD, ROOT, Nginx, Pgbouncer, Postgres, Redis

BIN = Path(sys.executable).parent
START_SECONDS = 60.0
STOP_SECONDS = 60.0
SETTLE_SECONDS = 240.0
SECRETS = {
    "POSTGRES_PASSWORD": quote(PASSWORD, safe=""),
    "SECRET_KEY": "k7-Vq2xT9s_Lw4ZpYb8NfRc3HdGm6JaUe1KiOo5tWnXBvQyPzMlSj",
    "SEALING_KEYS": "4cQxQxBqmlRYj5dZ0mEoJ1nJ3QyqC6w8s0JcBv3b7aU=",
    "STRIPE_SECRET_KEY": "sk_test_deployment",
    "STRIPE_WEBHOOK_SECRET": "whsec_deployment",
    "ALLOWED_HOSTS": "127.0.0.1",
}


class Deployment:
    """A context manager around the servers; the processes of the platform are started by name: web, worker, beat, or
    the name that `as_` gives a second one. nginx forwards requests to the webs that `admit` named last. Processes of
    this tree run in `files`, which may be a copy of the files that the image has.
    """

    def __init__(self, *, files: Path = ROOT) -> None:
        self._files = files
        self._folder = tempfile.TemporaryDirectory(prefix="deployment-")
        self.folder = Path(self._folder.name)
        self.postgres = Postgres()
        self.redis = Redis()
        self.pgbouncer = Pgbouncer(self.postgres)
        self.nginx = Nginx()
        self.url = self.nginx.url
        self.sandbox = SandboxProcess(
            webhook_url=f"{self.url}/api/webhooks/stripe",
            retry_seconds=0.2,
            api_key=SECRETS["STRIPE_SECRET_KEY"],
            secret=SECRETS["STRIPE_WEBHOOK_SECRET"],
        )
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._ports: dict[str, int] = {}
        self._desk: Desk | None = None
        (self.folder / "mail").mkdir()

    def __enter__(self) -> Self:
        try:
            for server in (self.postgres, self.redis, self.pgbouncer, self.nginx, self.sandbox):
                server.start()
            self.postgres.ask("CREATE DATABASE enrollment", database="postgres")
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    # --- Processes of the platform ------------------------------------------------------------------------------------

    def start(self, service: str, *, tree: Path = ROOT, as_: str = "") -> None:
        """Start a service of compose.yaml as the tree defines it; a web has been ready once when this returns."""
        name = as_ or service
        image = Image(tree)
        if service == "web":
            self._ports[name] = free_port()
        program, *arguments = image.command(service)
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [str(BIN / program), *arguments],
                cwd=self._place(tree),
                env=self.environment(service, tree=tree, port=self._ports.get(name, 0)),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if service == "web":
            wait_until(lambda: self._is_ready(name), seconds=START_SECONDS)

    def admit(self, *names: str) -> None:
        """Let the proxy forward requests to these webs and no others."""
        self.nginx.send_to([self._ports[name] for name in names])

    def stop(self, name: str) -> int:
        """Tell a process to stop; return its exit code."""
        process = self._processes.pop(name)
        os.kill(process.pid, signal.SIGTERM)
        return process.wait(STOP_SECONDS)

    def kill(self, name: str) -> None:
        process = self._processes.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def manage(self, *arguments: str, tree: Path = ROOT, service: str = "migrate") -> str:
        """Run a tree's management command as a service would; return its output. Raise RuntimeError with its errors."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=self._place(tree),
            env=self.environment(service, tree=tree),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{arguments}: {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
        return done.stdout

    def call(self, function: str) -> Any:
        """Call `module:function` of this tree in the worker's environment; return its result, by way of JSON."""
        if self._desk is None:
            self._desk = Desk(environment=self.environment("worker"), log=self.folder / "desk.log")
        self._desk.ask(function)
        return self._desk.answer()

    def wait_until_settled(self) -> None:
        """Wait until every parent who paid has what was paid for. Raise TimeoutError with the state of the others."""
        waiting: list[str] = []

        def is_settled() -> bool:
            waiting[:] = self.call("tests.deployment.inside:unsettled")
            return not waiting

        try:
            wait_until(is_settled, seconds=SETTLE_SECONDS)
        except TimeoutError as error:
            raise TimeoutError(
                f"{len(waiting)} are not settled: {waiting[:5]}\n{self.log('worker')[-3000:]}"
            ) from error

    def sign_in_code(self, *, to: str) -> str:
        """Return the newest code mailed to this address, once it arrives. Raise TimeoutError."""
        found: list[str] = []

        def has_come() -> bool:
            mails = list_mails(folder=self.folder / "mail", limit=1000)
            found[:] = [mail.code for mail in mails if mail.to == to and mail.code]
            return bool(found)

        wait_until(has_come, seconds=START_SECONDS)
        return found[0]

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def tracebacks(self, name: str) -> list[str]:
        """Return the exceptions that a service has logged."""
        return [line for line in self.log(name).splitlines() if '"exception"' in line]

    def environment(self, service: str, *, tree: Path = ROOT, port: int = 0) -> dict[str, str]:
        """Return the service's environment from compose.yaml, with our servers in place of the containers', and
        stand-ins for vendors.
        """
        values = SECRETS | {"PUBLIC_URL": self.nginx.secure_url, "EMAIL_URL": f"filemail:///{self.folder}/mail"}
        given = Image(tree).environment(service, values)
        ours = {
            "@postgres:5432": f"@127.0.0.1:{self.postgres.port}",
            "@pgbouncer:6432": f"@127.0.0.1:{self.pgbouncer.port}",
            "@redis:6379": f"@127.0.0.1:{self.redis.port}",
            "//redis:6379": f"//127.0.0.1:{self.redis.port}",
        }
        for theirs, own in ours.items():
            given = {name: value.replace(theirs, own) for name, value in given.items()}
        outside = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return (
            outside
            | given
            | {
                "PATH": f"{BIN}:{outside.get('PATH', '')}",
                "ENV_FILE": os.devnull,
                "VAR_DIR": str(self.folder),
                "FILES_DIR": str(self.folder / "files"),
                "PROMETHEUS_MULTIPROC_DIR": str(self.folder / "metrics"),
                "METRICS_PORT": "0",
                "GRANIAN_HOST": "127.0.0.1",
                "GRANIAN_PORT": str(port),
                "SANDBOX": "1",
                "SANDBOX_IN_PRODUCTION": "1",
                "SANDBOX_URL": self.sandbox.url,
                "STRIPE_API_BASE": self.sandbox.url,
                "STRIPE_TIMEOUT_SECONDS": "5",
                "DRAIN_SECONDS": "2",
                "LOG_LEVEL": "WARNING",
            }
        )

    # --- Inside -------------------------------------------------------------------------------------------------------

    def _place(self, tree: Path) -> Path:
        return self._files if tree == ROOT else tree

    def _is_ready(self, name: str) -> bool:
        if self._processes[name].poll() is not None:
            raise RuntimeError(f"{name} ended while starting:\n{self.log(name)[-4000:]}")
        try:
            headers = {"X-Forwarded-Proto": "https"}
            url = f"http://127.0.0.1:{self._ports[name]}/readyz"
            return httpx.get(url, headers=headers, timeout=10, trust_env=False).is_success
        except httpx.HTTPError:
            return False

    def _close(self) -> None:
        if self._desk is not None:
            self._desk.close()
        for name in [*self._processes]:
            self.kill(name)
        self.sandbox.__exit__(None, None, None)
        for server in (self.nginx, self.pgbouncer, self.redis, self.postgres):
            server.close()
        self._folder.cleanup()
