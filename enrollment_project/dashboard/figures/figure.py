"""What every figure of the front page is: a table with a definition in words, which is shown and downloaded alike."""

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
    """One row of a bar chart: its share of the longest, in percent, for the width."""

    label: str
    count: int
    share: int
    url: str = ""
    tone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """How full something limited is; shares in percent of its total."""

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
    """`help` says what is counted; `rows` are the figure. The rest is how the page draws it: `chart` is the data of a
    line for each day, `words` call the firm and the pending part of the levels."""

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
    is_table: bool = False  # whether the table itself is what the page draws

    @property
    def shown_rows(self) -> list[list[str]]:
        """The rows with numbers as people read them: 12,345.60."""
        return [[_grouped(cell) for cell in row] for row in self.rows]


@dataclass(frozen=True, slots=True)
class Asked:
    """Of whom and for when figures are wanted."""

    scope: Scope
    period: Period
    now: dt.datetime

    def mine(self, model: Any, path: str = "workspace") -> Any:
        """The rows of the scope, in no order."""
        return self.scope.access.limit(model._default_manager.order_by(), path=path, power=Power.VIEW)


def _grouped(cell: str) -> str:
    number = _NUMBER.fullmatch(cell)
    return f"{int(number[1]):,}{number[2]}" if number else cell


def bars_of(counts: list[tuple[str, int, str, str]]) -> list[Bar]:
    """Rows of label, count, address and tone; the longest bar is the highest count."""
    longest = max((count for _, count, _, _ in counts), default=0) or 1
    return [
        Bar(label=label, count=count, share=round(100 * count / longest), url=url, tone=tone)
        for label, count, url, tone in counts
    ]
