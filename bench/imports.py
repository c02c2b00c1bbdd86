"""`python -m bench.imports`: a file of candidates imported and evaluated by five criteria, compared with COPY and SQL
that write the same rows.

Our code and SQL alternate, and the share is the median over the rounds. Then imports are killed at five points and
continued, and one is undone.
"""

import argparse
import sys
from dataclasses import dataclass
from itertools import count
from typing import Any

from .gates import exit_code
from .rounds import Round, Rounds, print_rounds
from .servers import Servers, running_servers
from .work import ask, migrate

FEW, MANY = 10_000, 100_000
QUICK = 3_000
ROUNDS = 3
OF_SQL = 0.2
FLAT_MB = 40.0  # more candidates may not take more memory than this
# The steps after which the process is killed.
POINTS = ("read_from", "find_or_create_learners", "write_new_together", "publish", "commit")


@dataclass(slots=True)
class Imports(Rounds):
    """What was measured, and how many kills an import survived."""

    kills: int = 0


def main() -> int:
    """Return 0 when every gate holds, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m bench.imports", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK:,} candidates; gates that each is imported once")
    asked = parser.parse_args()
    sizes = [QUICK] if asked.quick else [FEW, *[MANY] * ROUNDS]
    with running_servers() as servers:
        migrate(servers)
        found = _measure(servers, sizes)
    _print(found)
    return exit_code([*found.breaches, *([] if asked.quick else _too_slow(found))])


def _measure(servers: Servers, sizes: list[int]) -> Imports:
    found = Imports()
    numbers = count()
    for size in sizes:
        print(f"Importing {size:,} candidates, judged by five criteria, and the same rows by SQL ...", file=sys.stderr)
        ours = _ask(servers, do="import_file", mark=_mark(next(numbers)), count=size)
        sql = _ask(servers, do="write_by_sql", mark=_mark(next(numbers)), count=size)
        found.rounds.append(Round(size, ours["rate"], sql["rate"], ours["grown_mb"]))
        if ours["imported"] != size or ours["rows"] != sql["rows"]:
            found.breaches.append(f"{ours['imported']:,} of {size:,} imported: {ours['rows']}, by SQL {sql['rows']}")
    print("Killing imports, and undoing one ...", file=sys.stderr)
    killed = _mark(next(numbers))
    _ask(servers, do="receive", mark=killed, count=QUICK)
    for point in POINTS:
        found.kills += _is_killed(servers, point=point, mark=killed)
    if found.kills != len(POINTS):
        found.breaches.append(f"only {found.kills} of {len(POINTS)} kills happened")
    gone_on = _ask(servers, do="go_on", mark=killed)
    if gone_on != {"imported": QUICK, "current": QUICK, "rows": QUICK}:
        found.breaches.append(f"killed and resumed: {gone_on} of {QUICK:,}")
    undone = _ask(servers, do="undo", mark=killed)
    if undone != {"undone": QUICK, "current": 0}:
        found.breaches.append(f"undone: {undone} of {QUICK:,}")
    found.breaches += [f"{name}: {rows}" for name, rows in _ask(servers, do="find_breaches").items()]
    return found


def _is_killed(servers: Servers, **job: Any) -> bool:
    return bool(_ask(servers, do="die_at", **job)["killed"])


def _mark(number: int) -> str:
    return "abcdefghijklmnopqrstuvwxyz"[number]


def _too_slow(found: Imports) -> list[str]:
    failures = []
    if found.share < OF_SQL:
        failures.append(f"{found.share:.0%} of the rate of SQL, {OF_SQL:.0%} are wanted")
    if found.growth_mb > FLAT_MB:
        failures.append(f"{MANY:,} candidates take {found.growth_mb:.0f} MB more than {FEW:,}")
    return failures


def _print(found: Imports) -> None:
    print("Candidates a second from a file, each with learner, labels, transition, verdict and events, next to SQL")
    print_rounds(found.rounds, of="candidates")
    print(f"Median share {found.share:.0%}. Killed at {found.kills} points and resumed, then undone.")


def _ask(servers: Servers, **job: Any) -> Any:
    return ask(servers, "imports_jobs", **job)


if __name__ == "__main__":
    sys.exit(main())
