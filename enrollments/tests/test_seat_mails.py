"""What staff read about seats that run out or lie idle."""

import datetime as dt
from typing import Any

import pytest

from accounts.models import Membership, Workspace
from accounts.states import Role
from accounts.tests.factories import StaffFactory, WorkspaceFactory
from core.clock import utc_now
from enrollments.allocations.usage import write_about_seats
from enrollments.models import DistrictSeatAllocation
from enrollments.seats import update_allocation
from enrollments.tests.factories import STAFF, InstanceFactory, route, seats
from notifications.models import Notification
from notifications.sending import send_due_notifications

pytestmark = pytest.mark.django_db

LATER = dt.timedelta(days=31)


@pytest.fixture
def workspace() -> Workspace:
    made: Workspace = WorkspaceFactory(name="Riverside Academy")
    for role in (Role.OWNER, Role.ADMIN, Role.REVIEWER):
        Membership.objects.create(workspace=made, user=StaffFactory(email=f"{role}@staff.test"), role=role)
    InstanceFactory(workspace=made)
    return made


def take(workspace: Workspace, number: int) -> None:
    for one in range(number):
        route(workspace, email=f"{one}@school.test")


def keys() -> list[str]:
    rows = Notification.objects.filter(kind__startswith="seats_", recipient="owner@staff.test").order_by("id")
    return [key.partition("/")[2] for key in rows.values_list("subject_key", flat=True)]


class TestSeatsThatRunOut:
    @pytest.mark.sqlite
    @pytest.mark.parametrize(("taken", "told"), [(2, []), (3, ["4/75"]), (4, ["4/100"])])
    def test_are_told_of_at_their_highest_threshold(self, workspace: Workspace, taken: int, told: list[str]) -> None:
        seats(workspace, total=4)
        take(workspace, taken)

        write_about_seats(now=utc_now())

        assert keys() == told

    def test_are_told_of_once_and_again_after_a_change_of_the_total(self, workspace: Workspace) -> None:
        allocation = seats(workspace, total=4)
        take(workspace, 3)

        written = [write_about_seats(now=utc_now()) for _ in range(2)]
        update_allocation(allocation_id=allocation.pk, total_seats=3, actor=STAFF, now=utc_now())
        written.append(write_about_seats(now=utc_now()))

        assert written == [2, 0, 2]
        assert keys() == ["4/75", "3/100"]

    def test_are_told_of_to_those_who_manage_them(self, workspace: Workspace, mailoutbox: list[Any]) -> None:
        Membership.objects.filter(role=Role.OWNER).delete()
        seats(workspace, total=1, term="Fall 2026")
        take(workspace, 1)

        write_about_seats(now=utc_now())
        send_due_notifications(now=utc_now())

        (message,) = [each for each in mailoutbox if "seats" in each.subject]
        assert message.to == ["admin@staff.test"]
        assert message.subject == "1 of 1 seats are taken: District 1, any program, Fall 2026"
        assert "/admin/enrollments/districtseatallocation/" in message.body

    def test_are_told_of_no_more_once_some_are_free_again(self, workspace: Workspace, mailoutbox: list[Any]) -> None:
        allocation = seats(workspace, total=1)
        take(workspace, 1)

        write_about_seats(now=utc_now())
        update_allocation(allocation_id=allocation.pk, total_seats=9, actor=STAFF, now=utc_now())
        send_due_notifications(now=utc_now())

        assert [message for message in mailoutbox if "seats" in message.subject] == []


class TestSeatsThatLieIdle:
    @pytest.mark.sqlite
    def test_are_told_of_after_thirty_days(self, workspace: Workspace) -> None:
        now = utc_now()
        seats(workspace, total=4)

        write_about_seats(now=now)
        write_about_seats(now=now + LATER)

        assert keys() == ["4/idle"]

    def test_are_not_idle_while_they_are_taken_or_have_not_begun(self, workspace: Workspace) -> None:
        now = utc_now()
        seats(workspace, total=4)
        seats(workspace, total=4, tenant_id=2, valid_from=(now + LATER).date())
        seats(workspace, total=4, tenant_id=3)
        DistrictSeatAllocation.objects.filter(district__tenant_id=3).update(is_active=False)
        route(workspace, email="last@school.test", now=now + LATER)

        write_about_seats(now=now + LATER)

        assert keys() == []
