"""The evaluation's contest: candidates evaluated by five criteria next to SQL that writes the same rows."""

import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .servers import Servers
from .stack import OURS, ROOT, environment

FEW, MANY = 10_000, 100_000
QUICK = 2_000
OF_SQL = 0.2
FLAT_MB = 40.0  # more candidates may not take more memory than this
SLOWEST_MS = 50.0


@dataclass(slots=True)
class Evaluation:
    """What was measured: candidates a second, how much memory grew, and what hostile criteria took."""

    candidates: int = 0
    rates: dict[str, list[float]] = field(default_factory=lambda: {"ours": [], "sql": []})
    grown_mb: dict[int, float] = field(default_factory=dict)
    hostile_ms: dict[str, float] = field(default_factory=dict)
    breaches: tuple[str, ...] = ()

    @property
    def share(self) -> float:
        """Ours in the rate of SQL."""
        return statistics.median(self.rates["ours"]) / statistics.median(self.rates["sql"])


def run_evaluation(servers: Servers, *, quick: bool, say: Callable[[str], None]) -> Evaluation:
    """Run it on a migrated database; about a minute."""
    sizes = [QUICK] if quick else [FEW, MANY]
    found = Evaluation(candidates=sizes[-1])
    breaches = []
    for number, size in enumerate(sizes):
        say(f"Evaluating {size:,} candidates by five criteria, and the same rows by SQL ...")
        ours = _ask(servers, do="seed", mark="ae"[number], count=size)
        answer = _ask(servers, do="evaluate", **ours)
        found.grown_mb[size] = answer["grown_mb"]
        if answer["done"] != size:
            breaches.append(f"{answer['done']:,} of {size:,} candidates were evaluated")
        sql = _ask(servers, do="seed", mark="im"[number], count=size)
        written = _ask(servers, do="write_by_sql", **sql)
        if size == sizes[-1]:
            found.rates["ours"].append(answer["rate"])
            found.rates["sql"].append(written["rate"])
    found.hostile_ms = _ask(servers, do="hurt")
    found.breaches = (*breaches, *(f"{name}: {rows}" for name, rows in _ask(servers, do="find_breaches").items()))
    return found


def failed_evaluation_gates(found: Evaluation, *, speed: bool) -> list[str]:
    """What a run must show and did not; without `speed` only that everybody was evaluated once."""
    failures = [f"evaluation: {breach}" for breach in found.breaches]
    if not speed:
        return failures
    if found.share < OF_SQL:
        failures.append(f"evaluation: {found.share:.0%} of the rate of SQL, {OF_SQL:.0%} are wanted")
    growth = found.grown_mb[MANY] - found.grown_mb[FEW]
    if growth > FLAT_MB:
        failures.append(f"evaluation: {MANY:,} candidates take {growth:.0f} MB more than {FEW:,}")
    failures += [f"{name}: {took:.0f} ms" for name, took in found.hostile_ms.items() if took > SLOWEST_MS]
    return failures


def print_evaluation(found: Evaluation) -> None:
    """The figures, in a few lines."""
    rates = {name: statistics.median(measured) for name, measured in found.rates.items()}
    print(
        f"\n{found.candidates:,} candidates by 5 criteria, each with transition, verdict and event: "
        f"{rates['ours']:,.0f} a second, {found.share:.0%} of SQL that writes the same rows ({rates['sql']:,.0f})."
    )
    memory = ", ".join(f"{grown:.0f} MB for {size:,}" for size, grown in found.grown_mb.items())
    print(f"Memory grew by {memory}.")
    slowest = max(found.hostile_ms, key=lambda name: found.hostile_ms[name])
    print(f"Criteria that try to hurt: at most {found.hostile_ms[slowest]:.1f} ms ({slowest}).")


def _ask(servers: Servers, **job: Any) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "bench.evaluation_work"],
        input=json.dumps(job),
        env=environment(servers, settings=OURS),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-3_000:])
    return json.loads(done.stdout.splitlines()[-1])
