"""Seats that staff transfer, while the router gives others and reviewers decide."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import transaction
from django.db.models import F

from core.clock import utc_now
from enrollments import locks
from enrollments.allocations import holders
from enrollments.allocations.holders import transfer_seat
from enrollments.lifecycle import approve_enrollment
from enrollments.locks import lock_allocation, lock_enrollment
from enrollments.models import DistrictSeatAllocation, SeatAssignment
from enrollments.seats import update_allocation
from enrollments.states import ReviewMode
from enrollments.tests.factories import STAFF, InstanceFactory, route, seats
from operations.doctor import examine
from tests.constraints import without_constraints
from tests.processes import Failure, Meeting, at_once

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]


class TestTheLastSeatOfAnAllocation:
    def two_transfers(self, *, and_a_request: bool) -> tuple[DistrictSeatAllocation, list[Any]]:
        instance = InstanceFactory(price=None)
        source = seats(instance.workspace, total=2, term="First")
        held = [route(instance.workspace, email=f"{name}@school.test").decision.seat for name in ("ana", "ben")]
        target = seats(instance.workspace, total=1, term="Second")
        update_allocation(allocation_id=source.pk, is_active=False, actor=STAFF, now=utc_now())
        calls: list[Callable[[], bool]] = [
            partial(lambda seat: bool(transfer_seat(seat_id=seat.pk, allocation_id=target.pk, now=utc_now())), seat)
            for seat in held
        ]
        if and_a_request:
            calls.append(lambda: bool(route(instance.workspace, email="cleo@school.test").decision.seat))
        answers = at_once(*calls)
        target.refresh_from_db()
        return target, answers

    def test_goes_to_one_of_them(self) -> None:
        target, answers = self.two_transfers(and_a_request=True)

        refused = {answer.kind for answer in answers if isinstance(answer, Failure)}
        assert answers.count(True) == target.used_seats == 1
        assert refused <= {"SeatsUnsuited", "SeatsExhausted", "NotForSale"}
        assert examine() == {}

    def test_without_locks_and_the_condition_would_be_given_twice(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def count(*, allocation_id: int, **_: Any) -> None:
            DistrictSeatAllocation.objects.filter(pk=allocation_id).update(used_seats=F("used_seats") + 1)

        monkeypatch.setattr(holders, "lock_rows", lambda *_: None)
        monkeypatch.setattr(holders, "why_unsuited", Meeting(holders.why_unsuited))
        monkeypatch.setattr(holders, "take_seat", count)
        with without_constraints((DistrictSeatAllocation, "allocation_never_oversold")):
            target, _ = self.two_transfers(and_a_request=False)  # which could otherwise get the seat before they meet

            assert target.used_seats == 2
            assert "enrollments.no_allocation_is_oversold" in examine()


class TestASeatThatIsTransferredDuringAnApproval:
    """The approval has locked the seat's former allocation, and meets somebody who waits for the enrollment behind the
    seat's present allocation.
    """

    def approve_while_it_is_transferred(self, monkeypatch: pytest.MonkeyPatch) -> tuple[list[Any], SeatAssignment]:
        instance = InstanceFactory(price=None, review_mode=ReviewMode.MANUAL)
        first = seats(instance.workspace, total=1, term="First")
        seat = route(instance.workspace, email="ana@school.test").decision.seat
        assert seat is not None
        second = seats(instance.workspace, total=1, term="Second")
        moved = transfer_seat(seat_id=seat.pk, allocation_id=second.pk, now=utc_now())
        monkeypatch.setattr(locks, "lock_allocation_of", lambda _: lock_allocation(first.pk).pk)  # looked too early
        meet = Meeting(lambda: None)

        def lock_late(enrollment_id: int) -> Any:
            enrollment = lock_enrollment(enrollment_id)
            meet()
            return enrollment

        @transaction.atomic
        def wait_for_the_enrollment() -> bool:
            lock_allocation(second.pk)
            meet()
            return bool(lock_enrollment(moved.enrollment_id))

        def approve() -> bool:
            monkeypatch.setattr(locks, "lock_enrollment", lock_late)
            return bool(approve_enrollment(enrollment_id=moved.enrollment_id, actor=STAFF, now=utc_now()))

        return at_once(approve, wait_for_the_enrollment), moved

    def test_makes_the_approval_fail_so_that_it_can_be_repeated(self, monkeypatch: pytest.MonkeyPatch) -> None:
        (refused, went_on), seat = self.approve_while_it_is_transferred(monkeypatch)

        assert (refused.kind, went_on) == ("OperationalError", True)
        assert "could not obtain lock" in refused.message
        monkeypatch.undo()
        approve_enrollment(enrollment_id=seat.enrollment_id, actor=STAFF, now=utc_now())
        assert examine() == {}

    def test_when_it_waits_is_a_deadlock(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: each waits for what the other has locked, until PostgreSQL ends one of them."""
        monkeypatch.setattr(
            locks, "lock_allocations_out_of_order", lambda *given: [lock_allocation(pk) for pk in given]
        )

        answers, _ = self.approve_while_it_is_transferred(monkeypatch)

        (ended,) = [answer for answer in answers if isinstance(answer, Failure)]
        assert "deadlock detected" in ended.message
