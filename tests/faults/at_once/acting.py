"""Several who act at once on one workspace: the steps of `any_order`, and more that matter only beside others.

Each process has its own random numbers, so a seed says what it tries; how the processes interleave is up to the
machine. A use case may refuse. Anything else that it raises is kept: a deadlock, a lock that never came, a refused row.
"""

import functools
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import structlog
from django.db import IntegrityError, OperationalError, connection, models

from accounts.models import Learner
from accounts.tests.factories import LearnerFactory
from cohorts.models import Cohort
from cohorts.sale.waitlist import join_waitlist
from cohorts.tests.factories import CohortFactory, reserve
from core.clock import utc_now
from core.errors import DomainError
from enrollments.allocations.idle.finding import set_idle_rule
from enrollments.models import District
from enrollments.states import ReviewMode
from partners.models import EnrollmentStep
from partners.states import GroupRule
from partners.tests.factories import accept, complete, define, group

from ..any_order import AnyOrder, pick

MORE_LEARNERS = 4
TRIES = 10
KINDS_OF_A_RUN = 24

Step = Callable[[], None]
UseCase = Callable[..., Any]
Area = Callable[["Acting"], Iterator[Step]]
"""Yields what may happen next in one part of the product: the same number of steps, in the same order, each time."""


def asks_to_be_repeated(error: Exception) -> bool:
    """Return whether a lock could not be waited for (`lock_allocations_out_of_order`): whoever asked, asks again. A
    deadlock, or a lock for which a transaction waited in vain, says something else.
    """
    return isinstance(error, OperationalError) and "could not obtain lock on row" in str(error)


def timeless(use_case: UseCase) -> UseCase:
    """Let `attempt` call a use case that does not ask what time it is."""

    @functools.wraps(use_case)
    def call(*, now: object, **arguments: Any) -> None:
        use_case(**arguments)

    return call


def is_tried_again(error: Exception) -> bool:
    """Return whether a sweep or a job may meet this: it also repeats a batch that brings somebody whom another
    transaction has brought a moment before.
    """
    return asks_to_be_repeated(error) or (isinstance(error, IntegrityError) and "learner_identity_unique" in str(error))


def told(what: str, error: Exception) -> str:
    """Return the line that reports what a use case should not have met."""
    return f"{what}: {type(error).__name__}: {error}"


@dataclass
class Outcome:
    """What one process did, by the names of the use cases, and what it should not have met."""

    done: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)


