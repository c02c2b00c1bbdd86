"""An erased learner stays nobody: whatever names them afterward is refused, and writes nothing about them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Guardian, Lead, Learner
from accounts.states import Role
from accounts.tests.factories import LeadFactory, LearnerFactory, bearer
from backoffice.tests.staff_client import StaffClient
from core.clock import utc_now
from enrollments.models import Enrollment
from enrollments.tests.factories import STAFF, InstanceFactory, seats
from privacy.erasing import erase_learner
from privacy.states import ErasureReason

pytestmark = pytest.mark.django_db

NAMES = {"first_name": "Canary", "last_name": "Yellow", "email": "canary@home.test"}


@pytest.fixture
def lead() -> Lead:
    """A lead who became a learner, in a workspace with a free seat; the learner is erased."""
    instance = InstanceFactory()
    seats(instance.workspace, total=1)
    learner = LearnerFactory(workspace=instance.workspace)
    made: Lead = LeadFactory(workspace=instance.workspace, converted_to=learner)
    erase_learner(
        workspace_id=learner.workspace_id,
        learner_cuid=learner.cuid,
        reason=ErasureReason.ASKED,
        actor=STAFF,
        now=utc_now(),
    )
    return made


def ask(lead: Lead, method: str, path: str, body: dict[str, Any]) -> tuple[int, str]:
    headers = bearer(workspace=lead.workspace) | {"Idempotency-Key": "again"}
    answer = Client().generic(method, path, json.dumps(body), content_type="application/json", headers=headers)
    told = answer.json()
    return answer.status_code, " ".join(error["field"] for error in told.get("errors", ())) or told["detail"]


class TestAnErasedLearner:
    @pytest.fixture(autouse=True)
    def _stays_as_erased(self, lead: Lead) -> Iterator[None]:
        learner = Learner.objects.get()
        rows = (Learner.objects.filter(pk=learner.pk), Lead.objects.filter(pk=lead.pk))
        before = [found.values().get() for found in rows]
        yield
        assert [found.values().get() for found in rows] == before
        assert not Enrollment.objects.exists()
        assert not Guardian.objects.exists()

    def test_takes_no_seat(self, lead: Lead) -> None:
        profile = {**NAMES, "learner_id": cuid_of(lead), "school": "Canary School"}
        asked = {"learner_profile": profile, "context": {"tenant_id": 1, "source": "district_portal"}}

        assert ask(lead, "POST", "/api/enroll", asked) == (404, "This learner was erased.")

    def test_begins_no_program(self, lead: Lead) -> None:
        by_id = {"identificationType": "customerId", "customerId": cuid_of(lead)}
        by_lead = {"identificationType": "leadId", "leadId": lead.cuid}
        path = f"/api/programInstances/{InstanceFactory(workspace=lead.workspace, is_default=False).cuid}/enrollments"

        assert ask(lead, "POST", path, by_id) == (422, "customerId")
        assert ask(lead, "POST", path, by_lead) == (404, "This learner was erased.")

    def test_gets_no_name(self, lead: Lead) -> None:
        named = {"firstName": "Canary"}

        assert ask(lead, "PATCH", f"/api/learners/{cuid_of(lead)}", named)[0] == 404
        assert ask(lead, "PATCH", f"/api/leads/{lead.cuid}", named) == (404, "This learner was erased.")

    def test_gets_no_name_from_staff(self, lead: Lead) -> None:
        manager = StaffClient(workspace=lead.workspace, role=Role.ADMIN)
        assert lead.converted_to is not None

        answers = [
            manager.post(reverse(f"admin:accounts_{row._meta.model_name}_change", args=[row.pk]), NAMES).status_code
            for row in (lead, lead.converted_to)
        ]

        assert answers == [403, 403]

    def test_gets_no_guardian(self, lead: Lead) -> None:
        asked = {"email": "parent@home.test", "learnerIds": [cuid_of(lead)]}

        assert ask(lead, "POST", "/api/guardians", asked) == (422, "learnerIds[0]")


def cuid_of(lead: Lead) -> str:
    assert lead.converted_to is not None
    return lead.converted_to.cuid
