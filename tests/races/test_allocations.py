"""A district's total changed while its seats are being taken."""

from functools import partial

import pytest

from core.clock import utc_now
from enrollments.errors import AllocationBelowUse, NotForSale
from enrollments.models import DistrictSeatAllocation
from enrollments.seats import update_allocation
from enrollments.tests.factories import STAFF, InstanceFactory, route, seats
from operations.doctor import examine
from tests.constraints import without_constraints
from tests.processes import Meeting, at_once

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

TAKERS = 6
EACH = 15


class TestReducingATotalWhileSeatsAreTaken:
    def test_never_goes_below_what_is_in_use(self) -> None:
        instance = InstanceFactory(price=None)
        allocation = seats(instance.workspace, total=100)

        def take(taker: int) -> int:
            taken = 0
            for n in range(EACH):
                try:
                    route(instance.workspace, email=f"{taker}-{n}@school.test")
                    taken += 1
                except NotForSale:
                    pass
            return taken

        def reduce() -> int:
            """Remove one seat at a time until it is refused; return the last total that was accepted."""
            total = 100
            while True:
                try:
                    total = update_allocation(
                        allocation_id=allocation.pk, total_seats=total - 1, actor=STAFF, now=utc_now()
                    ).total_seats
                except AllocationBelowUse:
                    return total

        *taken, total = at_once(*[partial(take, taker) for taker in range(TAKERS)], reduce)

        allocation.refresh_from_db()
        assert allocation.total_seats == total
        assert allocation.used_seats == sum(taken) == total
        assert examine() == {}

    def test_checked_before_the_update_would_go_below_what_is_in_use(self) -> None:
        """Control: look, then write, without the constraint; a seat is taken in between."""

        def look_then_write() -> None:
            used = DistrictSeatAllocation.objects.get().used_seats
            looked()
            taken()
            assert used <= 0
            DistrictSeatAllocation.objects.update(total_seats=0)

        def take() -> None:
            looked()
            route(instance.workspace)
            taken()

        looked, taken = (Meeting(lambda: None) for _ in range(2))
        with without_constraints((DistrictSeatAllocation, "allocation_never_oversold")):
            instance = InstanceFactory(price=None)
            allocation = seats(instance.workspace, total=5)

            at_once(look_then_write, take)

            allocation.refresh_from_db()
            assert (allocation.total_seats, allocation.used_seats) == (0, 1)
            assert "enrollments.no_allocation_is_oversold" in examine()
