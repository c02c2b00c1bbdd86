import pytest
from django.urls import reverse

from accounts.states import Role
from backoffice.tests.staff_client import StaffClient
from enrollments.tests.factories import InstanceFactory

pytestmark = pytest.mark.django_db


class TestProgramInstanceForm:
    def test_refuses_an_end_before_the_start(self) -> None:
        instance = InstanceFactory()
        manager = StaffClient(workspace=instance.workspace, role=Role.ADMIN)

        response = manager.post(
            reverse("admin:enrollments_programinstance_change", args=[instance.pk]),
            {
                "program": instance.program_id,
                "name": "Backwards",
                "review_mode": "manual",
                "start_date": "2026-09-01",
                "end_date": "2026-08-01",
                "active": "on",
            },
        )

        assert list(response.context["adminform"].form.errors) == ["end_date"]
        instance.refresh_from_db()
        assert instance.name != "Backwards"
