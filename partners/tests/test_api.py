"""Partners and the steps of enrollments over HTTP."""

from typing import Any

import pytest

from accounts.models import Workspace
from accounts.tests.factories import WorkspaceFactory
from core.actors import SYSTEM
from core.clock import utc_now
from enrollments.tests.integrators import Api, fields
from partners.acceptance import record_refusal
from partners.models import EnrollmentStep, Provider

from .factories import ProviderFactory, accept, approved, complete, statuses, steps_of

pytestmark = pytest.mark.django_db

NEW = {"slug": "northside", "name": "Northside", "baseUrl": "https://lms.example.test/api", "apiKey": "key of theirs"}


@pytest.fixture
def workspace() -> Workspace:
    return WorkspaceFactory()


@pytest.fixture
def api(workspace: Workspace) -> Api:
    return Api(workspace)


class TestAPartner:
    def test_is_added_and_its_secret_told_once(self, api: Api, workspace: Workspace) -> None:
        response = api.post("/api/partners", NEW)

        provider = Provider.objects.get()
        assert (response.status_code, provider.workspace, provider.api_key) == (201, workspace, "key of theirs")
        assert response.json()["webhookSecret"] == provider.webhook_secret
        shown = api.get("/api/partners/northside/").json()
        assert "webhookSecret" not in shown
        assert "key of theirs" not in str(shown)
        assert (shown["hasApiKey"], shown["adapter"], shown["pausedAt"]) == (True, "rest", None)

    def test_added_twice_by_one_key_is_one(self, api: Api) -> None:
        first = api.post("/api/partners", NEW, **{"Idempotency-Key": "a"})
        second = api.post("/api/partners", NEW, **{"Idempotency-Key": "a"})

        assert (first.status_code, second.status_code) == (201, 201)
        assert Provider.objects.count() == 1
        assert "whsec_" not in second.content.decode()

    @pytest.mark.parametrize(
        ("wrong", "field"),
        [
            ({"baseUrl": ""}, "baseUrl"),
            ({"baseUrl": "ftp://lms.example.test"}, "baseUrl"),
            ({"stuckAfterDays": 0}, "stuckAfterDays"),
            ({"timeoutSeconds": 61}, "timeoutSeconds"),
            ({"contactEmail": "nobody"}, "contactEmail"),
            ({"slug": "north side"}, "slug"),
            ({"slug": "pipeline"}, "slug"),
            ({"name": ""}, "name"),
        ],
    )
    def test_that_is_not_acceptable_is_refused_by_field(self, api: Api, wrong: dict[str, Any], field: str) -> None:
        response = api.post("/api/partners", NEW | wrong)

        assert (response.status_code, fields(response)) == (422, [field])
        assert not Provider.objects.exists()

    def test_has_the_names_of_its_own_json(self, api: Api) -> None:
        names = {"answer": {"launchUrl": "links.start"}, "words": {"eventCompleted": ["done"]}}

        response = api.post("/api/partners", NEW | {"fieldMap": names})

        assert response.status_code == 201, response.content
        assert Provider.objects.get().field_map == names
        shown = api.get("/api/partners/northside/").json()["fieldMap"]
        assert (shown["answer"]["launchUrl"], shown["answer"]["id"]) == ("links.start", "id")
        assert (shown["words"]["eventCompleted"], shown["lookup"]["enrollment"]) == (["done"], "")

        changed = api.patch("/api/partners/northside", {"fieldMap": shown | {"answer": {"id": "number"}}})

        assert changed.status_code == 200, changed.content
        assert Provider.objects.get().field_map == {"answer": {"id": "number"}, "words": {"eventCompleted": ["done"]}}
        assert api.patch("/api/partners/northside", {"fieldMap": {}}).status_code == 200
        assert Provider.objects.get().field_map == {}

    @pytest.mark.parametrize(
        ("wrong", "field"),
        [
            ([], "fieldMap"),
            (None, "fieldMap"),
            ("map", "fieldMap"),
            ({"answers": {}}, "fieldMap.answers"),
            ({"answer": None}, "fieldMap.answer"),
            ({"answer": {"launchURL": "x"}}, "fieldMap.answer.launchURL"),
            ({"answer": {"launchUrl": 7}}, "fieldMap.answer.launchUrl"),
            ({"answer": {"launchUrl": {"a": {"b": [1]}}}}, "fieldMap.answer.launchUrl"),
            ({"answer": {"launchUrl": "a b"}}, "fieldMap.answer.launchUrl"),
            ({"answer": {"launchUrl": "x" * 100_000}}, "fieldMap.answer.launchUrl"),
            ({"answer": {"id": ""}}, "fieldMap.answer.id"),
            ({"request": {"email": "reference"}}, "fieldMap.request.email"),
            ({"words": {"eventCompleted": []}}, "fieldMap.words.eventCompleted"),
            ({"words": {"eventCompleted": ["a", "b,c"]}}, "fieldMap.words.eventCompleted[1]"),
            ({"words": {"eventCompleted": ["progress.updated"]}}, "fieldMap.words.eventCompleted"),
        ],
        ids=lambda wrong: str(wrong)[:50],
    )
    def test_whose_map_does_not_hold_is_refused_by_the_place_in_it(self, api: Api, wrong: object, field: str) -> None:
        response = api.post("/api/partners", NEW | {"fieldMap": wrong})

        assert (response.status_code, fields(response)) == (422, [field])
        assert not Provider.objects.exists()

    def test_with_the_slug_of_any_other_is_refused(self, api: Api) -> None:
        ProviderFactory(slug="northside")

        response = api.post("/api/partners", NEW)

        assert (response.status_code, response.json()["code"]) == (409, "partner_slug_taken")
        assert Provider.objects.count() == 1

    def test_is_changed_where_something_is_sent(self, api: Api, workspace: Workspace) -> None:
        ProviderFactory(workspace=workspace, slug="northside", name="Northside")

        response = api.patch("/api/partners/northside", {"stuckAfterDays": 3})

        assert response.status_code == 200
        assert (response.json()["name"], response.json()["stuckAfterDays"]) == ("Northside", 3)
        assert Provider.objects.get().api_key == "key-of-the-partner"

    def test_is_paused_and_resumed(self, api: Api, workspace: Workspace) -> None:
        ProviderFactory(workspace=workspace, slug="northside")

        paused = api.post("/api/partners/northside/pause", {}).json()["pausedAt"]
        again = api.post("/api/partners/northside/pause", {}).json()["pausedAt"]
        resumed = api.post("/api/partners/northside/resume", {}).json()["pausedAt"]

        assert paused is not None
        assert (again, resumed) == (paused, None)

    @pytest.mark.sqlite
    def test_gets_another_secret_while_the_one_before_holds(self, api: Api, workspace: Workspace) -> None:
        ProviderFactory(workspace=workspace, slug="northside", webhook_secret="whsec_b2xk")

        response = api.post("/api/partners/northside/rotate-secret", {})

        provider = Provider.objects.get()
        assert response.json() == {"webhookSecret": provider.webhook_secret}
        assert provider.previous_webhook_secret == "whsec_b2xk"

    @pytest.mark.sqlite
    def test_is_listed_in_its_own_workspace_only(self, api: Api, workspace: Workspace) -> None:
        ProviderFactory(workspace=workspace, slug="ours")
        ProviderFactory(slug="theirs")

        assert [row["slug"] for row in api.get("/api/partners").json()["data"]] == ["ours"]


