"""The page of a district: its clock, its contact, and its tenant id."""

from typing import Any

import pytest
from django.urls import reverse

from accounts.states import Role
from backoffice.tests.staff_client import StaffClient, as_shown
from core.clock import utc_now
from enrollments.models import District

from .factories import DistrictFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def district() -> District:
    made: District = DistrictFactory(
        name="Cedar",
        tenant_id=7,
        contact_email="seats@cedar.test",
        contact_stopped_at=utc_now(),
        workspace__timezone="America/Denver",
    )
    return made


def page(district: District) -> str:
    return reverse("admin:enrollments_district_change", args=[district.pk])


def save(district: District, role: Role = Role.ADMIN, **changes: Any) -> District:
    client = StaffClient(workspace=district.workspace, role=role)
    sent, _ = as_shown(client, page(district))
    client.post(page(district), sent | changes)
    return District.objects.get(pk=district.pk)


class TestADistrict:
    @pytest.mark.parametrize(("own", "shown"), [("", "America/Denver"), ("Asia/Tokyo", "Asia/Tokyo")])
    def test_is_listed_with_its_own_clock_or_else_its_workspace_s(
        self, district: District, own: str, shown: str
    ) -> None:
        District.objects.update(timezone=own)

        listed = StaffClient(workspace=district.workspace, role=Role.VIEWER).get(
            reverse("admin:enrollments_district_changelist")
        )

        assert [listed.context["cl"].model_admin.zone(row) for row in listed.context["cl"].result_list] == [shown]
        assert shown in listed.content.decode()

    def test_with_a_new_contact_is_mailed_again(self, district: District) -> None:
        saved = save(district, contact_email="other@cedar.test")

        assert (saved.contact_email, saved.contact_stopped_at) == ("other@cedar.test", None)

    def test_whose_contact_stays_is_mailed_as_little_as_before(self, district: District) -> None:
        saved = save(district, name="Cedar Unified")

        assert (saved.name, saved.contact_stopped_at) == ("Cedar Unified", district.contact_stopped_at)

    def test_keeps_its_tenant_id(self, district: District) -> None:
        assert save(district, tenant_id=8, name="Cedar Unified").tenant_id == 7

    def test_gets_its_tenant_id_when_it_is_added(self, district: District) -> None:
        client = StaffClient(workspace=district.workspace, role=Role.ADMIN)
        added = {"workspace": district.workspace_id, "name": "Elm", "tenant_id": 8, "contact_language": "en"}

        client.post(reverse("admin:enrollments_district_add"), added)

        assert District.objects.get(name="Elm").tenant_id == 8

    def test_is_changed_by_nobody_without_the_power(self, district: District) -> None:
        client = StaffClient(workspace=district.workspace, role=Role.REVIEWER)

        client.post(page(district), {"name": "Elm", "contact_email": ""})

        assert District.objects.get().name == "Cedar"
