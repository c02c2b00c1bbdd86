from typing import Any

import pytest
from django.urls import reverse

from accounts.states import Role
from backoffice.tests.staff_client import StaffClient
from core.clock import utc_now
from enrollments.admin.programs import InstanceForm
from enrollments.eligibility.criteria import CriterionDraft, change_criteria
from enrollments.programs import make_default
from enrollments.tests.factories import STAFF, InstanceFactory

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

    def test_keeps_what_others_change_while_it_is_saved(self, monkeypatch: pytest.MonkeyPatch) -> None:
        instance = InstanceFactory(is_default=False, price=None)
        manager = StaffClient(workspace=instance.workspace, role=Role.ADMIN)
        clean = InstanceForm.clean

        def clean_while_others_work(form: InstanceForm) -> dict[str, Any]:
            change_criteria(instance_id=instance.pk, drafts=[NOBODY], actor=STAFF, now=utc_now())
            make_default(instance_id=instance.pk)
            return clean(form)

        monkeypatch.setattr(InstanceForm, "clean", clean_while_others_work)
        response = manager.post(
            reverse("admin:enrollments_programinstance_change", args=[instance.pk]),
            {"program": instance.program_id, "name": "Summer term", "review_mode": "manual", "active": "on"}
            | {"questions-TOTAL_FORMS": 0, "questions-INITIAL_FORMS": 0},
        )

        instance.refresh_from_db()
        assert response.status_code == 302
        assert (instance.name, instance.criteria_version, instance.is_default) == ("Summer term", 2, True)
