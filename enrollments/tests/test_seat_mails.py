"""The mails to staff about seats that run out or are idle."""

import datetime as dt
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from accounts.models import Membership, Workspace
from accounts.states import Role
from accounts.tests.factories import StaffFactory, WorkspaceFactory
from core.clock import utc_now
from enrollments.allocations.contact import stop_url
from enrollments.allocations.usage import write_about_seats
from enrollments.models import District, DistrictSeatAllocation, IdleSeat, SeatAssignment
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


class TestTheDistrictsContact:
    @pytest.fixture
    def allocation(self, workspace: Workspace) -> DistrictSeatAllocation:
        made = seats(workspace, total=4)
        District.objects.update(contact_email="seats@district.test", contact_language="es")
        return made

    def sent(self, mailoutbox: list[Any]) -> list[Any]:
        write_about_seats(now=utc_now())
        send_due_notifications(now=utc_now())
        return [each for each in mailoutbox if each.to == ["seats@district.test"]]

    def test_reads_once_of_a_threshold_in_their_language(
        self, workspace: Workspace, allocation: DistrictSeatAllocation, mailoutbox: list[Any]
    ) -> None:
        take(workspace, 3)

        (message,) = [self.sent(mailoutbox), self.sent(mailoutbox)][1]

        assert message.subject == "3 de 4 cupos están ocupados: District 1, cualquier programa"
        assert "/admin/" not in message.body
        assert "/districts/emails/" in message.extra_headers["List-Unsubscribe"]

    def test_stops_the_mails_and_has_them_again(
        self, workspace: Workspace, allocation: DistrictSeatAllocation, mailoutbox: list[Any]
    ) -> None:
        page = stop_url(District.objects.get()).removeprefix(settings.PUBLIC_URL)
        take(workspace, 3)

        looked = Client().get(page, follow=True)
        Client().post(page)
        stopped = self.sent(mailoutbox)
        Client().post(page, {"do": "resume"})

        assert (looked.status_code, stopped) == (200, [])
        assert len(self.sent(mailoutbox)) == 1
        District.objects.update(contact_email="other@district.test")
        assert Client().get(page).status_code == 404

    def test_reads_on_the_next_day_what_was_taken_back(
        self, workspace: Workspace, allocation: DistrictSeatAllocation, mailoutbox: list[Any]
    ) -> None:
        take(workspace, 1)
        yesterday = utc_now() - dt.timedelta(days=1)
        times = dict.fromkeys(("idle_since", "asked_at", "due_at", "settled_at"), yesterday)
        IdleSeat.objects.create(seat=SeatAssignment.objects.get(), status="reclaimed", **times)

        (message,) = self.sent(mailoutbox)

        assert "Recuperados: 1. De ellos, los tienen otros niños: 0." in message.body
        assert Notification.objects.filter(kind="seats_reclaimed").count() == 2
