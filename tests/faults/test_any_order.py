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
from enrollments.states import EligibilityStatus, ReviewMode

from .any_order import NOT_THE_SECOND, AnyOrder

pytestmark = [
    pytest.mark.race,
    pytest.mark.walk,
    pytest.mark.django_db,
    pytest.mark.unordered_locks,  # an example is one transaction; `AnyOrder` checks each step
]

EXAMPLES = int(os.environ.get("STATEFUL_EXAMPLES", "10"))
STEPS = int(os.environ.get("STATEFUL_STEPS", "20"))
PART = 25  # examples of one test: processes share the work, and after some time Hypothesis varies what it has had
EXAMPLES_OF_PARTS = [min(PART, EXAMPLES - begun) for begun in range(0, EXAMPLES, PART)]
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


def each_step(machine: AnyOrder) -> None:
    """Take each step in a situation in which it is not refused."""
    machine.resize_an_allocation(3)
    machine.ask_for_a_seat(3)
    machine.release_a_seat(0)
    machine.transfer_a_seat(0, to_other=False)
    _fifth, fourth, course, second, first = range(5)
    machine.review(first, is_approved=True)
    machine.ask_about_an_idle_seat(0, is_kept=True)
    machine.ask_about_an_idle_seat(0, is_kept=False)
    machine.ask_for_a_refund(1, 100)
    machine.hold_an_answer(second, EligibilityStatus.APPROVED)
    machine.undo_an_answer(0)
    machine.hold_an_answer(second, EligibilityStatus.REJECTED)
    machine.carry_answers_out()
    machine.hear_of_a_refund(0, "succeeded")
    machine.review(fourth, is_approved=False)
    machine.change_the_criteria([NOT_THE_SECOND])
    machine.reconsider(1)
    machine.pay_in_cash(0)
    machine.reverse_cash(0, is_returned=False)
    machine.book(0, 0)
    machine.cancel_a_booking(0)
    machine.hear_of_a_dispute(0, "needs_response")
    machine.end(course)


class TestWhateverHappensInWhateverOrder:
    @pytest.mark.parametrize("examples", EXAMPLES_OF_PARTS, ids=range(len(EXAMPLES_OF_PARTS)))
    def test_leaves_the_doctor_with_nothing_to_find(self, examples: int) -> None:
        run(examples=examples, steps=STEPS)

    def test_carries_out_each_use_case(self) -> None:
        """Control: a step that is always refused would show nothing."""
        AnyOrder.carried_out.clear()
        machine = AnyOrder()
        try:
            machine.found(ReviewMode.MANUAL, is_busy=True)
            each_step(machine)
            machine.the_doctor_finds_nothing()

            assert set(AnyOrder.carried_out) == USE_CASES
        finally:
            machine.teardown()

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
