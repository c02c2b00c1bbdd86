"""Enrollments over HTTP, one at a time: read, change, history."""

import pytest

from accounts.models import Workspace
from accounts.tests.factories import LeadFactory, WorkspaceFactory
from core.clock import utc_now
from enrollments.lifecycle import evaluate_enrollment
from enrollments.models import Enrollment, EnrollmentLabel
from events.models import OutboxEvent

from .factories import STAFF, CandidateFactory
from .integrators import Api, fields

pytestmark = pytest.mark.django_db


@pytest.fixture
def workspace() -> Workspace:
    return WorkspaceFactory()


@pytest.fixture
def api(workspace: Workspace) -> Api:
    return Api(workspace)


@pytest.fixture
def enrollment(workspace: Workspace) -> Enrollment:
    return CandidateFactory(workspace=workspace)


class TestAnEnrollment:
    def test_is_read_with_and_without_a_slash(self, api: Api, enrollment: Enrollment) -> None:
        answers = [api.get(f"/api/enrollments/{enrollment.cuid}{slash}") for slash in ("", "/")]

        assert [answer.status_code for answer in answers] == [200, 200]
        assert answers[0].json() == answers[1].json()
        assert answers[0].json()["id"] == enrollment.cuid

    def test_about_a_lead_shows_the_leads_names(self, api: Api, workspace: Workspace) -> None:
        lead = LeadFactory(workspace=workspace, first_name="", last_name="Lovelace", email="")
        enrollment = CandidateFactory(workspace=workspace, learner=None, lead=lead)

        body = api.get(f"/api/enrollments/{enrollment.cuid}").json()

        assert (body["firstName"], body["lastName"], body["email"]) == (None, "Lovelace", None)

    @pytest.mark.parametrize("method", ["get", "patch", "delete"])
    def test_of_another_workspace_or_deleted_is_not_found(self, api: Api, workspace: Workspace, method: str) -> None:
        theirs = CandidateFactory()
        deleted = CandidateFactory(workspace=workspace, deleted_at=utc_now())
        body = [{"tags": ["x"]}] if method == "patch" else []

        answers = [
            getattr(api, method)(f"/api/enrollments/{each.cuid}", *body).status_code for each in (theirs, deleted)
        ]

        assert answers == [404, 404]
        assert not OutboxEvent.objects.exists()

    @pytest.mark.sqlite
    def test_does_not_stand_in_the_way_of_the_routers_numbers(self, api: Api, enrollment: Enrollment) -> None:
        answer = api.get(f"/api/enrollments/{enrollment.pk}")

        assert (answer.status_code, answer.json()["detail"]) == (
            404,
            f"There is no decision {enrollment.pk} in this workspace.",
        )


class TestChanging:
    def test_tells_which_fields_changed_and_no_value(self, api: Api, enrollment: Enrollment) -> None:
        response = api.patch(
            f"/api/enrollments/{enrollment.cuid}", {"phone": "+1 415 555 0123", "tags": ["vip"], "serialNumber": ""}
        )

        assert (response.json()["phone"], response.json()["tags"]) == ("+14155550123", ["vip"])
        event = OutboxEvent.objects.get()
        assert event.type == "enrollment.updated"
        assert event.payload == {
            "enrollmentId": enrollment.cuid,
            "programInstanceId": enrollment.instance.cuid,
            "changed": ["phone", "tags"],
        }

    def test_nothing_publishes_nothing(self, api: Api, enrollment: Enrollment) -> None:
        Enrollment.objects.update(tags=["vip"])
        before = Enrollment.objects.get().updated_at

        response = api.patch(f"/api/enrollments/{enrollment.cuid}", {"tags": ["vip"]})

        assert response.status_code == 200
        assert Enrollment.objects.get().updated_at == before
        assert not OutboxEvent.objects.exists()

    def test_tags_changes_by_which_of_them_it_is_found(self, api: Api, enrollment: Enrollment) -> None:
        address = f"/api/enrollments/{enrollment.cuid}"
        api.patch(address, {"tags": ["a", "b"], "manufacturerSlugs": ["tesla"]})

        api.patch(address, {"tags": ["b", "c"]})

        assert set(EnrollmentLabel.objects.values_list("kind", "value")) == {
            ("tag", "b"),
            ("tag", "c"),
            ("manufacturer", "tesla"),
        }

    def test_metadata_is_merged_and_null_removes_a_key(self, api: Api, enrollment: Enrollment) -> None:
        Enrollment.objects.update(metadata={"answers": {"q": 1}, "old": 1, "kept": None})

        body = api.patch(f"/api/enrollments/{enrollment.cuid}", {"metadata": {"old": None, "new": [1]}}).json()

        assert body["meta"] == {"answers": {"q": 1}, "kept": None, "new": [1]}

    def test_metadata_never_grows_past_its_limit(self, api: Api, enrollment: Enrollment) -> None:
        address = f"/api/enrollments/{enrollment.cuid}"
        api.patch(address, {"metadata": {"a": "x" * 9_000}})

        response = api.patch(address, {"metadata": {"b": "x" * 9_000}})

        assert (response.status_code, fields(response)) == (422, ["metadata"])
        assert set(Enrollment.objects.get().metadata) == {"a"}

    def test_null_takes_a_value_away(self, api: Api, enrollment: Enrollment) -> None:
        Enrollment.objects.update(phone="+14155550123", address={"city": "Oslo"}, reference_id="R", tags=["a"])

        body = api.patch(
            f"/api/enrollments/{enrollment.cuid}", {"phone": None, "address": None, "referenceId": None, "tags": None}
        ).json()

        assert (body["phone"], body["address"], body["referenceId"], body["tags"]) == (None, None, None, [])

    def test_leaves_status_and_person_alone(self, api: Api, enrollment: Enrollment) -> None:
        before = api.get(f"/api/enrollments/{enrollment.cuid}").json()

        after = api.patch(
            f"/api/enrollments/{enrollment.cuid}",
            {"eligibility": {"status": "approved"}, "paymentStatus": "paid", "firstName": "Eve", "customerId": "x"},
        ).json()

        assert after == before


