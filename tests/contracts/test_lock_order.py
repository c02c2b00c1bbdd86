"""Locks that exist for their order: without each of them, a later lock is taken too late, and two requests that meet
wait for each other.
"""

from collections.abc import Callable

import pytest
from django.db import connection

from accounts.tests.factories import LearnerFactory
from billing import purposes
from billing.models import Payment
from billing.tests.factories import VoucherFactory
from billing.tests.snapshots import arrive, refund
from cohorts import locks as cohort_locks
from cohorts.models import WaitlistEntry
from cohorts.sale import checkout, transfer
from cohorts.sale.opening import change_capacity
from cohorts.sale.transfer import Stranded, move_package
from cohorts.sale.waitlist import end_overdue_hold, join_waitlist, leave_waitlist
from cohorts.tests.factories import buy_on_rows, cohort_with, reserve
from cohorts.tests.test_stranded import under_way
from core.clock import utc_now
from enrollments import lifecycle
from enrollments import locks as enrollment_locks
from enrollments.lifecycle import approve_enrollment, unenroll_enrollment
from enrollments.routing import decide
from enrollments.states import ReviewMode
from enrollments.tests.factories import STAFF, CandidateFactory, InstanceFactory, route, seats
from tests.lock_order import recorded_locks, written_order

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite locks no rows"),
]

Scenario = Callable[[], Callable[[], object]]


def approving_with_a_seat() -> Callable[[], object]:
    instance = InstanceFactory(review_mode=ReviewMode.MANUAL)
    seats(instance.workspace, total=1)
    enrollment = route(instance.workspace).decision.enrollment
    return lambda: approve_enrollment(enrollment_id=enrollment.pk, actor=STAFF, now=utc_now())


def routing_somebody_enrolled() -> Callable[[], object]:
    """Route somebody whose enrollment has no decision yet."""
    instance = InstanceFactory()
    CandidateFactory(
        instance=instance,
        workspace=instance.workspace,
        learner__first_name="Jane",
        learner__last_name="Doe",
        learner__email="jane@school.test",
    )
    seats(instance.workspace, total=1)
    return lambda: route(instance.workspace)


def ending_a_course() -> Callable[[], object]:
    package = buy_on_rows(cohort_with(options=(1,)))
    return lambda: unenroll_enrollment(
        enrollment_id=package.enrollment_id, actor=STAFF, reason="Moved away", now=utc_now()
    )


def refunding_a_course() -> Callable[[], object]:
    package = buy_on_rows(cohort_with(options=(1,)))
    payment = Payment.objects.get(pk=package.payment_id)
    return lambda: arrive(payment, refund(payment.amount_minor))


def buying_for_nothing() -> Callable[[], object]:
    """Buy with a voucher that takes off the whole price, so that the steps are booked with the purchase."""
    cohort = cohort_with(options=(1,))
    VoucherFactory(workspace=cohort.instance.workspace, code=f"FREE-{cohort.pk}", kind="free")
    learner = LearnerFactory(workspace=cohort.instance.workspace)
    return lambda: reserve(cohort, learner, voucher=f"FREE-{cohort.pk}")


def moving_with_an_excuse() -> Callable[[], object]:
    package = buy_on_rows(cohort_with(options=(1, 1)))
    target = under_way(package)
    return lambda: move_package(
        package_id=package.pk, cohort_id=target.pk, stranded=Stranded.EXCUSE, excuse="Late", actor=STAFF, now=utc_now()
    )


CONTROLS = {
    "lock_allocation": (decide, "lock_allocation", routing_somebody_enrolled, ["enrollment", "allocation"]),
    "lock_allocation_of": (
        enrollment_locks,
        "lock_allocation_of",
        approving_with_a_seat,
        ["enrollment", "allocation"],
    ),
    "lock_held_for_enrollments": (lifecycle, "lock_holdings", ending_a_course, ["enrollment", "cohort"]),
    "lock_enrollment_row": (transfer, "lock_enrollment_row", moving_with_an_excuse, ["package", "enrollment"]),
    "lock_place_subject": (purposes, "lock_subject", refunding_a_course, ["payment", "cohort"]),
    "lock_sessions_of_purchase": (
        checkout,
        "lock_sessions_of_purchase",
        buying_for_nothing,
        ["enrollment", "class session"],
    ),
    "_lock_sessions": (cohort_locks, "_lock_sessions", refunding_a_course, ["enrollment", "class session"]),
}


@pytest.mark.unordered_locks  # each of these tests takes a lock away
class TestALockThatKeepsTheOrder:
    @pytest.mark.parametrize("name", CONTROLS)
    def test_is_needed_for_it(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        module, attribute, scenario, turned_round = CONTROLS[name]
        kept, broken = scenario(), scenario()

        with recorded_locks() as with_it:
            kept()
        monkeypatch.setattr(module, attribute, lambda *given, **named: None)
        with recorded_locks() as without_it:
            broken()

        assert with_it.out_of_order() == []
        (names,) = without_it.out_of_order()
        assert [found for found in names if found in turned_round] == turned_round


def paying_for_a_place() -> Callable[[], object]:
    cohort = cohort_with(options=(1,))
    return lambda: buy_on_rows(cohort)


def offered_on_rows() -> WaitlistEntry:
    """Create a place that was offered to the first in line."""
    cohort = cohort_with(options=(1,), max_enrollment=0)
    learner = LearnerFactory(workspace=cohort.instance.workspace)
    join_waitlist(learner_id=learner.pk, cohort_id=cohort.pk, now=utc_now())
    change_capacity(cohort_id=cohort.pk, max_enrollment=1, now=utc_now())
    return WaitlistEntry.objects.get(cohort=cohort, status="offered")


def ending_an_offer() -> Callable[[], object]:
    entry = offered_on_rows()
    return lambda: end_overdue_hold(place_id=entry.place_id, now=entry.offer_expires_at)


def declining_an_offer() -> Callable[[], object]:
    entry = offered_on_rows()
    return lambda: leave_waitlist(learner_id=entry.learner_id, cohort_id=entry.cohort_id, now=utc_now())


class TestWhoeverEndsAHold:
    """By taking the place or by giving it up: one counts the cohort late, so that nobody waits while the rest of a
    purchase is written. Both lock the learner first, so two never wait for each other.
    """

    @pytest.mark.parametrize("scenario", [paying_for_a_place, ending_an_offer, declining_an_offer])
    def test_locks_the_learner_before_anything_else(self, scenario: Scenario) -> None:
        act = scenario()

        with recorded_locks() as recorder:
            act()

        assert recorder.out_of_order() == []
        for names in recorder.transactions:
            assert "place" not in names or names[0] == "learner"

    def test_counts_what_is_paid_for_after_all_that_others_need_not_wait_for(self) -> None:
        act = paying_for_a_place()

        with recorded_locks() as recorder:
            act()

        paid = recorder.transactions[-1]
        assert paid[: paid.index("cohort, late")] == ["learner", "enrollment", "place", "checkout", "payment"]


class TestTheWrittenOrder:
    def test_names_what_is_recorded(self) -> None:
        with recorded_locks() as recorder:
            assert recorder.known_names() | {"household"} == set(written_order())
