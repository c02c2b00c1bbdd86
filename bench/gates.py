"""How a benchmark ends: what did not hold, and what the shell is told."""

import sys
from collections.abc import Sequence


def exit_code(failures: Sequence[str]) -> int:
    """0 when every gate holds, 1 when one does not; says which."""
    for failure in failures:
        print(f"FAILED {failure}", file=sys.stderr)
    return 1 if failures else 0
