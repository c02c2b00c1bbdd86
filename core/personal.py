"""What is known of people, column by column, and what happens to it when somebody is erased.

Each app classifies its own models in its module `personal`; the app `privacy`, above all of them, walks the list. A
column that nobody has classified fails a test. docs/privacy.md shows the whole list.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from django.db.models import Model, QuerySet, Value
from django.db.models.expressions import Case, When

NOWHERE = "@erased.invalid"  # a domain that RFC 2606 keeps free of mailboxes
ERASED = "(erased)"  # used where a text can't be empty, or where a reader should know that there was one


class Kind(Enum):
    """What sort of personal data a column holds."""

    NAME = "names"
    CONTACT = "addresses and numbers by which somebody is reached"
    ABOUT = "what is known about somebody"
    WORDS = "words that people typed"
    FILE = "files"
    ACCOUNT = "how somebody signs in"
    STAFF = "staff's own: it ends with their account, not with a learner's"


class Fate(Enum):
    """What erasing somebody does to a column."""

    REPLACED = "emptied or replaced"
    DELETED = "deleted with its row"
    KEPT = "kept"


@dataclass(frozen=True, slots=True)
class Person:
    """The ids of everything about one learner, and the `addresses` that are theirs alone.

    `guardians` and `users` answer for nobody else, work nowhere, and are erased with the learner. `subjects` are the
    names by which tasks and mails refer to the rows, as in "payment:12".
    """

    workspace: int
    moment: dt.datetime  # of the erasure, or of the inquiry
    cuids: frozenset[str]
    learners: tuple[int, ...]
    leads: tuple[int, ...] = ()
    guardians: tuple[int, ...] = ()
    users: tuple[int, ...] = ()
    addresses: frozenset[str] = frozenset()
    enrollments: tuple[int, ...] = ()
    checkouts: tuple[int, ...] = ()
    payments: tuple[int, ...] = ()
    packages: tuple[int, ...] = ()
    steps: tuple[int, ...] = ()
    subjects: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Personal:
    """The personal columns of one model.

    `rows_of` finds a person's rows; `values` replace what they hold, and without `values` the rows are deleted. `erase`
    does what one statement can't, and returns how many rows it changed. With neither, nothing is erased, and `why` says
    why not. Rows of a model that `passes` are deleted a month after they were written, in any case.
    """

    model: type[Model]
    columns: Mapping[str, Kind]
    fate: Fate
    rows_of: Callable[[Person], QuerySet[Any]] | None = None
    values: Mapping[str, Any] | None = None
    erase: Callable[[Person], int] | None = None
    why: str = ""
    passes: bool = False

    def erase_of(self, person: Person) -> int:
        """Erase what this model knows of somebody; return in how many rows. Joins the caller's transaction."""
        if self.erase is not None:
            return self.erase(person)
        if self.rows_of is None:
            return 0
        return self.empty(self.rows_of(person).order_by())

    def empty(self, rows: QuerySet[Any]) -> int:
        """Clear from these rows what one statement can; return from how many. Joins the caller's transaction."""
        if self.fate is Fate.DELETED:
            return QuerySet.delete(rows)[0]
        return QuerySet.update(rows, **(self.values or {}))

    def count_of(self, person: Person) -> int:
        """Return how many rows hold something of the person, or held it."""
        return self.rows_of(person).count() if self.rows_of is not None else 0


def unless_empty(column: str, by: str = ERASED) -> Case:
    """Return the new value of a column from which words are removed; an empty one stays empty."""
    return Case(When(**{column: ""}, then=Value("")), default=Value(by))


def words(model: type[Model], rows_of: Callable[[Person], QuerySet[Any]], *columns: str) -> Personal:
    """Classify columns in which people type: their content becomes ERASED."""
    values = {column: unless_empty(column) for column in columns}
    return Personal(model, dict.fromkeys(columns, Kind.WORDS), Fate.REPLACED, rows_of, values)


def kept(model: type[Model], why: str, **columns: Kind) -> Personal:
    """Classify columns that no erasure touches, and say why."""
    return Personal(model, columns, Fate.KEPT, why=why)
