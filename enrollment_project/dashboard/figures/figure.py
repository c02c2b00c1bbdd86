"""The shape of every front-page figure: a table with a definition in words, the same on the page and as a file."""

import datetime as dt
import re
from dataclasses import dataclass, field
from typing import Any

from accounts.roles import Power

from ..period import Period
from ..scope import Scope

_NUMBER = re.compile(r"(-?[0-9]+)((?:\.[0-9]+)?)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One row of a bar chart; `share` is its width as a percentage of the longest bar."""

    label: str
    count: int
    share: int
    url: str = ""
    tone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """How full something limited is; shares are percentages of its total."""

    name: str
    url: str
    firm: int
    pending: int
    left: int
    total: int
    note: str = ""

    @property
    def firm_share(self) -> int:
        return round(100 * self.firm / max(self.total, 1))

    @property
    def pending_share(self) -> int:
        return round(100 * self.pending / max(self.total, 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure: `help` says what it counts, and `rows` hold the numbers. The rest is how the page draws it: `chart` is
    the data of a line with one point per day, and `words` name the firm and the pending part of the levels.
    """

    name: str
    title: str
    help: str
    empty: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    more_url: str = ""
    note: str = ""
    bars: list[Bar] = field(default_factory=list)
    keys: list[Bar] = field(default_factory=list)
    levels: list[Level] = field(default_factory=list)
    words: tuple[str, str] = ("", "")
    chart: str = ""
    is_table: bool = False  # whether the page draws the table itself
    named_by: int = 1  # how many of the first columns name a row: the page draws them as one

    @property
    def shown_columns(self) -> list[str]:
        return [_joined(self.columns[: self.named_by]).capitalize(), *self.columns[self.named_by :]]

    @property
    def shown_rows(self) -> list[list[str]]:
        """Return the rows with numbers formatted for people: 12,345.60."""
        told = [[_joined(row[: self.named_by]), *row[self.named_by :]] for row in self.rows]
        return [[_grouped(cell) for cell in row] for row in told]


@dataclass(frozen=True, slots=True)
class Asked:
    """The scope and the period that figures were requested for."""

    scope: Scope
    period: Period
    now: dt.datetime

    def mine(self, model: Any, path: str = "workspace") -> Any:
        """Return the scope's rows, unordered."""
        return self.scope.access.limit(model._default_manager.order_by(), path=path, power=Power.VIEW)


def _joined(cells: tuple[str, ...]) -> str:
    return ", ".join(filter(None, cells))


def _grouped(cell: str) -> str:
    number = _NUMBER.fullmatch(cell)
    return f"{int(number[1]):,}{number[2]}" if number else cell


def bars_of(counts: list[tuple[str, int, str, str]]) -> list[Bar]:
    """Build bars from (label, count, address, tone); the highest count gets the longest bar."""
    longest = max((count for _, count, _, _ in counts), default=0) or 1
    return [
        Bar(label=label, count=count, share=round(100 * count / longest), url=url, tone=tone)
        for label, count, url, tone in counts
    ]
