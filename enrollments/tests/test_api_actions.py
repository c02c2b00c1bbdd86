"""The actions over HTTP: from every status, each one either leads where the document says or is refused."""

from typing import Any

import pytest

from accounts.models import Workspace
from accounts.tests.factories import WorkspaceFactory
from enrollments.models import Enrollment, EnrollmentTransition, ProgramInstance
from enrollments.states import EligibilityStatus
from events.models import OutboxEvent

from .factories import CandidateFactory, InstanceFactory
from .integrators import Api, fields

pytestmark = pytest.mark.django_db

ACTIONS = ("evaluate", "submit", "approve", "reject", "unenroll", "reconsider")
# (from, action) -> where it leads. Everything else is refused.
ALLOWED = {
    ("candidate", "evaluate"): "eligible",
    ("eligible", "evaluate"): "eligible",
    ("eligible", "submit"): "submitted",
    ("submitted", "approve"): "approved",
    ("submitted", "reject"): "rejected",
    ("approved", "unenroll"): "unenrolled",
    ("ineligible", "reconsider"): "candidate",
    ("rejected", "reconsider"): "candidate",
}
# The status that each action would have led to, as the refusal names it.
TARGET = {
    "evaluate": "eligible",
    "submit": "submitted",
    "approve": "approved",
    "reject": "rejected",
    "unenroll": "unenrolled",
    "reconsider": "candidate",
}


@pytest.fixture
def workspace() -> Workspace:
    return WorkspaceFactory()


@pytest.fixture
def api(workspace: Workspace) -> Api:
    return Api(workspace)


@pytest.fixture
def instance(workspace: Workspace) -> ProgramInstance:
    return InstanceFactory(workspace=workspace, review_mode="manual", price=None, criteria_version=3)


def enrollment_in(status: str, instance: ProgramInstance) -> Enrollment:
    """Return an enrollment with this status that was evaluated by older criteria."""
    participation = {"approved": "active", "unenrolled": "withdrawn"}.get(status, "not_started")
    return CandidateFactory(
        workspace=instance.workspace,
        instance=instance,
        eligibility_status=status,
        participation_status=participation,
        criteria_version=0 if status == "candidate" else 1,
    )


def ask(api: Api, enrollment: Enrollment, action: str, **body: Any) -> Any:
    if action in ("reject", "unenroll"):
        body = {"reason": "Said so"} | body
    return api.post(f"/api/enrollments/{enrollment.cuid}/{action}", body)


class TestFromEachStatus:
    @pytest.mark.parametrize("action", ACTIONS)
    @pytest.mark.parametrize("status", EligibilityStatus.values)
    def test_an_action_leads_where_the_document_says_or_names_both_states(
        self, api: Api, instance: ProgramInstance, status: str, action: str
    ) -> None:
        enrollment = enrollment_in(status, instance)

        response = ask(api, enrollment, action)

        after = Enrollment.objects.get(pk=enrollment.pk)
        if (status, action) in ALLOWED:
            assert response.status_code == 200, response.json()
            assert response.json()["eligibility"]["status"] == ALLOWED[status, action] == after.eligibility_status
        else:
            problem = response.json()
            assert (response.status_code, problem["code"]) == (409, "transition_not_allowed")
            assert (problem["from_status"], problem["to_status"]) == (status, TARGET[action])
            assert status in problem["detail"]
            assert after.eligibility_status == status
            assert not EnrollmentTransition.objects.exists()
            assert not OutboxEvent.objects.exists()


class TestAnAction:
    def test_refuses_if_the_status_is_another_than_expected(self, api: Api, instance: ProgramInstance) -> None:
        enrollment = enrollment_in("submitted", instance)

        response = ask(api, enrollment, "approve", expectedStatus="eligible")

        assert (response.status_code, response.json()["code"]) == (409, "status_moved")
        assert response.json()["status_found"] == "submitted"
        assert Enrollment.objects.get().eligibility_status == "submitted"

    def test_goes_on_if_the_status_is_as_expected(self, api: Api, instance: ProgramInstance) -> None:
        enrollment = enrollment_in("submitted", instance)

        assert ask(api, enrollment, "approve", expectedStatus="submitted").status_code == 200

    @pytest.mark.parametrize("action", ["reject", "unenroll"])
    def test_that_ends_needs_a_reason(self, api: Api, instance: ProgramInstance, action: str) -> None:
        enrollment = enrollment_in("submitted" if action == "reject" else "approved", instance)

        response = ask(api, enrollment, action, reason=" ")

        assert (response.status_code, fields(response)) == (422, ["reason"])
        assert not OutboxEvent.objects.exists()

    def test_keeps_the_metadata_it_brings_beside_what_was_there(self, api: Api, instance: ProgramInstance) -> None:
        enrollment = enrollment_in("approved", instance)
        Enrollment.objects.update(metadata={"inverter": "SE7600H"})

        body = ask(api, enrollment, "unenroll", metadata={"exitReason": "moved"}).json()

        assert body["meta"] == {"inverter": "SE7600H", "exitReason": "moved"}
        assert list(OutboxEvent.objects.order_by("sequence").values_list("type", flat=True)) == [
            "enrollment.updated",
            "enrollment.status_changed",
            "enrollment.status_changed",
        ]

    def test_refuses_metadata_that_grows_past_its_limit(self, api: Api, instance: ProgramInstance) -> None:
        enrollment = enrollment_in("submitted", instance)
        Enrollment.objects.update(metadata={"a": "x" * 9_000})

        response = ask(api, enrollment, "approve", metadata={"b": "x" * 9_000})

        assert (response.status_code, fields(response)) == (422, ["metadata"])
        assert Enrollment.objects.get().eligibility_status == "submitted"

    def test_reconsiders_only_once_the_criteria_moved_on(self, api: Api, instance: ProgramInstance) -> None:
        enrollment = enrollment_in("rejected", instance)
        Enrollment.objects.update(criteria_version=instance.criteria_version)

        response = ask(api, enrollment, "reconsider")

        assert (response.status_code, response.json()["code"]) == (409, "criteria_unchanged")
        assert Enrollment.objects.get().eligibility_status == "rejected"

    def test_may_end_it_on_a_later_day(self, api: Api, instance: ProgramInstance) -> None:
        enrollment = enrollment_in("approved", instance)

        response = ask(api, enrollment, "unenroll", effectiveDate="2099-01-01")

        assert response.json()["eligibility"]["status"] == "approved"
        assert response.json()["exitDate"] == "2099-01-01"
        assert str(enrollment.planned_exits.get().effective_date) == "2099-01-01"

    def test_can_not_end_it_in_the_past(self, api: Api, instance: ProgramInstance) -> None:
        response = ask(api, enrollment_in("approved", instance), "unenroll", effectiveDate="2020-01-01")

        assert (response.status_code, fields(response)) == (422, ["effectiveDate"])

    def test_with_the_same_idempotency_key_is_done_once(self, api: Api, instance: ProgramInstance) -> None:
        enrollment = enrollment_in("submitted", instance)
        address = f"/api/enrollments/{enrollment.cuid}/approve"

        answers = [api.post(address, {}, **{"Idempotency-Key": "once"}) for _ in range(2)]

        assert [answer.status_code for answer in answers] == [200, 200]
        assert answers[0].json() == answers[1].json()
        assert EnrollmentTransition.objects.filter(to_status="approved").count() == 1

    @pytest.mark.parametrize("action", ACTIONS)
    def test_on_another_workspaces_is_not_found(self, api: Api, action: str) -> None:
        theirs = CandidateFactory()

        assert ask(api, theirs, action).status_code == 404
        assert not OutboxEvent.objects.exists()
