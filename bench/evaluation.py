"""`python -m bench.evaluation`: candidates evaluated by five criteria, compared with SQL that writes the same rows.

Our code and SQL alternate, and the share is the median over the rounds, so other load on the machine slows both alike.
"""

import argparse
import sys
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from .gates import exit_code
from .rounds import Round, Rounds, print_rounds
from .servers import Servers, running_servers
from .work import ask, migrate

FEW, MANY = 10_000, 100_000
QUICK = 2_000
ROUNDS = 3
OF_SQL = 0.2
FLAT_MB = 40.0  # more candidates may not take more memory than this
SLOWEST_MS = 50.0


@dataclass(slots=True)
class Evaluation(Rounds):
    """What was measured, and what hostile criteria cost."""

    hostile_ms: dict[str, float] = field(default_factory=dict)


def main() -> int:
    """Return 0 when every gate holds, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m bench.evaluation", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK:,} candidates; gates that each is evaluated once")
    asked = parser.parse_args()
    sizes = [QUICK] if asked.quick else [FEW, *[MANY] * ROUNDS]
    with running_servers() as servers:
        migrate(servers)
        found = _measure(servers, sizes)
    _print(found)
    return exit_code([*found.breaches, *([] if asked.quick else _too_slow(found))])


def _measure(servers: Servers, sizes: list[int]) -> Evaluation:
    found = Evaluation()
    numbers = count()
    for size in sizes:
        print(f"Evaluating {size:,} candidates by five criteria, and the same rows by SQL ...", file=sys.stderr)
        ours = _ask(servers, do="evaluate", **_ask(servers, do="seed", mark=_mark(next(numbers)), count=size))
        sql = _ask(servers, do="write_by_sql", **_ask(servers, do="seed", mark=_mark(next(numbers)), count=size))
        found.rounds.append(Round(size, ours["rate"], sql["rate"], ours["grown_mb"]))
        if ours["done"] != size:
            found.breaches.append(f"{ours['done']:,} of {size:,} candidates were evaluated")
    found.hostile_ms = _ask(servers, do="hurt")
    found.breaches += [f"{name}: {rows}" for name, rows in _ask(servers, do="find_breaches").items()]
    return found


def _mark(number: int) -> str:
    return "abcdefghijklmnopqrstuvwxyz"[number]


def _too_slow(found: Evaluation) -> list[str]:
    failures = []
    if found.share < OF_SQL:
        failures.append(f"{found.share:.0%} of the rate of SQL, {OF_SQL:.0%} are wanted")
    if found.growth_mb > FLAT_MB:
        failures.append(f"{MANY:,} candidates take {found.growth_mb:.0f} MB more than {FEW:,}")
    failures += [f"{name}: {took:.0f} ms" for name, took in found.hostile_ms.items() if took > SLOWEST_MS]
    return failures


def _print(found: Evaluation) -> None:
    print("Candidates a second by 5 criteria, each with transition, verdict and event, next to SQL of the same rows")
    print_rounds(found.rounds, of="candidates")
    slowest = max(found.hostile_ms, key=lambda name: found.hostile_ms[name])
    hurt = f"Criteria that try to hurt: at most {found.hostile_ms[slowest]:.1f} ms ({slowest})."
    print(f"Median share {found.share:.0%}. {hurt}")


def _ask(servers: Servers, **job: Any) -> Any:
    return ask(servers, "evaluation_jobs", **job)


if __name__ == "__main__":
    sys.exit(main())
