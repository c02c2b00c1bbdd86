"""Rounds in which our code and SQL write the same rows, alternately."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Round:
    """The rows per second of our code and of SQL for a number of rows, and the memory our code took for all of them."""

    size: int
    ours: float
    sql: float
    grown_mb: float

    @property
    def share(self) -> float:
        return self.ours / self.sql


@dataclass(slots=True)
class Rounds:
    """What rounds measured, the first of them with few rows, and any breaches of the invariants."""

    rounds: list[Round] = field(default_factory=list)
    breaches: list[str] = field(default_factory=list)

    @property
    def share(self) -> float:
        """Return our rate as a share of SQL's, in the median round with the most rows."""
        return statistics.median(each.share for each in self.rounds if each.size == self.rounds[-1].size)

    @property
    def growth_mb(self) -> float:
        """Return how much more memory many rows take than few."""
        return max(each.grown_mb for each in self.rounds[1:]) - self.rounds[0].grown_mb


def print_rounds(rounds: Sequence[Round], *, of: str) -> None:
    """Print a table with a line for each round; `of` names what was written."""
    print(f"{of:>12}{'ours':>10}{'SQL':>10}{'share':>8}{'memory grew by':>18}")
    for each in rounds:
        share = f"{each.share:.0%}"
        memory = f"{each.grown_mb:.1f} MB"
        print(f"{each.size:>12,}{each.ours:>10,.0f}{each.sql:>10,.0f}{share:>8}{memory:>18}")
