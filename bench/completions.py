"""`python -m bench.completions`: from a completion in a partner's inbox to the next step, compared with one SQL query.

Our code and SQL alternate, and the share is the median over the rounds, so other load on the machine slows both alike.
"""

import argparse
import statistics
import sys
from typing import Any

from .gates import exit_code
from .servers import Servers, running_servers
from .work import ask, migrate

COMPLETIONS = 10_000
QUICK = 400
ROUNDS = 3
OF_SQL = 0.1


def main() -> int:
    """Return 0 when every gate holds, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m bench.completions", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK:,} completions; gates that each has one effect")
    asked = parser.parse_args()
    size, rounds = (QUICK, 1) if asked.quick else (COMPLETIONS, ROUNDS)
    with running_servers() as servers:
        migrate(servers)
        shares, failures = _measure(servers, size, rounds)
    if not asked.quick and (share := statistics.median(shares)) < OF_SQL:
        failures.append(f"{share:.1%} of the rate of SQL, {OF_SQL:.0%} are wanted")
    return exit_code(failures)


def _measure(servers: Servers, size: int, rounds: int) -> tuple[list[float], list[str]]:
    print(
        "Completions a second from the inbox to the next step queued, next to one statement that writes the same rows"
    )
    print(f"{'completions':>12}{'ours':>10}{'SQL':>10}{'share':>8}")
    shares: list[float] = []
    failures: list[str] = []
    for number in range(rounds):
        rates = {}
        for who, job in (("ours", "handle"), ("SQL", "write_by_sql")):
            seeded = _ask(servers, do="seed", mark=f"{'abc'[number]}{who[0].lower()}", count=size)
            rates[who] = _ask(servers, do=job, **seeded)["rate"]
            counts = _ask(servers, do="count_rows", **seeded)
            failures += [f"{who}: {rows:,} {name} of {size:,}" for name, rows in counts.items() if rows != size]
            breaches = _ask(servers, do="find_breaches", **seeded)
            failures += [f"{who}: {name}: {rows}" for name, rows in breaches.items()]
        shares.append(rates["ours"] / rates["SQL"])
        print(f"{size:>12,}{rates['ours']:>10,.0f}{rates['SQL']:>10,.0f}{shares[-1]:>8.1%}", flush=True)
    return shares, failures


def _ask(servers: Servers, **job: Any) -> Any:
    return ask(servers, "completions_jobs", **job)


if __name__ == "__main__":
    sys.exit(main())
