"""What must always hold, checked by functions that find the rows where it does not. `manage.py doctor` runs them all.

Each app keeps its own in `invariants.py`; a function's name says what holds. They are set-based: a few statements each,
whatever the number of rows.
"""

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet


@dataclass(frozen=True, slots=True)
class Breach:
    """One row that breaks an invariant, e.g. "allocation 12", and how. Only ids and numbers: it ends up in tickets."""

    row: str
    fact: str


@dataclass(frozen=True, slots=True)
class Extent:
    """What is examined: the rows of one workspace or of all of them, as of `now`."""

    now: dt.datetime
    workspace_id: int | None = None

    def of(self, rows: QuerySet[Any], path: str = "workspace") -> QuerySet[Any]:
        """Return the rows to examine; `path` leads from them to their workspace."""
        return rows if self.workspace_id is None else rows.filter(**{path: self.workspace_id})


Invariant = Callable[[Extent], Iterable[Breach]]
