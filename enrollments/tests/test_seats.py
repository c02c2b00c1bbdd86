import contextlib
import datetime as dt

import pytest
from django.db import IntegrityError, transaction

from accounts.tests.factories import WorkspaceFactory
from core.clock import utc_now
from core.errors import Invalid, NotFound
from enrollments.errors import AllocationBelowUse, AllocationExists, NotForSale, SeatsExhausted
from enrollments.models import District, DistrictSeatAllocation
from enrollments.seats import create_allocation, take_seat, update_allocation
from enrollments.states import SeatStatus
from enrollments.tests.factories import STAFF, InstanceFactory, route, seats

pytestmark = pytest.mark.django_db


class TestTakingASeat:
    def test_counts_it_and_tells_what_is_left(self) -> None:
        allocation = seats(WorkspaceFactory(), total=2)

        counts = take_seat(allocation_id=allocation.pk, as_status=SeatStatus.RESERVED, now=utc_now())

        assert (counts.total, counts.reserved, counts.used, counts.available) == (2, 1, 0, 1)

    def test_counts_an_approved_learner_as_used_at_once(self) -> None:
        allocation = seats(WorkspaceFactory(), total=2)

        counts = take_seat(allocation_id=allocation.pk, as_status=SeatStatus.USED, now=utc_now())

        assert (counts.reserved, counts.used) == (0, 1)

    def test_is_refused_when_none_is_left(self) -> None:
        allocation = seats(WorkspaceFactory(), total=1)
        take_seat(allocation_id=allocation.pk, as_status=SeatStatus.RESERVED, now=utc_now())

        with pytest.raises(SeatsExhausted) as refusal:
            take_seat(allocation_id=allocation.pk, as_status=SeatStatus.RESERVED, now=utc_now())

        allocation.refresh_from_db()
        assert refusal.value.allocation_id == allocation.pk
        assert (allocation.reserved_seats, allocation.used_seats) == (1, 0)

    @pytest.mark.sqlite
    def test_is_refused_when_the_allocation_is_switched_off(self) -> None:
        allocation = seats(WorkspaceFactory(), total=1)
        update_allocation(allocation_id=allocation.pk, is_active=False, actor=STAFF, now=utc_now())

        with pytest.raises(SeatsExhausted):
            take_seat(allocation_id=allocation.pk, as_status=SeatStatus.RESERVED, now=utc_now())

    @pytest.mark.parametrize(
        ("valid_from", "valid_until", "taken"),
        [
            (dt.date(2026, 9, 1), dt.date(2026, 9, 30), True),
            (dt.date(2026, 9, 15), dt.date(2026, 9, 15), True),
            (dt.date(2026, 9, 16), None, False),
            (None, dt.date(2026, 9, 14), False),
        ],
    )
    def test_respects_the_days_it_is_valid(
        self, valid_from: dt.date | None, valid_until: dt.date | None, taken: bool
    ) -> None:
        allocation = seats(WorkspaceFactory(), total=1, valid_from=valid_from, valid_until=valid_until)
        now = dt.datetime(2026, 9, 15, 12, tzinfo=dt.UTC)

        with contextlib.suppress(SeatsExhausted):
            take_seat(allocation_id=allocation.pk, as_status=SeatStatus.RESERVED, now=now)

        allocation.refresh_from_db()
        assert allocation.reserved_seats == int(taken)

    @pytest.mark.sqlite
    @pytest.mark.parametrize(
        ("zone", "own_zone"), [("Pacific/Honolulu", ""), ("Pacific/Kiritimati", "Pacific/Honolulu")]
    )
    def test_is_to_be_had_until_the_last_day_ends_where_the_district_is(self, zone: str, own_zone: str) -> None:
        workspace = WorkspaceFactory(timezone=zone)
        allocation = seats(workspace, total=2, valid_from=dt.date(2026, 9, 15), valid_until=dt.date(2026, 9, 15))
        District.objects.update(timezone=own_zone)
        InstanceFactory(workspace=workspace, price=None)
        minute = dt.timedelta(minutes=1)
        begins, ends = dt.datetime(2026, 9, 15, 10, tzinfo=dt.UTC), dt.datetime(2026, 9, 16, 10, tzinfo=dt.UTC)

        seated = []
        for moment in (begins - minute, begins, ends - minute, ends):
            with contextlib.suppress(NotForSale):
                routed = route(workspace, email=f"at-{moment:%d%H%M}@school.test", now=moment)
                seated.append((moment, routed.decision.provision_source))

        allocation.refresh_from_db()
        assert seated == [(begins, "district"), (ends - minute, "district")]
        assert allocation.reserved_seats + allocation.used_seats == 2

    def test_past_the_total_is_impossible_even_without_the_guard(self) -> None:
        allocation = seats(WorkspaceFactory(), total=1)

        with pytest.raises(IntegrityError, match="allocation_never_oversold"), transaction.atomic():
            DistrictSeatAllocation.objects.filter(pk=allocation.pk).update(reserved_seats=1, used_seats=1)


class TestGivingADistrictSeats:
    def test_makes_the_district_when_it_is_new(self) -> None:
        workspace = WorkspaceFactory()

        allocation = create_allocation(
            workspace_id=workspace.pk, tenant_id=7, total_seats=50, name="Riverside Unified", now=utc_now()
        )

        assert allocation.district.name == "Riverside Unified"
        assert allocation.available_seats == 50

    def test_twice_for_all_programs_is_refused(self) -> None:
        workspace = WorkspaceFactory()
        seats(workspace, total=5)

        with pytest.raises(AllocationExists):
            seats(workspace, total=9)

        assert list(DistrictSeatAllocation.objects.values_list("total_seats", flat=True)) == [5]

    def test_for_one_program_besides_the_general_ones_is_possible(self) -> None:
        instance = InstanceFactory()
        seats(instance.workspace, total=5)

        special = seats(instance.workspace, total=2, instance_id=instance.pk)

        assert special.instance_id == instance.pk
        assert District.objects.count() == 1

    def test_for_a_program_of_another_workspace_is_refused(self) -> None:
        foreign = InstanceFactory()
        workspace = WorkspaceFactory()

        with pytest.raises(NotFound):
            seats(workspace, total=2, instance_id=foreign.pk)

        assert District.objects.filter(workspace=workspace).count() == 0

    @pytest.mark.sqlite
    @pytest.mark.parametrize("total", [-1, 10_000_001])
    def test_refuses_a_total_that_makes_no_sense(self, total: int) -> None:
        workspace = WorkspaceFactory()

        with pytest.raises(Invalid) as refusal:
            seats(workspace, total=total)

        assert refusal.value.errors[0].field == "total_seats"
        assert DistrictSeatAllocation.objects.count() == 0


class TestChangingAnAllocation:
    def test_up_and_down_to_what_is_in_use_is_possible(self) -> None:
        instance = InstanceFactory()
        allocation = seats(instance.workspace, total=5)
        route(instance.workspace)

        changed = update_allocation(allocation_id=allocation.pk, total_seats=1, actor=STAFF, now=utc_now())

        assert (changed.total_seats, changed.used_seats, changed.available_seats) == (1, 1, 0)

    def test_below_what_is_in_use_is_refused_and_changes_nothing(self) -> None:
        instance = InstanceFactory()
        allocation = seats(instance.workspace, total=5)
        route(instance.workspace)

        with pytest.raises(AllocationBelowUse, match="can't go below 1"):
            update_allocation(allocation_id=allocation.pk, total_seats=0, is_active=False, actor=STAFF, now=utc_now())

        allocation.refresh_from_db()
        assert (allocation.total_seats, allocation.is_active) == (5, True)
