"""How a benchmark ends: the gates that failed, and the exit code."""

import sys
from collections.abc import Sequence


def exit_code(failures: Sequence[str]) -> int:
    """Return 0 when every gate holds, 1 otherwise; print which ones failed."""
    for failure in failures:
        print(f"FAILED {failure}", file=sys.stderr)
    return 1 if failures else 0
