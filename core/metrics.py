"""What operators watch, read from the database on request: each app defines its figures in `metrics.py`.

A figure takes a statement or two, whatever the number of rows. What no row records, such as how long requests and calls
take, is timed where it happens (`core.timings`).
"""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from django.db.models import Count, Min, QuerySet, Sum

Reading = tuple[tuple[str, ...], float]  # the label values, in order, and the reading


class Kind(StrEnum):
    GAUGE = "gauge"  # goes up and down
    COUNTER = "counter"  # only grows, so its rate shows how often something happens; its name ends in _total


@dataclass(frozen=True, slots=True)
class Figure:
    """A metric as Prometheus knows it. `name` is without the platform's prefix; `read` receives the time."""

    name: str
    help: str
    labels: tuple[str, ...]
    read: Callable[[dt.datetime], Iterable[Reading]]
    kind: Kind = Kind.GAUGE


@dataclass(frozen=True, slots=True)
class Work:
    """Work that waits in rows until a worker or a sweep takes it up: `waiting` selects it, and `given_up` selects what
    needs a person. `due` is the column that says when it becomes due, `since` the column that says how long it has
    existed, and `attempts` the column that counts failures, if there is one."""

    name: str
    waiting: Callable[[dt.datetime], QuerySet[Any]]
    given_up: Callable[[], QuerySet[Any]] | None = None
    due: str = "next_attempt_at"
    since: str = "created_at"
    attempts: str = "attempts"


@dataclass(frozen=True, slots=True)
class Load:
    """What waits of one kind of work: how many rows, the oldest of them, the longest overdue, and failed tries."""

    rows: int
    oldest_seconds: float
    overdue_seconds: float
    failures: int
    given_up: int


@dataclass(slots=True)
class WorkFigures:
    """The figures about all waiting work; the rows of each kind are read once, however many figures are requested."""

    works: tuple[Work, ...]
    _loads: dict[dt.datetime, dict[str, Load]] = field(default_factory=dict)

    def figures(self) -> tuple[Figure, ...]:
        return (
            self._figure("work_waiting", "Rows that wait for a worker or a sweep.", lambda load: load.rows),
            self._figure("work_oldest_seconds", "The age of the oldest of them.", lambda load: load.oldest_seconds),
            self._figure(
                "work_overdue_seconds",
                "How long the oldest due row has been due: the lag of its sweep.",
                lambda load: load.overdue_seconds,
            ),
            self._figure("work_failed_tries", "Failed attempts so far.", lambda load: load.failures),
            self._figure("work_given_up", "Rows that only a person can move on.", lambda load: load.given_up),
        )

    def _figure(self, name: str, help: str, value: Callable[[Load], float]) -> Figure:
        def read(now: dt.datetime) -> Iterator[Reading]:
            for work, load in self.at(now).items():
                yield (work,), value(load)

        return Figure(name, help, ("work",), read)

    def at(self, now: dt.datetime) -> dict[str, Load]:
        """Return how much of each kind of work is waiting, by its name."""
        if now not in self._loads:
            self._loads = {now: {work.name: _read(work, now) for work in self.works}}
        return self._loads[now]


def count_by(rows: QuerySet[Any], *columns: str) -> Iterator[Reading]:
    """Return how many rows there are of each combination that occurs."""
    for *values, count in rows.order_by().values_list(*columns).annotate(Count("pk")):
        yield tuple(_spell(value) for value in values), count


def sum_by(rows: QuerySet[Any], summed: str, *columns: str) -> Iterator[Reading]:
    """Return the sum of a column for each combination of the others that occurs."""
    for *values, total in rows.order_by().values_list(*columns).annotate(Sum(summed)):
        yield tuple(_spell(value) for value in values), total or 0


def _read(work: Work, now: dt.datetime) -> Load:
    asked = {"rows": Count("pk"), "oldest": Min(work.since), "due": Min(work.due)}
    if work.attempts:
        asked["tries"] = Sum(work.attempts)
    summary = work.waiting(now).order_by().aggregate(**asked)
    return Load(
        rows=summary["rows"],
        oldest_seconds=_seconds(summary["oldest"], now),
        overdue_seconds=_seconds(summary["due"], now),
        failures=summary.get("tries") or 0,
        given_up=work.given_up().count() if work.given_up else 0,
    )


def _seconds(moment: dt.datetime | None, now: dt.datetime) -> float:
    return max((now - moment).total_seconds(), 0.0) if moment else 0.0


def _spell(value: Any) -> str:
    return "" if value is None else str(value)
