"""Seats, places, money, and reviews in any order, with a look at the locks and by the doctor at each step. `make
stateful` runs it longer.
"""

import datetime as dt
import os
from typing import Any
from unittest.mock import patch

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from accounts.models import Learner
from enrollments import funding
from enrollments.models import Enrollment, SeatAssignment
from enrollments.states import ReviewMode

from .any_order import AnyOrder

pytestmark = [
    pytest.mark.race,
    pytest.mark.walk,
    pytest.mark.django_db,
    pytest.mark.unordered_locks,  # an example is one transaction; `AnyOrder` checks each step
]

EXAMPLES = int(os.environ.get("STATEFUL_EXAMPLES", "10"))
STEPS = int(os.environ.get("STATEFUL_STEPS", "20"))
PART = 125  # examples of one test, so that processes share the work
EXAMPLES_OF_PARTS = [min(PART, EXAMPLES - begun) for begun in range(0, EXAMPLES, PART)]
ENOUGH = 6000  # steps in which each use case is carried out several times
USE_CASES = {
    *("route", "release_holder", "transfer_seat", "update_allocation", "keep_seat", "reclaim_seat"),
    *("approve_enrollment", "reject_enrollment", "reconsider_enrollment", "unenroll_enrollment"),
    *("change_criteria", "hold_review", "undo_review", "carry_out_due_reviews"),
    *("record_session", "request_refund", "record_refunds", "record_dispute"),
    *("pay_offline", "reverse_offline_payment", "reserve", "book_sessions", "cancel_booking"),
}


def run(*, examples: int, steps: int) -> None:
    run_state_machine_as_test(
        AnyOrder,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            report_multiple_bugs=False,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


class TestWhateverHappensInWhateverOrder:
    @pytest.mark.parametrize("examples", EXAMPLES_OF_PARTS, ids=range(len(EXAMPLES_OF_PARTS)))
    def test_leaves_the_doctor_with_nothing_to_find(self, examples: int) -> None:
        AnyOrder.carried_out.clear()

        run(examples=examples, steps=STEPS)

        if examples * STEPS >= ENOUGH:
            assert set(AnyOrder.carried_out) == USE_CASES

    def test_a_seat_that_is_not_counted_back_is_found(self) -> None:
        """Control: the row of the seat is released, but the counter is not."""

        def release(*, seat: SeatAssignment, **_: Any) -> None:
            SeatAssignment.objects.filter(pk=seat.pk).update(status="released", released_at=seat.reserved_at)

        machine = AnyOrder()
        machine.found(ReviewMode.AUTOMATIC, is_busy=False)
        machine.ask_for_a_seat(1)
        machine.the_doctor_finds_nothing()
        try:
            with patch.object(funding, "release_seat", release):
                machine.release_a_seat(0)

            with pytest.raises(AssertionError, match="enrollments"):
                machine.the_doctor_finds_nothing()
        finally:
            machine.teardown()

    def test_a_step_that_locks_in_a_different_order_is_found(self) -> None:
        def lock(*, now: dt.datetime) -> None:
            with transaction.atomic():
                for model in (Enrollment, Learner):
                    list(model.objects.select_for_update())

        machine = AnyOrder()
        try:
            machine.found(ReviewMode.MANUAL, is_busy=False)
            with pytest.raises(AssertionError, match="'enrollment', 'learner'"):
                machine.attempt(lock)
        finally:
            machine.teardown()

    def test_what_only_time_breaks_is_found_at_the_end(self) -> None:
        machine = AnyOrder()
        machine.found(ReviewMode.MANUAL, is_busy=False)
        machine.ask_a_parent(1, voucher="", with_seat=False)
        machine.the_doctor_finds_nothing()
        machine.now += dt.timedelta(days=30)
        machine.the_doctor_finds_nothing()

        with pytest.raises(AssertionError, match="live_checkouts_are_asked_about"):
            machine.teardown()
