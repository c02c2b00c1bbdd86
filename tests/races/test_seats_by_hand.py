"""The last seat of an allocation, wanted by transfers and by the router at once."""

from functools import partial
from typing import Any

import pytest
from django.db.models import F

from core.clock import utc_now
from enrollment_project.doctor import examine
from enrollments.allocations import holders
from enrollments.allocations.holders import transfer_seat
from enrollments.models import DistrictSeatAllocation
from enrollments.seats import update_allocation
from enrollments.tests.factories import STAFF, InstanceFactory, route, seats
from tests.constraints import without_constraints
from tests.processes import Failure, Meeting, at_once

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]


class TestTheLastSeatOfAnAllocation:
    def two_transfers_and_a_request(self) -> tuple[DistrictSeatAllocation, list[Any]]:
        instance = InstanceFactory(price=None)
        source = seats(instance.workspace, total=2, term="First")
        held = [route(instance.workspace, email=f"{name}@school.test").decision.seat for name in ("ana", "ben")]
        target = seats(instance.workspace, total=1, term="Second")
        update_allocation(allocation_id=source.pk, is_active=False, actor=STAFF, now=utc_now())
        moves = [
            partial(lambda seat: bool(transfer_seat(seat_id=seat.pk, allocation_id=target.pk, now=utc_now())), seat)
            for seat in held
        ]
        answers = at_once(*moves, lambda: bool(route(instance.workspace, email="cleo@school.test").decision.seat))
        target.refresh_from_db()
        return target, answers

    def test_goes_to_one_of_them(self) -> None:
        target, answers = self.two_transfers_and_a_request()

        refused = {answer.kind for answer in answers if isinstance(answer, Failure)}
        assert answers.count(True) == target.used_seats == 1
        assert refused <= {"SeatsUnsuited", "SeatsExhausted", "NotForSale"}
        assert examine() == {}

    def test_without_locks_and_the_condition_would_be_given_twice(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def count(*, allocation_id: int, **_: Any) -> None:
            DistrictSeatAllocation.objects.filter(pk=allocation_id).update(used_seats=F("used_seats") + 1)

        monkeypatch.setattr(holders, "lock_rows", lambda *_: None)
        monkeypatch.setattr(holders, "why_unsuited", Meeting(holders.why_unsuited, patience=3))
        monkeypatch.setattr(holders, "take_seat", count)
        with without_constraints((DistrictSeatAllocation, "allocation_never_oversold")):
            target, _ = self.two_transfers_and_a_request()

            assert target.used_seats > 1
            assert "enrollments.no_allocation_is_oversold" in examine()
