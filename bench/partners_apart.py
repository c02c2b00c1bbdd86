"""`python -m bench.partners_apart`: how long learners wait for partners that answer, with and without a dead one.

Two worker processes and the schedule serve three partners that answer after a moment. A fourth one, which also gets
learners, alternately answers or accepts connections and never answers; it is a different one each time, so that nothing
is known about it. The ratio of the waiting times is the median over the rounds. It may be at most AT_MOST, or the
difference between the two best rounds without a dead partner.
"""

import argparse
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from .gates import exit_code
from .servers import Servers, running_servers
from .stack import OURS, ROOT, environment
from .work import ask, migrate

LEARNERS = 240
QUICK = 42
A_SECOND = 10
ROUNDS = 3
AT_MOST = 1.25
ANSWERS_AFTER_SECONDS = 0.03
DEAD_SECONDS = 120.0
WORKERS = 2


def main() -> int:
    """Return 0 when every gate holds, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m bench.partners_apart", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} learners; gates that all of them are taken")
    asked = parser.parse_args()
    learners, rounds = (QUICK, 1) if asked.quick else (LEARNERS, ROUNDS)
    with running_servers() as servers, _partners() as port:
        migrate(servers)
        with _worker_and_schedule(servers):
            without, beside = _measure(servers, port, learners, rounds)
    failures = [] if asked.quick else _judge(without, beside)
    failures += [
        f"{len(waits)} of {learners} learners were taken" for waits in without + beside if len(waits) != learners
    ]
    return exit_code(failures)


def _measure(servers: Servers, port: int, learners: int, rounds: int) -> tuple[list[list[float]], list[list[float]]]:
    print(f"Seconds that learners wait for a partner that answers; {A_SECOND} come a second, to {WORKERS} workers")
    print(f"{'':>24}{'median':>10}{'p95':>10}{'taken':>8}")
    waits: dict[bool, list[list[float]]] = {False: [], True: []}
    for number in range(rounds):
        for is_dead in (False, True):
            other, name = ("dead", "beside a dead one") if is_dead else ("answers", "beside one that answers")
            seeded = _ask(servers, do="seed", mark=f"r{number}{other[0]}", count=learners, port=port, other=other)
            come = _ask(servers, do="come", a_second=A_SECOND, **seeded)
            if is_dead and come["beside"]:
                raise RuntimeError("The dead partner has taken somebody.")
            found = come["waits"]
            waits[is_dead].append(found)
            print(f"{name:>24}{_median(found):>10.3f}{_p95(found):>10.3f}{len(found):>8}", flush=True)
    return waits[False], waits[True]


def _judge(without: list[list[float]], beside: list[list[float]]) -> list[str]:
    failures = []
    for name, figure in (("median", _median), ("95th percentile", _p95)):
        usual = [figure(waits) for waits in without]
        ratio = statistics.median(figure(waits) / time for time, waits in zip(usual, beside, strict=True))
        best, next_best, *_ = sorted(usual)
        noise = next_best / best
        print(
            f"{name}: {ratio:.2f} times as long beside a dead partner; the best rounds without it differ by {noise:.2f}"
        )
        if ratio > max(AT_MOST, noise):
            failures.append(f"the {name} is {ratio:.2f} times as long beside a dead partner, {AT_MOST} is allowed")
    return failures


def _median(waits: list[float]) -> float:
    return statistics.median(waits)


def _p95(waits: list[float]) -> float:
    return statistics.quantiles(waits, n=20)[18]


class _Partner(BaseHTTPRequestHandler):
    """Accepts everybody after a moment; below /dead it keeps silent until nobody waits any more."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.startswith("/dead"):
            time.sleep(DEAD_SECONDS)
            return
        time.sleep(ANSWERS_AFTER_SECONDS)
        self._answer({"id": self.headers["Idempotency-Key"]})

    def do_GET(self) -> None:
        if self.path.startswith("/dead"):
            time.sleep(DEAD_SECONDS)
            return
        self._answer([])

    def _answer(self, body: Any) -> None:
        content = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing, as nobody reads it."""


@contextlib.contextmanager
def _partners() -> Iterator[int]:
    """Play the partners' systems; yield the port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Partner)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()


@contextlib.contextmanager
def _worker_and_schedule(servers: Servers) -> Iterator[None]:
    """Work as production does, but with permission to call partners on this machine over HTTP."""
    celery = [sys.executable, "-m", "celery", "--quiet", "-A", "enrollment_project"]
    with tempfile.TemporaryDirectory() as folder:
        commands = [
            [*celery, "worker", "--concurrency", str(WORKERS), "--loglevel", "ERROR"],
            [*celery, "beat", "--loglevel", "ERROR", "--pidfile=", "--schedule", str(Path(folder) / "beat")],
        ]
        with (Path(folder) / "log").open("wb") as log:
            processes = [
                subprocess.Popen(
                    command, cwd=ROOT, env=_environment(servers), stdout=log, stderr=log, start_new_session=True
                )
                for command in commands
            ]
        try:
            yield
        finally:
            for process in processes:
                os.killpg(process.pid, signal.SIGKILL)  # its children end with it; one may wait for the dead partner
                process.wait()


def _environment(servers: Servers) -> dict[str, str]:
    return environment(servers, settings=OURS) | {"SANDBOX": "1", "SANDBOX_IN_PRODUCTION": "1", "LOG_LEVEL": "ERROR"}


def _ask(servers: Servers, **job: Any) -> Any:
    return ask(servers, "partners_apart_jobs", **job)


if __name__ == "__main__":
    sys.exit(main())
