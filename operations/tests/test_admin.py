"""The page on which staff see what is broken, and repair it."""

import pytest
from django.urls import reverse

from accounts.states import Role
from accounts.tests.factories import MembershipFactory, StaffFactory
from backoffice.models import AuditEntry
from core.clock import utc_now
from enrollments.models import DistrictSeatAllocation
from enrollments.tests.factories import InstanceFactory, route, seats
from operations.examining import examine_all
from operations.models import Examination, Finding

pytestmark = pytest.mark.django_db

LIST = reverse("admin:operations_finding_changelist")


@pytest.fixture
def allocation(db):
    """Return an allocation that has lost count of the seat it gave away."""
    workspace = InstanceFactory().workspace
    allocation = seats(workspace, total=5)
    route(workspace, email="ana@school.test")
    DistrictSeatAllocation.objects.filter(pk=allocation.pk).update(used_seats=0)
    return allocation


@pytest.fixture
def operator(client):
    client.force_login(StaffFactory(is_superuser=True))
    return client


def page_of(finding):
    return reverse("admin:operations_finding_change", args=[finding.pk])


class TestTheDoctorsPage:
    def test_examines_when_asked_and_lists_what_it_found(self, operator, allocation):
        response = operator.post(reverse("admin:operations_finding_examine"), {}, follow=True)

        text = response.content.decode()
        assert "Breaches found: 1." in text
        assert f"seat allocation {allocation.pk}" in text
        assert Examination.objects.get().broken == {"enrollments.seat_counters_equal_their_holders": 1}

    def test_says_who_is_wronged_and_what_to_do(self, operator, allocation):
        examine_all(now=utc_now())
        finding = Finding.objects.get()

        text = operator.get(page_of(finding)).content.decode()

        assert "counts 0 reserved and 0 used seats; 0 and 1 are held" in text
        assert reverse("admin:enrollments_districtseatallocation_change", args=[allocation.pk]) in text
        assert "sets the two counters to the seats that are held" in text

    def test_repairs_a_row_after_saying_what_it_will_do(self, operator, allocation):
        examine_all(now=utc_now())
        finding = Finding.objects.get()
        button = reverse("admin:operations_finding_repair_row", args=[finding.pk])

        asked = operator.post(button, {}).content.decode()
        response = operator.post(button, {"_confirm": "yes"}, follow=True)

        assert "Sets the allocation&#x27;s two counters to the seats that are held." in asked
        assert "is in order now." in response.content.decode()
        allocation.refresh_from_db()
        finding.refresh_from_db()
        assert (allocation.used_seats, finding.gone_at is not None) == (1, True)
        assert AuditEntry.objects.filter(model="operations.finding", action="Repair").exists()

    def test_is_for_those_who_run_the_platform(self, client, allocation):
        client.force_login(MembershipFactory(role=Role.OWNER).user)

        assert client.get(LIST).status_code == 403