class TestTheStepsOfAnEnrollment:
    def test_are_shown_in_their_order_with_queued_as_pending(self) -> None:
        enrollment = approved(steps=2)
        step = accept(steps_of(enrollment)[0])
        other = approved()

        ours = Api(enrollment.workspace).get(f"/api/enrollments/{enrollment.cuid}/steps").json()
        theirs = Api(other.workspace).get(f"/api/enrollments/{other.cuid}/steps").json()

        assert [row["status"] for row in ours] == ["in_progress", "pending"]
        assert (ours[0]["id"], ours[0]["sequenceOrder"], ours[0]["courseId"]) == (step.cuid, 1, "course-1")
        assert (ours[0]["externalEnrollmentId"], ours[0]["launchUrl"]) == (f"their-{step.pk}", step.launch_url)
        assert [row["status"] for row in theirs] == ["pending", "pending"]

    def test_of_another_workspace_are_not_found(self) -> None:
        enrollment = approved()

        response = Api(WorkspaceFactory()).get(f"/api/enrollments/{enrollment.cuid}/steps")

        assert response.status_code == 404

    @pytest.mark.parametrize(
        ("action", "body", "becomes"),
        [
            ("retry", {"reason": "It exists now"}, "pending"),
            ("skip", {"reason": "Knows it"}, "skipped"),
            ("complete", {"reason": "They are down", "evidence": "Certificate 12"}, "completed"),
        ],
    )
    def test_that_failed_are_tried_again_skipped_or_completed(
        self, action: str, body: dict[str, str], becomes: str
    ) -> None:
        step = self.failed()

        response = self.act(step, action, body)

        assert (response.status_code, response.json()["status"]) == (200, becomes)
        assert step.transitions.get(from_status="failed").reason == body["reason"]

    def test_are_reassigned_to_another_course_and_the_answer_is_the_new_one(self) -> None:
        step = self.failed()
        other = ProviderFactory(workspace=step.enrollment.workspace)

        response = self.act(step, "reassign", {"reason": "Closed", "partner": other.slug, "courseId": "algebra"})

        shown = response.json()
        assert (response.status_code, shown["partner"], shown["courseId"]) == (200, other.slug, "algebra")
        assert (shown["sequenceOrder"], shown["status"], shown["id"] == step.cuid) == (1, "pending", False)

    def test_that_are_completed_are_reopened(self) -> None:
        step = complete(accept(steps_of(approved())[0]))

        response = self.act(step, "reopen", {"reason": "By mistake"})

        assert (response.status_code, response.json()["status"], response.json()["completedAt"]) == (
            200,
            "in_progress",
            None,
        )

    def test_that_are_reassigned_to_nobody_stay(self) -> None:
        step = self.failed()

        response = self.act(step, "reassign", {"reason": "Closed", "partner": "nobody"})

        assert (response.status_code, fields(response)) == (422, ["partner"])
        assert statuses(step.enrollment)[0] == "failed"

    @pytest.mark.parametrize("action", ["retry", "skip", "complete"])
    def test_are_left_alone_without_a_reason(self, action: str) -> None:
        step = self.failed()

        response = self.act(step, action, {"evidence": "Certificate 12"})

        assert (response.status_code, fields(response)) == (422, ["reason"])
        assert statuses(step.enrollment)[0] == "failed"

    def test_that_are_over_are_refused_with_both_states(self) -> None:
        step = self.failed()
        self.act(step, "skip", {"reason": "Knows it"})

        response = self.act(step, "retry", {"reason": "Why not"})

        assert (response.status_code, response.json()["code"]) == (409, "transition_not_allowed")
        assert statuses(step.enrollment)[0] == "skipped"

    def failed(self) -> EnrollmentStep:
        step = steps_of(approved())[0]
        return record_refusal(step_id=step.pk, reason="No such course", actor=SYSTEM, now=utc_now())

    def act(self, step: EnrollmentStep, action: str, body: dict[str, str]) -> Any:
        address = f"/api/enrollments/{step.enrollment.cuid}/steps/{step.cuid}/{action}"
        return Api(step.enrollment.workspace).post(address, body)
