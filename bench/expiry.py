"""`python -m bench.expiry`: enrollments completed at their end, compared with SQL that writes the same rows in batches.

Our code and SQL alternate. Then a sweep is killed and another one continues. Finally, requests are timed with and
without a sweep beside them. Other load on the machine slows both alike.
"""

import argparse
import http.client
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .gates import exit_code
from .rounds import Round, Rounds, print_rounds
from .servers import Servers, running_servers
from .stack import HOST, OURS, running_web
from .work import ask, begin, finish, migrate

FEW, MORE, MANY = 10_000, 100_000, 1_000_000
QUICK = 4_000
OF_SQL = 0.3
FLAT_MB = 40.0  # more enrollments may not take more memory than this
SLOWER = 2.0  # how many times slower a request may be while a sweep is at work
CLIENTS = 2
PAUSE_SECONDS = 0.02  # between two requests of a client: these are people, not a contest
IDLE_SECONDS = 10.0


@dataclass(slots=True)
class Expiry(Rounds):
    """What was measured, and how long requests took without a sweep and beside one."""

    idle_p99_ms: float = 0.0
    busy_p99_ms: float = 0.0


def main() -> int:
    """Return 0 when every gate holds, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m bench.expiry", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK:,} enrollments; gates only that each ends once")
    parser.add_argument("--most", type=int, default=MANY, help=f"enrollments of the last round ({MANY:,})")
    asked = parser.parse_args()
    sizes = [QUICK] if asked.quick else [FEW, *[MORE] * (asked.most > MORE), asked.most]
    with running_servers() as servers:
        migrate(servers)
        found = _measure(servers, sizes)
    _print(found)
    return exit_code([*found.breaches, *([] if asked.quick else _too_slow(found))])


def _measure(servers: Servers, sizes: list[int]) -> Expiry:
    found = Expiry()
    for number, size in enumerate(sizes):
        print(f"Completing {size:,} enrollments past their end, and the same rows by SQL ...", file=sys.stderr)
        seeded = _ask(servers, do="seed", mark=f"s{number}", count=min(size, MORE))
        sql = _ask(servers, do="expire_by_sql", **seeded)
        seeded = _ask(servers, do="seed", mark=f"o{number}", count=size)
        ours = _ask(servers, do="expire", **seeded)
        found.rounds.append(Round(size, ours["rate"], sql["rate"], ours["grown_mb"]))
        found.breaches += _not_once(servers, seeded, size, "a sweep")
        if number == 0:  # the doctor needs a while for a million
            breaches = _ask(servers, do="find_breaches", **seeded)
            found.breaches += [f"{name}: {rows}" for name, rows in breaches.items()]
    print("Killing a sweep, and going on with another ...", file=sys.stderr)
    most = min(sizes[-1], MORE)
    seeded = _ask(servers, do="seed", mark="k", count=most)
    _kill_in_the_middle(servers, seeded)
    _ask(servers, do="expire", **seeded)
    found.breaches += _not_once(servers, seeded, most, "a sweep that was killed, and another")
    print("Asking for an enrolment, without and with a sweep at work ...", file=sys.stderr)
    _time_requests(servers, found, most)
    return found


def _not_once(servers: Servers, seeded: dict[str, Any], size: int, who: str) -> list[str]:
    counts = _ask(servers, do="count_completed", **seeded)
    return [f"{who}: {count:,} {name} of {size:,}" for name, count in counts.items() if count != size]


def _kill_in_the_middle(servers: Servers, seeded: dict[str, Any]) -> None:
    """End a sweep with SIGKILL as soon as it has completed something."""
    sweep = begin(servers, "expiry_jobs", do="expire", **seeded)
    while sweep.poll() is None and not _ask(servers, do="count_completed", **seeded)["completed"]:
        pass
    sweep.kill()
    sweep.communicate()


def _time_requests(servers: Servers, found: Expiry, size: int) -> None:
    seeded = _ask(servers, do="seed", mark="r", count=size)
    key = _ask(servers, do="make_key", **seeded)
    with tempfile.TemporaryDirectory() as folder, running_web(servers, settings=OURS, log=Path(folder) / "web") as port:
        _clients_until(_after(1.0), port, key)  # warms up
        found.idle_p99_ms = _clients_until(_after(1.0 if size == QUICK else IDLE_SECONDS), port, key)
        sweep = begin(servers, "expiry_jobs", do="expire", **seeded)
        found.busy_p99_ms = _clients_until(lambda: sweep.poll() is not None, port, key)
        finish(sweep)


def _after(seconds: float) -> Callable[[], bool]:
    ends = time.perf_counter() + seconds
    return lambda: time.perf_counter() >= ends


def _clients_until(is_over: Callable[[], bool], port: int, key: dict[str, Any]) -> float:
    """Return the 99th percentile of the clients' waiting times, in milliseconds."""
    waited: list[float] = []

    def ask_again_and_again() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        headers = {"Host": HOST, "X-Forwarded-Proto": "https", "Authorization": f"Bearer {key['key']}"}
        while not is_over():
            started = time.perf_counter()
            connection.request("GET", f"/api/enrolment/{key['enrollment']}", headers=headers)
            answer = connection.getresponse()
            answer.read()
            waited.append((time.perf_counter() - started) * 1000)
            if answer.status != http.client.OK:
                raise RuntimeError(f"GET /api/enrolment answered {answer.status}")
            time.sleep(PAUSE_SECONDS)
        connection.close()

    clients = [threading.Thread(target=ask_again_and_again) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    return statistics.quantiles(waited, n=100)[98]


def _too_slow(found: Expiry) -> list[str]:
    failures = []
    if found.rounds[-1].share < OF_SQL:
        failures.append(f"{found.rounds[-1].share:.0%} of the rate of SQL, {OF_SQL:.0%} are wanted")
    if found.growth_mb > FLAT_MB:
        failures.append(f"the last round takes {found.growth_mb:.0f} MB more than the first")
    if found.busy_p99_ms > SLOWER * found.idle_p99_ms:
        failures.append(
            f"requests wait {found.busy_p99_ms:.1f} ms while a sweep is at work, else {found.idle_p99_ms:.1f}"
        )
    return failures


def _print(found: Expiry) -> None:
    print("Enrollments completed a second, each with transition and event, next to SQL of the same rows in batches")
    print_rounds(found.rounds, of="enrollments")
    print(f"p99 of a request: {found.idle_p99_ms:.1f} ms, and {found.busy_p99_ms:.1f} ms while a sweep is at work.")


def _ask(servers: Servers, **job: Any) -> Any:
    return ask(servers, "expiry_jobs", **job)


if __name__ == "__main__":
    sys.exit(main())
