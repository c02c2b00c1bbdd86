"""The holes in counting a district's seats: each shown closed, and open once its guard is removed."""

import contextlib
import datetime as dt
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.db.models import F

from accounts.models import Workspace
from core.clock import utc_now
from core.errors import Unavailable
from enrollments.errors import AllocationBelowUse
from enrollments.models import DistrictSeatAllocation, Enrollment, SeatAssignment
from enrollments.routing import decide as deciding
from enrollments.routing import offer as supply
from enrollments.routing import route as routing
from enrollments.routing.offer import find_district_seat
from enrollments.seats import SeatCounts, update_allocation
from enrollments.states import SeatStatus
from enrollments.tests.factories import STAFF, InstanceFactory, route, seats
from operations.doctor import examine
from tests.constraints import without_constraints
from tests.processes import Failure, Meeting, at_once

from .router_rows import NOTHING, written

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.race
class TestCheckingBeforeCounting:
    """Hole: two requests see the same last seat free, and both count it."""

    def two_for_one_seat(self, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
        monkeypatch.setattr(deciding, "find_district_seat", Meeting(find_district_seat, patience=2))
        instance = InstanceFactory(price=None)
        seats(instance.workspace, total=1)
        emails = ("a@school.test", "b@school.test")
        return at_once(*[partial(self.status, instance.workspace, email) for email in emails])

    def status(self, workspace: Workspace, email: str) -> str:
        return str(route(workspace, email=email).decision.status)

    def test_gives_the_last_seat_to_one_of_two_who_saw_it_free(self, monkeypatch: pytest.MonkeyPatch) -> None:
        answers = self.two_for_one_seat(monkeypatch)

        assert sorted(answer.kind if isinstance(answer, Failure) else answer for answer in answers) == [
            "NotForSale",
            "completed",
        ]
        assert DistrictSeatAllocation.objects.get().used_seats == SeatAssignment.objects.count() == 1

    def test_without_the_conditional_update_would_oversell(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def count(*, allocation_id: int, as_status: SeatStatus, now: dt.datetime, today: dt.date) -> SeatCounts:
            DistrictSeatAllocation.objects.filter(pk=allocation_id).update(used_seats=F("used_seats") + 1)
            return SeatCounts(total=1, reserved=0, used=1)

        monkeypatch.setattr(deciding, "take_seat", count)
        with without_constraints((DistrictSeatAllocation, "allocation_never_oversold")):
            answers = self.two_for_one_seat(monkeypatch)

            assert answers == ["completed", "completed"]
            assert "enrollments.no_allocation_is_oversold" in examine()


class TestASeatWithoutItsDecision:
    """Hole: the seat is committed first, and the following steps may fail."""

    @pytest.fixture(autouse=True)
    def _failing_decision(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: Any) -> None:
            raise RuntimeError("the disk is full")

        monkeypatch.setattr(deciding, "decision_made", fail)

    def test_is_never_committed(self) -> None:
        instance = InstanceFactory()
        allocation = seats(instance.workspace, total=1)

        with pytest.raises(RuntimeError):
            route(instance.workspace)

        allocation.refresh_from_db()
        assert allocation.available_seats == 1
        assert written() == NOTHING

    def test_without_the_one_transaction_would_stay(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(routing, "transaction", SimpleNamespace(atomic=contextlib.nullcontext))
        instance = InstanceFactory()
        seats(instance.workspace, total=1)

        with pytest.raises(RuntimeError):
            route(instance.workspace)

        assert written()["seats"] == 1
        assert "enrollments.seats_are_published_as_they_are" in examine()


class TestALearnerWithManySeats:
    """Hole: every request of the same learner takes another seat."""

    GUARDS = (Enrollment, "enrollment_one_current"), (SeatAssignment, "seat_one_held_per_learner")

    def test_gets_one_however_often_they_ask(self) -> None:
        instance = InstanceFactory()
        allocation = seats(instance.workspace, total=5)

        decisions = {route(instance.workspace).decision.pk for _ in range(3)}

        allocation.refresh_from_db()
        assert len(decisions) == allocation.used_seats == 1

    def test_is_refused_by_the_database_when_nobody_looks(self, nobody_looks: None) -> None:
        instance = InstanceFactory()
        allocation = seats(instance.workspace, total=5)
        route(instance.workspace)

        with pytest.raises(Unavailable):
            route(instance.workspace)

        allocation.refresh_from_db()
        assert allocation.used_seats == 1

    @pytest.mark.race
    def test_without_looking_and_without_the_constraints_would_be_possible(self, nobody_looks: None) -> None:
        with without_constraints(*self.GUARDS):
            instance = InstanceFactory()
            allocation = seats(instance.workspace, total=5)

            decisions = {route(instance.workspace).decision.pk for _ in range(3)}

            allocation.refresh_from_db()
            assert len(decisions) == allocation.used_seats == 3
            assert "enrollments.one_held_seat_per_learner_and_allocation" in examine()

    @pytest.fixture
    def nobody_looks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(deciding, "current_enrollment", lambda **_: None)
        monkeypatch.setattr(supply, "_allocations_held", lambda learner_id: set())


class TestATotalBelowUse:
    """Hole: a district's total can be set below the number of taken seats."""

    def test_is_refused_and_changes_nothing(self) -> None:
        allocation = self.one_taken()

        with pytest.raises(AllocationBelowUse):
            update_allocation(allocation_id=allocation.pk, total_seats=0, actor=STAFF, now=utc_now())

        allocation.refresh_from_db()
        assert (allocation.total_seats, allocation.used_seats) == (5, 1)

    def test_is_refused_by_the_database_when_nobody_compares(self) -> None:
        self.one_taken()

        with pytest.raises(IntegrityError, match="allocation_never_oversold"), transaction.atomic():
            DistrictSeatAllocation.objects.update(total_seats=0)

    @pytest.mark.race
    def test_without_comparing_and_without_the_constraint_would_be_possible(self) -> None:
        with without_constraints((DistrictSeatAllocation, "allocation_never_oversold")):
            self.one_taken()

            DistrictSeatAllocation.objects.update(total_seats=0)

            assert "enrollments.no_allocation_is_oversold" in examine()

    def one_taken(self) -> DistrictSeatAllocation:
        instance = InstanceFactory()
        allocation = seats(instance.workspace, total=5)
        route(instance.workspace)
        return allocation
