"""The contest: all contestants in turn, round after round, on the same servers; then the last seats; then the books."""

import json
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .courses import Courses, run_courses
from .invariants import count_oversold, find_breaches
from .limit import run_limit
from .seed import CONTESTANTS, SCARCE_SEATS, SCARCE_TENANT
from .servers import Servers, running_servers
from .stack import NAIVE, OURS, OVER_HTTP, ROOT, environment, running_web
from .work import migrate

CLIENTS = 16
REPEATS = 10  # of a hundred requests, the number that name a learner who already has a seat
WARM_UP_REQUESTS = 100
SCARCE_REQUESTS = 4 * SCARCE_SEATS
NAMES = {
    "limit": "the limit: one statement",
    "http": "the one statement over HTTP",
    "naive": "naive view, hot",
    "hot": "POST /api/enroll, hot",
    "spread": "POST /api/enroll, 64",
}


@dataclass(frozen=True, slots=True)
class Score:
    """Medians over the rounds; rates per second, latencies in milliseconds. `oversold` counts nonexistent seats."""

    requests_per_second: float
    enrollments_per_second: float
    p50_ms: float
    p99_ms: float
    oversold: int = 0
    breaches: tuple[str, ...] = ()


@dataclass(slots=True)
class Contest:
    """What a run measured, and the server settings it was measured with."""

    rounds: int
    seconds: float
    measured: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {name: [] for name in NAMES})
    scores: dict[str, Score] = field(default_factory=dict)
    server: dict[str, str] = field(default_factory=dict)
    courses: Courses = field(default_factory=Courses)

    def ratio(self, name: str, to: str) -> float:
        """Return one contestant's new enrollments per second relative to another's; repeated requests do not count.

        This is the median of each round's ratio, since other load on the machine slows a whole round down.
        """
        pairs = zip(self.measured[name], self.measured[to], strict=True)
        figure = "enrollments_per_second"
        return statistics.median(mine[figure] / theirs[figure] for mine, theirs in pairs)

    def tail(self, name: str) -> float:
        """Return the 99th percentile of latency in multiples of the median, for the median round."""
        return statistics.median(result["p99_ms"] / result["p50_ms"] for result in self.measured[name])


def run_contest(*, rounds: int, seconds: float, say: Callable[[str], None]) -> Contest:
    """Run everything. This takes about `rounds` times (4 times `seconds` plus 5), and a minute around it."""
    contest = Contest(rounds, seconds)
    with running_servers() as servers, tempfile.TemporaryDirectory() as logs:
        say("Migrating and seeding ...")
        migrate(servers)
        ids = _seed(servers)
        with (
            running_web(servers, settings=OURS, log=Path(logs) / "ours") as ours,
            running_web(servers, settings=NAIVE, log=Path(logs) / "naive") as naive,
            running_web(servers, settings=OVER_HTTP, log=Path(logs) / "http") as http,
        ):
            load = _Load(ids, ports={"http": http, "naive": naive, "hot": ours, "spread": ours})
            _measure(servers, load, contest, say)
            say(f"{SCARCE_REQUESTS} requests for the last {SCARCE_SEATS} seats ...")
            for name in ("naive", "hot"):
                load.run(name, tenants=[SCARCE_TENANT], requests=SCARCE_REQUESTS)
        contest.courses = run_courses(servers, rounds=rounds, say=say)
        with servers.connect() as connection:
            for name, results in contest.measured.items():
                contest.scores[name] = Score(
                    **{figure: statistics.median(result[figure] for result in results) for figure in _FIGURES},
                    oversold=count_oversold(connection, ids[name]),
                    breaches=tuple(find_breaches(connection, ids[name], answered=load.enrolled.get(name))),
                )
            for setting in ("server_version", "fsync", "synchronous_commit", "shared_buffers"):
                (value,) = connection.execute(f"SHOW {setting}").fetchone() or ("unknown",)
                contest.server[setting] = str(value)
    return contest


_FIGURES = ("requests_per_second", "enrollments_per_second", "p50_ms", "p99_ms")


def _measure(servers: Servers, load: "_Load", contest: Contest, say: Callable[[str], None]) -> None:
    measured = contest.measured
    for name in load.ports:
        load.run(name, tenants=[1], requests=WARM_UP_REQUESTS)
    for number in range(contest.rounds):
        say(f"Round {number + 1} of {contest.rounds} ...")
        measured["limit"].append(run_limit(servers, ids=load.ids["limit"], seconds=contest.seconds))
        for name in load.ports:
            tenants = [tenant + 1 for tenant in range(CONTESTANTS[name])]
            repeats = REPEATS if name != "http" else 0  # the statement fails for a learner who exists
            measured[name].append(load.run(name, tenants=tenants, seconds=contest.seconds, repeats=repeats))


@dataclass(slots=True)
class _Load:
    """Runs the clients, each time as a new process, and counts how many new learners were told they have a seat."""

    ids: Mapping[str, Any]
    ports: Mapping[str, int]
    enrolled: Counter[str] = field(default_factory=Counter)
    _runs: int = 0

    def run(self, name: str, **job: Any) -> dict[str, Any]:
        self._runs += 1
        job |= {"port": self.ports[name], "key": self.ids[name]["key"], "run": f"run{self._runs}", "clients": CLIENTS}
        result: dict[str, Any] = _ask_module("bench.load", input=json.dumps(job))
        unexpected = {
            status for answers in (result["fresh"], result["repeated"]) for status in answers if status != "200"
        }
        if unexpected - {"409"} or (unexpected and job.get("tenants") != [SCARCE_TENANT]):
            raise RuntimeError(f"{name} answered {sorted(unexpected)}: {result['example_of_failure']}")
        self.enrolled[name] += result["fresh"].get("200", 0)
        return result


def _seed(servers: Servers) -> dict[str, Any]:
    return dict(_ask_module("bench.seed", env=environment(servers, settings=OURS)))


def _ask_module(module: str, **how: Any) -> Any:
    done = subprocess.run([sys.executable, "-m", module], cwd=ROOT, capture_output=True, text=True, check=False, **how)
    if done.returncode:
        raise RuntimeError(f"{module} failed:\n{done.stderr}")
    return json.loads(done.stdout)
