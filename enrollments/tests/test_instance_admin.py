import pytest
from django.urls import reverse

from accounts.states import Role
from backoffice.tests.staff_client import StaffClient, as_shown
from enrollments.eligibility.criteria import CriterionDraft
from enrollments.tests.factories import InstanceFactory

pytestmark = pytest.mark.django_db

NOBODY = CriterionDraft("Nobody", "email == ''", "Nobody takes part")


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


class TestProgramForm:
    @pytest.mark.parametrize("is_default", [True, False])
    def test_switches_no_program_off_that_has_the_default_instance(self, is_default: bool) -> None:
        program = InstanceFactory(is_default=is_default).program
        manager = StaffClient(workspace=program.workspace, role=Role.ADMIN)
        page = reverse("admin:enrollments_program_change", args=[program.pk])
        form, _ = as_shown(manager, page)
        del form["active"]

        answer = manager.post(page, form)

        program.refresh_from_db()
        assert program.active is is_default
        if is_default:
            told = answer.context["adminform"].form.errors["active"]
            assert told == ["One of its instances is the default: make another the default first."]