@contextmanager
def _told_of_swallowed_errors(outcome: Outcome) -> Iterator[None]:
    """Keep what a sweep or a job only logs, because it tries again later."""

    def keep(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        error = event.get("exc_info")
        error = sys.exception() if error is True else error
        if isinstance(error, Exception) and not isinstance(error, DomainError) and not is_tried_again(error):
            outcome.failed.append(told(event["event"], error))
        return event

    processors = structlog.get_config()["processors"]
    processors.insert(0, keep)
    try:
        yield
    finally:
        processors.remove(keep)


class Acting(AnyOrder):
    """A workspace as in `AnyOrder`, with a second cohort, which is full, two partners, and more learners, of whom some
    wait in line, in which nothing is rolled back. Found it once; then let each process `act`.
    """

    def __init__(self) -> None:
        self.now = utc_now()
        self.outcome = Outcome()
        self.chance = random.Random(0)

    def found_all(self, mode: ReviewMode) -> None:
        self.found(mode, is_busy=True)
        self.second = CohortFactory(instance=self.cohort.instance, max_enrollment=2)
        more = LearnerFactory.create_batch(MORE_LEARNERS, workspace=self.workspace)
        for learner in more[: self.second.max_enrollment]:
            reserve(self.second, learner)
        for learner in more[self.second.max_enrollment :]:
            join_waitlist(learner_id=learner.pk, cohort_id=self.second.pk, now=utc_now())
        self.instance.takes_applications = True
        self.instance.save()
        for allocation in (self.allocation, self.other):
            set_idle_rule(allocation_id=allocation.pk, idle_days=7, grace_days=3, now=self.now)
        District.objects.filter(workspace=self.workspace).update(contact_email="seats@district.test")
        define(self.instance, group(self.instance, 2, GroupRule.ALL_IN_ORDER))

    def act(self, areas: Sequence[Area], *, run: int, seed: int, steps: int) -> Outcome:
        """Take this many random steps: half of them among those on which all others build, half among the few kinds
        that belong to the run. Few meet each other more often than many, and in another run they are others. A step
        for which there is no row is left out.
        """
        self.chance = random.Random(seed)
        self.outcome = Outcome()
        kinds = len(list(self._all(areas)))
        of_this_run = random.Random(run).sample(range(kinds), min(KINDS_OF_A_RUN, kinds // 4))
        with connection.cursor() as cursor:  # a busy machine is not a fault
            cursor.execute("SET lock_timeout = '25s'")
        with _told_of_swallowed_errors(self.outcome):
            for number in range(steps):
                choice = list(self.basics()) if number % 2 else list(self._all(areas))
                step = choice[self.chance.choice(range(len(choice)) if number % 2 else of_this_run)]
                with suppress(IndexError):  # `pick` found no row
                    step()
        return self.outcome

    def _all(self, areas: Sequence[Area]) -> Iterator[Step]:
        for area in areas:
            yield from area(self)

    def attempt(self, use_case: Callable[..., Any], *subject: Any, **arguments: Any) -> None:
        self.now = max(utc_now(), self.now)
        name = getattr(use_case, "__name__", "")
        for tries_left in reversed(range(TRIES)):
            try:
                use_case(*subject, **arguments, now=self.now)
                self.outcome.done[name] += 1
            except DomainError as refusal:
                self.outcome.refused[f"{name}: {refusal.code}"] += 1
            except Exception as error:
                if tries_left and asks_to_be_repeated(error):
                    time.sleep(self.chance.random() / 10)
                    continue
                self.outcome.failed.append(told(name, error))
            break

    def on(self, rows: "models.QuerySet[Any]", use_case: Callable[..., Any], name: str, **more: Any) -> None:
        """Attempt it on one of these rows, which the use case calls `name`."""
        self.attempt(use_case, **{name: pick(rows, self.nth()).pk}, **more)

    def nth(self) -> int:
        return self.chance.randrange(4)

    def yes(self) -> bool:
        return self.chance.random() < 0.5

    def code(self) -> str:
        return self.chance.choice(["", "SPRING-25"])

    def student(self) -> Learner:
        return self.chance.choice(list(Learner.objects.filter(workspace=self.workspace).order_by("pk")))

    def term(self) -> Cohort:
        return self.chance.choice([self.cohort, self.second])

    def basics(self) -> Iterator[Step]:
        """Yield the steps that make the rows on which the others act."""
        who = self.chance.randrange(1, 5)
        yield lambda: self.ask_for_a_seat(who)
        yield lambda: self.ask_a_parent(who, voucher=self.code(), with_seat=self.yes())
        yield lambda: self.review(self.nth(), is_approved=self.yes())
        yield lambda: self.hear_of_a_checkout(self.nth(), outcome="paid")
        yield lambda: self.hear_of_a_checkout(self.nth(), outcome="paid")
        yield lambda: self.attempt(self.hold_any_place, voucher=self.code())
        yield lambda: self.book(self.nth(), self.nth())
        yield lambda: self.attempt(accept, pick(EnrollmentStep.objects.all(), self.nth()))
        yield lambda: self.attempt(complete, pick(EnrollmentStep.objects.all(), self.nth()))
        yield lambda: self.end(self.nth())

    def hold_any_place(self, *, voucher: str, now: object) -> None:
        reserve(self.term(), self.student(), voucher=voucher)
