"""What is taken for rows of one table that are locked in an order other than that of their keys."""

from collections.abc import Callable

import pytest
from django.db import connection, transaction

from accounts.models import Learner
from accounts.tests.factories import LearnerFactory
from billing.locks import lock_payment
from billing.models import Refund
from billing.states import RefundReason
from billing.tests.factories import paid
from core.rows import lock_rows
from tests.lock_order import recorded_locks

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.unordered_locks,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite locks no rows"),
]
LOCKED = Learner.objects.select_for_update(no_key=True)


def by_key(first: int, second: int) -> None:
    list(LOCKED.filter(pk__in=[second, first]).order_by("pk"))


def by_the_first_column(first: int, second: int) -> None:
    list(LOCKED.filter(pk__in=[second, first]).order_by("pk").values_list("pk", "first_name"))


def by_key_unread(first: int, second: int) -> None:
    lock_rows(Learner, second, first)
    one_after_the_other(second, first)


def one_after_the_other(first: int, second: int) -> None:
    LOCKED.get(pk=first)
    LOCKED.get(pk=second)


def together_and_changed(first: int, second: int) -> None:
    by_key(first, second)
    Learner.objects.filter(pk__in=[first, second]).update(first_name="Ana")
    Learner.objects.filter(last_name="Doe").update(first_name="Ana")


def each_and_changed(first: int, second: int) -> None:
    one_after_the_other(first, second)
    Learner.objects.filter(pk__in=[first, second]).update(first_name="Ana")


def again(first: int, second: int) -> None:
    one_after_the_other(first, second)
    Learner.objects.filter(pk=first).update(first_name="Ana")


def without_waiting(first: int, second: int) -> None:
    LOCKED.get(pk=second)
    list(Learner.objects.select_for_update(skip_locked=True).filter(pk=first))
    list(Learner.objects.select_for_update(skip_locked=True).filter(pk__in=[first, second]))
    Learner.objects.filter(pk__in=[first, second]).update(first_name="Ana")


def backward(first: int, second: int) -> None:
    one_after_the_other(second, first)


def backward_by_updates(first: int, second: int) -> None:
    for key in (second, first):
        Learner.objects.filter(pk=key).update(first_name="Ana")


def in_no_order(first: int, second: int) -> None:
    list(LOCKED.filter(pk__in=[first, second]))


def by_name(first: int, second: int) -> None:
    list(LOCKED.filter(pk__in=[first, second]).order_by("first_name", "pk"))


def by_a_first_column_that_is_no_key(first: int, second: int) -> None:
    list(LOCKED.filter(pk__in=[first, second]).order_by("first_name").values_list("first_name", "pk"))


def by_one_update(first: int, second: int) -> None:
    Learner.objects.filter(pk__in=[first, second]).update(first_name="Ana")


def one_and_both(first: int, second: int) -> None:
    LOCKED.get(pk=first)
    Learner.objects.filter(pk__in=[first, second]).update(first_name="Ana")


def faults_of(lock: Callable[[int, int], None]) -> list[str]:
    """Return what is said of two learners who are locked in this way."""
    first, second = sorted(LearnerFactory(last_name="Doe").pk for _ in range(2))
    with recorded_locks() as recorder, transaction.atomic():
        lock(first, second)
    return recorder.rows_out_of_order()


@pytest.mark.parametrize(
    "lock",
    [
        by_key,
        by_the_first_column,
        by_key_unread,
        one_after_the_other,
        together_and_changed,
        each_and_changed,
        again,
        without_waiting,
    ],
)
def test_by_key_or_without_waiting_is_in_order(lock: Callable[[int, int], None]) -> None:
    assert faults_of(lock) == []


@pytest.mark.parametrize("lock", [backward, backward_by_updates])
def test_a_lower_key_after_a_higher_one_is_not(lock: Callable[[int, int], None]) -> None:
    (fault,) = faults_of(lock)

    assert fault.startswith("accounts_learner ")
    assert " after " in fault


@pytest.mark.parametrize("payment_first", [True, False])
def test_refunds_are_in_any_order_under_the_lock_of_their_payment(payment_first: bool) -> None:
    payment = paid()
    first, second = (
        Refund.objects.create(payment=payment, amount_minor=each, reason=RefundReason.REQUESTED, actor="user:1")
        for each in (100, 200)
    )
    with recorded_locks() as recorder, transaction.atomic():
        if payment_first:
            lock_payment(payment.pk)
        for refund in (second, first):
            Refund.objects.filter(pk=refund.pk).update(last_error="")

    assert len(recorder.rows_out_of_order()) == (0 if payment_first else 1)


@pytest.mark.parametrize("lock", [in_no_order, by_name, by_a_first_column_that_is_no_key, by_one_update, one_and_both])
def test_several_at_once_are_not(lock: Callable[[int, int], None]) -> None:
    (fault,) = faults_of(lock)

    assert fault.startswith("several rows of accounts_learner in no order: ")
