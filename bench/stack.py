"""The web as production runs it: production settings, granian, one worker per core with one blocking thread each."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from sandbox.testing import free_port

from .servers import Servers

ROOT = Path(__file__).resolve().parent.parent
HOST = "bench.test"
START_SECONDS = 60.0
OURS = "enrollment_project.settings.prod"
NAIVE = "bench.naive.settings"
OVER_HTTP = "bench.over_http.settings"


def environment(servers: Servers, *, settings: str) -> dict[str, str]:
    """Return a production environment. Only the rate limit is unusual: it counts, but never refuses."""
    return {
        **os.environ,
        **servers.environment,
        "DJANGO_SETTINGS_MODULE": settings,
        "ENV_FILE": os.devnull,
        "SECRET_KEY": "bench-" + "0123456789abcdef" * 4,
        "ALLOWED_HOSTS": HOST,
        "PUBLIC_URL": f"https://{HOST}",
        "CELERY_BROKER_URL": servers.redis_url.replace("unix://", "redis+socket://"),
        "SEALING_KEYS": "YmVuY2gtb25seS1rZXktd2hpY2gtc2VhbHMtbm90aGk=",
        "STRIPE_SECRET_KEY": "sk_test_bench",
        "STRIPE_WEBHOOK_SECRET": "whsec_bench",
        "API_RATE_LIMIT": "1000000000",
        "LOG_LEVEL": "WARNING",
    }


@contextlib.contextmanager
def running_web(servers: Servers, *, settings: str, log: Path) -> Iterator[int]:
    """Serve with these settings; yield the port. Raise RuntimeError with the log if the server does not start."""
    port = free_port()
    command = [
        *(sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)),
        *("--workers", str(os.cpu_count()), "--blocking-threads", "1", "--log-level", "warning"),
        "enrollment_project.wsgi:application",
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment(servers, settings=settings),
            stdout=output,
            stderr=output,
            start_new_session=True,  # its workers end with it
        )
    try:
        _wait_for(port, process, log)
        yield port
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_for(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"The web did not start:\n{log.read_text()}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
