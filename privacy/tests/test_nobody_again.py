"""An erased learner stays nobody: whatever names them afterward is refused, and writes nothing about them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.merging import find_by_reference, merge_learners
from accounts.models import Guardian, Lead, Learner, LearnerMerge
from accounts.states import Role
from accounts.tests.factories import LeadFactory, LearnerFactory, bearer
from backoffice.tests.staff_client import StaffClient
from core.clock import utc_now
from core.errors import Invalid, NotFound
from enrollments.imports.reading import Format
from enrollments.models import Enrollment, SeatAssignment
from enrollments.tests.factories import STAFF, CandidateFactory, InstanceFactory, route, seats
from enrollments.tests.importing import counts, import_file, ndjson
from enrollments.tests.integrators import Api
from privacy.tests.erasures import erase

pytestmark = pytest.mark.django_db

NAMES = {"first_name": "Canary", "last_name": "Yellow", "email": "canary@home.test"}


@pytest.fixture
def lead() -> Lead:
    """A lead who became a learner, in a workspace with a free seat; the learner is erased."""
    instance = InstanceFactory()
    seats(instance.workspace, total=1)
    learner = LearnerFactory(workspace=instance.workspace)
    made: Lead = LeadFactory(workspace=instance.workspace, converted_to=learner)
    erase(learner)
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


class TestAMerge:
    @pytest.mark.parametrize("stays", [True, False])
    def test_with_them_is_refused(self, lead: Lead, stays: bool) -> None:
        other = LearnerFactory(workspace=lead.workspace)
        pair = (lead.converted_to_id, other.pk) if stays else (other.pk, lead.converted_to_id)
        with pytest.raises(NotFound, match="was erased"):
            merge_learners(keep_id=pair[0], drop_id=pair[1], actor=STAFF, reason="Twins", now=utc_now())
        with pytest.raises(Invalid, match="No learner"):
            find_by_reference(workspace_id=lead.workspace_id, reference=cuid_of(lead))
        assert not LearnerMerge.objects.exists()


class TestAnImport:
    def test_refuses_the_line_about_them_alone(self, lead: Lead) -> None:
        instance = InstanceFactory(workspace=lead.workspace, is_default=False)
        lines = [{"customerId": cuid_of(lead)}, {"customerId": LearnerFactory(workspace=lead.workspace).cuid}]

        job = import_file(instance, ndjson(*lines), Format.JSON_LINES)

        assert (job.status, counts(job)) == ("completed", {"imported": 1, "failed": 1})


class TestAnEnrollmentOfSomebodyErased:
    def test_gets_no_details(self) -> None:
        enrollment = CandidateFactory(eligibility_status="unenrolled", participation_status="withdrawn")
        erase(enrollment.learner)

        answer = Api(enrollment.workspace).patch(f"/api/enrollments/{enrollment.cuid}", {"phone": "+14155550123"})

        enrollment.refresh_from_db()
        assert (answer.status_code, answer.json()["detail"]) == (404, "The learner of this enrollment was erased.")
        assert enrollment.phone == ""

    def test_hands_its_seat_to_nobody_erased(self) -> None:
        instance = InstanceFactory()
        allocation = seats(instance.workspace, total=1)
        held = SeatAssignment.objects.get(enrollment=route(instance.workspace).decision.enrollment)
        other = LearnerFactory(workspace=instance.workspace)
        erase(other)

        answer = Api(instance.workspace).post(
            f"/api/seats/{held.pk}/reassign", {"reason": "Moved away", "learner_id": other.cuid}
        )

        allocation.refresh_from_db()
        assert answer.status_code in (404, 422)
        assert allocation.used_seats == 1


def cuid_of(lead: Lead) -> str:
    assert lead.converted_to is not None
    return lead.converted_to.cuid
