"""`python -m bench.doctor`: what an examination of all data takes with a hundred thousand enrollments, rule by rule.

The demo is loaded into a PostgreSQL of its own and multiplied, as for `bench.backoffice`. Each rule may take at most
AT_MOST_S, and all of them a tenth of a worker task's time limit. Copied learners hold seats and places that the
counters do not include, so some rules report rows here; reporting them is part of the time measured.
"""

import argparse
import sys
import time

from .backoffice import QUICK_ENROLLMENTS, demo_database

AT_MOST_S = 10.0
SLOWEST = 12


def main() -> int:
    """Return 0 when neither a single rule nor all of them together exceed their limit, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m bench.doctor", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ENROLLMENTS:,} enrollments, and no gate")
    asked = parser.parse_args()
    with demo_database(quick=asked.quick) as count:
        taken, found, limit = _examine()
    total = sum(taken.values())
    print(f"The doctor's {len(taken)} rules with {count:,} enrollments, the slowest first")
    print(f"{'s':>7}{'found':>9}  rule")
    slowest_first = sorted(taken, key=lambda rule: -taken[rule])
    for rule in slowest_first[:SLOWEST]:
        print(f"{taken[rule]:7.2f}{found[rule]:9,}  {rule}")
    print(f"{total:7.2f}{sum(found.values()):9,}  all {len(taken)}; a task may take {limit:.0f} s")
    slow = [f"{rule}: {taken[rule]:.1f} s, {AT_MOST_S:.0f} are allowed" for rule in taken if taken[rule] > AT_MOST_S]
    if total > limit / 10:
        slow.append(f"all rules: {total:.1f} s, {limit / 10:.0f} are allowed")
    for each in slow:
        print(f"SLOW {each}", file=sys.stderr)
    return 1 if slow and not asked.quick else 0


def _examine() -> tuple[dict[str, float], dict[str, int], float]:
    from django.conf import settings  # noqa: PLC0415  (models exist after setup)
    from django.db import connection  # noqa: PLC0415

    from core.clock import utc_now  # noqa: PLC0415
    from core.invariants import Extent  # noqa: PLC0415
    from operations.doctor import INVARIANTS  # noqa: PLC0415

    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute("ANALYZE")
    extent = Extent(now=utc_now())
    taken: dict[str, float] = {}
    found: dict[str, int] = {}
    for name, invariant in INVARIANTS.items():
        began = time.perf_counter()
        found[name] = len(list(invariant(extent)))
        taken[name] = time.perf_counter() - began
    return taken, found, float(settings.CELERY_TASK_TIME_LIMIT)


if __name__ == "__main__":
    sys.exit(main())