class TestDeleting:
    def test_is_answered_with_204_and_then_nobody_finds_it(self, api: Api, enrollment: Enrollment) -> None:
        address = f"/api/enrollments/{enrollment.cuid}"

        answers = [api.delete(address).status_code, api.get(address).status_code, api.delete(address).status_code]

        assert answers == [204, 404, 404]
        listed = api.get(f"/api/programInstances/{enrollment.instance.cuid}/enrollments").json()
        assert (listed["data"], listed["totalItems"]) == ([], 0)
        assert Enrollment.objects.get().deleted_at is not None


class TestTheHistory:
    def test_has_transitions_and_verdicts_with_what_each_criterion_said(self, api: Api, workspace: Workspace) -> None:
        program = api.post("/api/programs", {"code": "solar", "title": "Solar"}).json()
        criteria = [
            {"name": "Here", "expression": 'address.country == "USA"', "otherwise": "Outside service area"},
        ]
        instance = api.post(
            "/api/programInstances", {"programCode": program["code"], "name": "2027", "criteria": criteria}
        ).json()
        created = api.post(
            f"/api/programInstances/{instance['id']}/enrollments",
            {
                "identificationType": "customerInfo",
                "firstName": "Suzie",
                "lastName": "Homeowner",
                "email": "suzie@example.com",
                "address": {"country": "CA"},
            },
        ).json()

        evaluated = api.post(f"/api/enrollments/{created['id']}/evaluate", {}).json()
        history = api.get(f"/api/enrollments/{created['id']}/history").json()

        actor = f"key:{workspace.api_keys.get().pk}"
        assert evaluated["eligibility"]["status"] == "ineligible"
        assert evaluated["eligibility"]["reason"] == "Outside service area"
        assert [each.pop("at") is not None for each in history["transitions"]] == [True]
        assert history["transitions"] == [
            {
                "number": 1,
                "facet": "eligibility",
                "fromStatus": "candidate",
                "toStatus": "ineligible",
                "reason": "Outside service area",
                "actor": actor,
            }
        ]
        (verdict,) = history["verdicts"]
        assert (verdict["outcome"], verdict["criteriaVersion"], verdict["actor"]) == ("ineligible", 2, actor)
        (answer,) = verdict["answers"]
        assert (answer["name"], answer["answer"], answer["reason"]) == ("Here", False, "Outside service area")
        assert answer["inputs"] == {"address.country": "CAN"}

    @pytest.mark.sqlite
    def test_keeps_notes_for_colleagues_to_colleagues(self, api: Api, enrollment: Enrollment) -> None:
        evaluate_enrollment(enrollment_id=enrollment.pk, actor=STAFF, note="Looks fine to me", now=utc_now())

        assert "Looks fine" not in api.get(f"/api/enrollments/{enrollment.cuid}/history").content.decode()
