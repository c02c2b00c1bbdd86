"""Every row lock of this app, in the order that all transactions follow (docs/concurrency.md, section 3).

An erasure reads and changes the rows of all apps from the top down: partner steps before enrollments, enrollments
before learners. It therefore locks them beforehand, from the bottom up.
"""

from collections.abc import Callable

from django.db.models import Model

from accounts.models import Guardian, GuardianInvitation, Lead, Learner, User
from billing.models import Checkout, Mismatch, Payment, Refund
from cohorts.models import CohortPlace, StepProgress, StudentPackage
from core.errors import Unavailable
from core.personal import Person
from core.rows import lock_rows
from enrollments.locks import (
    find_allocations_of,
    lock_allocations_of,
    lock_learner_of,
    lock_unless_lead_is_busy,
)
from enrollments.models import Application, EnrollmentDecision
from enrollments.sellers import lock_holdings
from partners.models import EnrollmentStep

from .registry import entry_of

BEFORE_ENROLLMENTS: tuple[type[Model], ...] = (Mismatch, Application, Learner, User, Guardian, GuardianInvitation)
AFTER_ENROLLMENTS: tuple[type[Model], ...] = (
    EnrollmentDecision,
    CohortPlace,
    Checkout,
    Payment,
    Refund,
    StudentPackage,
    StepProgress,
    Lead,
    EnrollmentStep,
)


def lock_person(find: Callable[[], Person]) -> Person:
    """Lock every row that `find()` returns and that others lock too; return what it finds once they are locked.

    Raises Unavailable if a row was added or removed between the two calls, or if another transaction holds a row that
    this one can't wait for. Raises what `find` raises.
    """
    found = find()
    _lock(BEFORE_ENROLLMENTS, found)
    _lock_enrollments(found.enrollments)
    _lock(AFTER_ENROLLMENTS, found)
    person = find()
    if person != found:
        raise _busy()
    return person


def _lock(models: tuple[type[Model], ...], person: Person) -> None:
    for model in models:
        rows_of = entry_of(model).rows_of
        if rows_of is not None:
            lock_rows(model, *rows_of(person).order_by().values_list("pk", flat=True))


def _lock_enrollments(enrollment_ids: tuple[int, ...]) -> None:
    """Lock the learners, allocations, and cohorts of the enrollments, then the enrollments themselves."""
    lock_learner_of(*enrollment_ids)
    allocations = lock_allocations_of(enrollment_ids)
    lock_holdings(*enrollment_ids)
    if not lock_unless_lead_is_busy(enrollment_ids):
        raise _busy()
    if find_allocations_of(enrollment_ids) - allocations:  # a seat was transferred in between
        raise _busy()


def _busy() -> Unavailable:
    return Unavailable("Something about this person is being changed right now; repeat the request.")
