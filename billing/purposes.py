"""What the apps above register for their kind of checkout, so that billing keeps the lock order without knowing them.

The order is allocation < cohort < class session < enrollment < checkout < payment: before billing locks a checkout, it
lets the purpose's app lock its own rows.
"""

import datetime as dt
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Self

from django.utils.translation import gettext as _

from core.time_words import plain_day, term


def key_of(subject: str) -> int:
    """Return the primary key that a subject spells: it is how apps name the row that is paid for (`as_subject`)."""
    return int(subject)


def as_subject(key: int) -> str:
    """Return how a checkout or a payment names the row that it pays for, by its primary key."""
    return str(key)


@dataclass(frozen=True, slots=True)
class Stake:
    """What somebody has through a payment, and loses when all of it goes back: "the place in Fall cohort of Algebra".
    `freed` says in a sentence each what then becomes free for others, `owed` what follows if the money never came."""

    learner: str
    what: str
    freed: tuple[str, ...] = ()
    owed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Matter:
    """What a checkout or a payment is about, for staff: whom it is for, what they get, and the page to look at."""

    learner: str
    what: str
    url: str


@dataclass(frozen=True, slots=True)
class Offer:
    """Something that is sold, to which a voucher can be limited."""

    workspace_id: int
    label: str


@dataclass(frozen=True, slots=True)
class Service:
    """What is provided for the money, as an invoice names it: for whom, by first name and by id, from which day to
    which. A day that nobody has set is None."""

    learner: str
    reference: str
    first_day: dt.date | None = None
    last_day: dt.date | None = None

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self:
        days = (stored[name] and dt.date.fromisoformat(stored[name]) for name in ("first_day", "last_day"))
        return cls(stored["learner"], stored["reference"], *days)

    @property
    def days(self) -> str:
        """From which day to which, in words; empty if nobody has set one."""
        if self.first_day and self.last_day:
            return term(self.first_day, self.last_day)
        if self.first_day:
            return _("from %(begin)s") % {"begin": plain_day(self.first_day)}
        return _("until %(end)s") % {"end": plain_day(self.last_day)} if self.last_day else ""

    def stored(self) -> dict[str, Any]:
        """Return it as an invoice line stores it."""
        days = {"first_day": self.first_day, "last_day": self.last_day}
        told = {name: day and day.isoformat() for name, day in days.items()}
        return {"learner": self.learner, "reference": self.reference, **told}


@dataclass(frozen=True, slots=True)
class Purpose:
    """`lock_subject(subject)` locks the rows that the app's reactions will touch, inside the caller's transaction.
    `describe(subject)` returns a label and an admin URL for staff looking at the money; `find_learner_id(subject)`
    returns for whom it is paid, None if for nobody in particular; `find_stake(payment_id, now)` returns what a payment
    holds. `find_matters(subjects)` says what each is about; `find_subjects(learner_ids)` returns those for these
    learners. `find_price_ids(subjects)` returns the current price of each, None if there is none any longer; without
    this function, the amount of an open checkout never changes. `find_offers(workspace_ids)` lists what is sold, None
    for everywhere. `find_service(subject)` returns what an invoice names as provided, None if there is nothing to name.
    """

    name: str
    lock_subject: Callable[[str], None]
    describe: Callable[[str], tuple[str, str]]
    find_learner_id: Callable[[str], int | None] = lambda subject: None
    find_stake: Callable[[int, dt.datetime], Stake | None] = lambda payment_id, now: None
    find_matters: Callable[[Collection[str]], Mapping[str, Matter]] = lambda subjects: {}
    find_subjects: Callable[[Collection[int]], Collection[str]] = lambda learner_ids: ()
    find_price_ids: Callable[[Collection[str]], Mapping[str, int | None]] | None = None
    find_offers: Callable[[Collection[int] | None], Mapping[str, Offer]] = lambda workspace_ids: {}
    find_service: Callable[[str], Service | None] = lambda subject: None


_purposes: dict[str, Purpose] = {}


def register_purpose(purpose: Purpose) -> None:
    """Register a purpose, once, from the owning app's `ready()`."""
    _purposes[purpose.name] = purpose


def lock_subject(purpose: str, subject: str) -> None:
    """Lock what is being paid for. Raises KeyError for a purpose nobody registered: such money can't be explained."""
    _purposes[purpose].lock_subject(subject)


def describe_subject(purpose: str, subject: str) -> tuple[str, str]:
    """Return a label and an admin URL for the subject; the raw text and no URL for an unknown purpose."""
    known = _purposes.get(purpose)
    return known.describe(subject) if known else (f"{purpose} {subject}", "")


def find_matters(named: Collection[tuple[str, str]]) -> dict[tuple[str, str], Matter]:
    """Return what each of these pairs of purpose and subject is about, with a constant number of queries per app."""
    return {
        (purpose.name, subject): matter
        for purpose in _purposes.values()
        if (subjects := [subject for name, subject in named if name == purpose.name])
        for subject, matter in purpose.find_matters(subjects).items()
    }


def find_subjects(learner_ids: Collection[int]) -> dict[str, Collection[str]]:
    """Return, by purpose, what has been paid for, or could be, for these learners."""
    return {name: purpose.find_subjects(learner_ids) for name, purpose in _purposes.items()}


def find_offers(workspace_ids: Collection[int] | None) -> dict[str, Offer]:
    """Return what the workspaces sell, by the name a voucher uses for it; None: all workspaces."""
    return {key: offer for purpose in _purposes.values() for key, offer in purpose.find_offers(workspace_ids).items()}


def find_learner_id(purpose: str, subject: str) -> int | None:
    """Return for whom the subject is paid, None for an unknown purpose or nobody in particular."""
    known = _purposes.get(purpose)
    return known.find_learner_id(subject) if known else None


def find_service(purpose: str, subject: str) -> Service | None:
    """Return what is provided for the subject's money; None for an unknown purpose or nothing to name."""
    known = _purposes.get(purpose)
    return known.find_service(subject) if known else None


def find_stake(purpose: str, payment_id: int, *, now: dt.datetime) -> Stake | None:
    """Return what depends on a payment; None if nothing does, or no longer does."""
    known = _purposes.get(purpose)
    return known.find_stake(payment_id, now) if known else None


def find_price_ids(purpose: str, subjects: Collection[str]) -> Mapping[str, int | None]:
    """Return the present price of each subject whose purpose knows one; omit all others."""
    known = _purposes.get(purpose)
    return known.find_price_ids(subjects) if known and known.find_price_ids else {}
