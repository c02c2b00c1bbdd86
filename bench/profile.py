"""Where a request's time goes: `python -m bench.profile`.

One process sends the production application 1,000 requests, one after the other, each for a new learner, on the bench's
own PostgreSQL and Redis. Nothing waits for anything else, so this is what a request costs, not how it competes.
"""

import io
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.table import Table

from .servers import running_servers
from .stack import HOST, OURS, ROOT, environment
from .work import migrate

WARM_UP = 200
REQUESTS = 1_000

REST = "middleware, key, rate limit, JSON, answer"
VIEW = "validation"
USE_CASE = "the use case itself: rules, rows, events"
COMMIT = "commit, with its fsync"

Parts = dict[str, float]


class Stopwatch:
    """The seconds each part of one request took, without the parts inside it."""

    def __init__(self) -> None:
        self.parts: Parts = defaultdict(float)
        self._inside: list[float] = []

    @contextmanager
    def timing(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        self._inside.append(0.0)
        try:
            yield
        finally:
            elapsed = time.perf_counter() - started
            self.parts[name] += elapsed - self._inside.pop()
            if self._inside:
                self._inside[-1] += elapsed

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.timing(name):
                return function(*args, **kwargs)

        return timed

    def time_statement(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        """Time a statement as Django's execute wrapper: each statement is a part, named after its verb and table."""
        verb, *words = sql.replace('"', "").split()
        before_table = {"SELECT": "FROM", "INSERT": "INTO", "WITH": "INTO"}.get(verb)
        table = words[words.index(before_table) + 1 if before_table else 0]
        with self.timing(f"{verb} {table}"):
            return execute(sql, params, many, context)


def main() -> None:
    with running_servers() as servers:
        migrate(servers)
        production = environment(servers, settings=OURS)
        seeded = subprocess.run(
            [sys.executable, "-m", "bench.seed"], cwd=ROOT, env=production, check=True, capture_output=True
        )
        os.environ.update(production)
        print_table(time_requests(json.loads(seeded.stdout)["hot"]["key"]))


def time_requests(key: str) -> list[Parts]:
    """Return the parts of each request, in seconds."""
    from django.db import connection  # noqa: PLC0415  (after the environment is set)

    from enrollment_project.wsgi import application  # noqa: PLC0415
    from enrollments.api.router import decisions  # noqa: PLC0415

    for number in range(WARM_UP):
        _ask(application, key, number)
    watch = Stopwatch()
    for owner, name, stage in (
        (decisions.EnrollView, "post", VIEW),
        (decisions, "route_learner", USE_CASE),
        (connection, "_commit", COMMIT),
    ):
        setattr(owner, name, watch.timed(stage, getattr(owner, name)))
    requests = []
    with connection.execute_wrapper(watch.time_statement):
        for number in range(WARM_UP, WARM_UP + REQUESTS):
            with watch.timing(REST):
                _ask(application, key, number)
            requests.append(dict(watch.parts))
            watch.parts.clear()
    return requests


def print_table(requests: list[Parts]) -> None:
    """Print one row per part, in the order a request meets them. The means are of the faster half, as the slower half
    also reflects what else the machine was doing.
    """
    faster = sorted(requests, key=lambda parts: sum(parts.values()))[: len(requests) // 2]
    total = sum(sum(parts.values()) for parts in faster) / len(faster)
    # A part is recorded when it ends, so the three around the use case and the commit would come last.
    around = [REST, VIEW, USE_CASE]
    statements = dict.fromkeys(name for parts in faster for name in parts if name not in (*around, COMMIT))
    table = Table(title=f"One enrollment by a district seat: {total * 1e3:.2f} ms")
    table.add_column("")
    table.add_column("µs", justify="right")
    table.add_column("share", justify="right")
    for name in (*around, *statements, COMMIT):
        mean = sum(parts.get(name, 0.0) for parts in faster) / len(faster)
        table.add_row(name, f"{mean * 1e6:,.0f}", f"{mean / total:.0%}")
    console = Console(width=100)
    console.print(table)
    console.print(f"{REQUESTS:,} requests; load {os.getloadavg()[0]:.1f}\nmade by: python -m bench.profile")


def _ask(application: Callable[..., Any], key: str, number: int) -> None:
    profile = {"email": f"{number}@school.test", "first_name": "Jane", "last_name": "Doe", "grade_level": "3rd"}
    context = {"tenant_id": 1, "source": "district_portal"}
    body = json.dumps({"learner_profile": profile, "context": context}).encode()
    statuses: list[str] = []
    answer = application(
        {
            "REQUEST_METHOD": "POST",
            "SCRIPT_NAME": "",
            "PATH_INFO": "/api/enroll",
            "QUERY_STRING": "",
            "SERVER_NAME": HOST,
            "SERVER_PORT": "443",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": HOST,
            "HTTP_X_FORWARDED_PROTO": "https",
            "HTTP_AUTHORIZATION": f"Bearer {key}",
            "HTTP_IDEMPOTENCY_KEY": f"profile-{number}",
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.url_scheme": "http",
        },
        lambda status, headers, exc_info=None: statuses.append(status),
    )
    text = b"".join(answer)
    answer.close()
    if statuses != ["200 OK"]:
        raise RuntimeError(f"{statuses}: {text.decode()}")


if __name__ == "__main__":
    main()
