"""Changing seats, canceling a payment page, or undoing an import does exactly what staff were told beforehand."""

from types import SimpleNamespace
from typing import Any

import pytest

from accounts.tests.factories import WorkspaceFactory
from core.clock import utc_now
from core.errors import DomainError
from core.money import Money
from enrollments.admin.allocation_forms import foresee_seats_added, foresee_total
from enrollments.admin.bulk_previews import foresee_transfers
from enrollments.admin.imports import foresee_undo
from enrollments.allocations.holders import transfer_seat
from enrollments.errors import AllocationBelowUse, UndoTooLate
from enrollments.imports.job import undo_import
from enrollments.models import DistrictSeatAllocation, Enrollment, SeatAssignment
from enrollments.seats import create_allocation, update_allocation

from .factories import STAFF, DistrictFactory, InstanceFactory, route, seats
from .importing import csv_of, import_file, work_on

pytestmark = pytest.mark.django_db


def answers(**given: Any) -> Any:
    return SimpleNamespace(cleaned_data=given)


class TestATotal:
    def test_leaves_the_seats_that_it_said(self) -> None:
        workspace = WorkspaceFactory()
        InstanceFactory(workspace=workspace)
        allocation = seats(workspace, total=3)
        for name in ("a", "b"):
            route(workspace, email=f"{name}@school.test")
        allocation.refresh_from_db()

        told = foresee_total(allocation, answers(total_seats=10, is_active=False)).sentences
        with pytest.raises(AllocationBelowUse):
            foresee_total(allocation, answers(total_seats=1, is_active=True))
        changed = update_allocation(
            allocation_id=allocation.pk, total_seats=10, is_active=False, actor=STAFF, now=utc_now()
        )

        assert told == (
            f"{allocation}: 10 seats instead of 3; 2 held and {changed.available_seats} left.",
            "No more seats are taken, until it is active again. Whoever holds one keeps it.",
        )

    def test_of_new_seats_is_told_with_their_price_and_those_that_are_left(self) -> None:
        district = DistrictFactory(name="Cedar")
        seats(district.workspace, total=4, tenant_id=district.tenant_id, term="Fall")
        asked = {"valid_from": None, "valid_until": None, "district": district, "instance": None, "total_seats": 12}
        form: Any = SimpleNamespace(cleaned_data=asked, price_of_seat=lambda: Money(2500, "usd"))

        told = foresee_seats_added(None, form).sentences
        create_allocation(
            workspace_id=district.workspace_id, tenant_id=district.tenant_id, total_seats=12, now=utc_now()
        )

        assert told == (
            "Cedar gets 12 seats for any program.",
            "Of the seats that it has already, 4 are left.",
            "At 25.00 USD a seat that is 300.00 USD.",
        )
        assert sum(each.available_seats for each in DistrictSeatAllocation.objects.all()) == 4 + 12

    def test_that_stays_and_is_active_is_told_without_a_warning(self) -> None:
        allocation = seats(WorkspaceFactory(), total=1)

        assert foresee_total(allocation, answers(total_seats=1, is_active=True)).sentences == (
            f"{allocation}: 1 seat, as before; 0 held and 1 left.",
        )

    def test_of_the_first_seat_is_told_without_those_of_others_or_switched_off_and_without_a_price(self) -> None:
        district = DistrictFactory(name="Cedar")
        off = seats(district.workspace, total=4, tenant_id=district.tenant_id)
        update_allocation(allocation_id=off.pk, is_active=False, actor=STAFF, now=utc_now())
        seats(district.workspace, total=7, tenant_id=DistrictFactory(workspace=district.workspace).tenant_id)
        instance = InstanceFactory(workspace=district.workspace)
        asked = {"valid_from": None, "valid_until": None, "district": district, "instance": instance, "total_seats": 1}
        form: Any = SimpleNamespace(cleaned_data=asked, price_of_seat=lambda: None)

        assert foresee_seats_added(None, form).sentences == (f"Cedar gets 1 seat for {instance}.",)


class TestTransfers:
    def test_move_as_many_as_was_said_and_leave_the_others_for_the_reason_that_was_said(self) -> None:
        workspace = WorkspaceFactory()
        InstanceFactory(workspace=workspace)
        seats(workspace, total=3, term="First")
        for name in ("a", "b", "c"):
            route(workspace, email=f"{name}@school.test")
        target = seats(workspace, total=2, term="Second")
        held = list(SeatAssignment.objects.order_by("pk").select_related("allocation__district", "enrollment"))

        told = foresee_transfers(held, answers(allocation=target))
        for seat in held[:2]:
            transfer_seat(seat_id=seat.pk, allocation_id=target.pk, now=utc_now())
        with pytest.raises(DomainError) as refusal:
            transfer_seat(seat_id=held[2].pk, allocation_id=target.pk, now=utc_now())

        assert told.sentences == (
            f"{target} has 0 seats left then.",
            f"{held[0].allocation} has 2 seats left then.",
        )
        assert told.refused == ("All of those seats are taken.",)
        assert refusal.value.detail == told.refused[0]
        assert sorted(each.available_seats for each in DistrictSeatAllocation.objects.all()) == [0, 2]


class TestUndoing:
    def test_deletes_and_changes_back_what_it_said(self) -> None:
        instance = InstanceFactory()
        import_file(instance, csv_of(2))
        job = import_file(instance, csv_of(3, age=19), on_duplicate="update")

        told = foresee_undo(job, answers()).sentences
        undo_import(job_id=job.pk, actor=STAFF, now=utc_now())
        job = work_on(job)

        assert told == ("Enrollments that are deleted: 1.", "Enrollments that are changed back: 2.")
        assert (job.counts["undone"], Enrollment.objects.current().count()) == (3, 2)

    def test_says_first_that_something_was_decided_since(self) -> None:
        job = import_file(InstanceFactory(), csv_of(1))
        Enrollment.objects.update(updated_at=utc_now())

        with pytest.raises(UndoTooLate):
            foresee_undo(job, answers())
