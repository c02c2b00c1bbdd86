"""`python -m bench`: how fast a learner is enrolled and a course is bought, compared with the limit of the database."""

import argparse
import json
import shlex
import signal
import sys

from .contest import run_contest
from .gates import exit_code
from .report import as_json, failed_gates, print_table

QUICK = {"rounds": 1, "seconds": 2.0}
FULL = {"rounds": 9, "seconds": 3.0}


def main() -> int:
    """Return 0 when every gate holds, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round; gates the invariants, not the speed")
    parser.add_argument("--rounds", type=int, help=f"default {FULL['rounds']}")
    parser.add_argument("--seconds", type=float, help=f"of each contestant in each round, default {FULL['seconds']:g}")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as on Ctrl-C: the servers are stopped on the way out
    defaults = QUICK if asked.quick else FULL
    contest = run_contest(
        rounds=int(asked.rounds or defaults["rounds"]),
        seconds=float(asked.seconds or defaults["seconds"]),
        say=lambda line: print(line, file=sys.stderr, flush=True),
    )
    command = shlex.join(["python", "-m", "bench", *sys.argv[1:]])
    if asked.json:
        print(json.dumps(as_json(contest, command=command), indent=2))
    else:
        print_table(contest, command=command)
    failures = failed_gates(contest, speed=not asked.quick)
    return exit_code(failures)


if __name__ == "__main__":
    sys.exit(main())
