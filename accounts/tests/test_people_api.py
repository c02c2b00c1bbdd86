"""Learners and leads over HTTP."""

from typing import Any

import pytest

from accounts.merging import merge_learners
from accounts.models import Lead, Learner, Workspace
from core.actors import SYSTEM
from core.clock import utc_now

from .factories import LeadFactory, LearnerFactory, WorkspaceFactory, bearer

pytestmark = pytest.mark.django_db

JUNE = {"firstName": "June", "lastName": "Roe", "email": "june@home.test"}


@pytest.fixture
def workspace() -> Workspace:
    return WorkspaceFactory()


@pytest.fixture
def call(client: Any, workspace: Workspace) -> Any:
    headers = bearer(workspace=workspace)
    return lambda method, path, body=None: getattr(client, method)(
        path, *([body] if body is not None else []), content_type="application/json", headers=headers
    )


def fields(response: Any) -> list[str]:
    return [error["field"] for error in response.json()["errors"]]


class TestALearner:
    def test_is_created_read_and_changed(self, call: Any, workspace: Workspace) -> None:
        created = call("post", "/api/learners", JUNE | {"externalId": "S-1", "phone": "+1 415 555 0123"})
        address = f"/api/learners/{created.json()['id']}"

        changed = call("patch", f"{address}/", {"school": "Lincoln", "address": {"country": "US"}})

        assert (created.status_code, changed.status_code) == (201, 200)
        body = call("get", address).json()
        assert body == changed.json()
        assert body.pop("createdAt")
        assert body == JUNE | {
            "id": Learner.objects.get().cuid,
            "externalId": "S-1",
            "phone": "+14155550123",
            "address": {"country": "USA"},
            "gradeLevel": "",
            "school": "Lincoln",
        }

    @pytest.mark.parametrize(
        ("body", "field"),
        [(JUNE | {"externalId": "S-1", "email": "other@home.test"}, "externalId"), (JUNE, "email")],
    )
    def test_that_is_known_is_named_instead_of_made_twice(
        self, call: Any, workspace: Workspace, body: dict[str, str], field: str
    ) -> None:
        known = LearnerFactory(
            workspace=workspace,
            external_id="S-1" if field == "externalId" else None,
            first_name="June",
            last_name="Roe",
            email="june@home.test",
        )

        response = call("post", "/api/learners", body)

        assert (response.status_code, response.json()["code"]) == (409, "learner_exists")
        assert (response.json()["learnerId"], fields(response)) == (known.cuid, [field])
        assert Learner.objects.count() == 1

    def test_that_was_merged_is_the_one_who_stayed(self, call: Any, workspace: Workspace) -> None:
        keep = LearnerFactory(workspace=workspace)
        drop = LearnerFactory(workspace=workspace)
        merge_learners(keep_id=keep.pk, drop_id=drop.pk, actor=SYSTEM, reason="One person", now=utc_now())

        assert call("get", f"/api/learners/{drop.cuid}").json()["id"] == keep.cuid
        assert [each["id"] for each in call("get", "/api/learners").json()] == [keep.cuid]

    def test_is_found_by_external_id_and_email(self, call: Any, workspace: Workspace) -> None:
        wanted = LearnerFactory(workspace=workspace, external_id="S-1", email="june@home.test")
        LearnerFactory(workspace=workspace)

        found = [
            [each["id"] for each in call("get", f"/api/learners?{query}").json()]
            for query in ("externalId=S-1", "email=JUNE@home.test")
        ]

        assert found == [[wanted.cuid], [wanted.cuid]]

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"email": "nobody"}, "email"),
            ({"firstName": ""}, "firstName"),
            ({"phone": "12"}, "phone"),
            ({"address": {"country": "Oz"}}, "address.country"),
        ],
    )
    def test_with_what_can_not_be_is_refused(self, call: Any, body: dict[str, Any], field: str) -> None:
        response = call("post", "/api/learners", JUNE | body)

        assert (response.status_code, fields(response)) == (422, [field])
        assert not Learner.objects.exists()


class TestALead:
    def test_is_created_read_and_changed(self, call: Any) -> None:
        created = call("post", "/api/leads", {"lastName": "Roe", "email": "Ada@Home.Test"})
        address = f"/api/leads/{created.json()['id']}"

        changed = call("patch", address, {"firstName": "Ada", "email": None})

        assert (created.status_code, changed.status_code) == (201, 200)
        body = call("get", address).json()
        assert body == changed.json()
        assert (body["firstName"], body["lastName"], body["email"], body["learnerId"]) == ("Ada", "Roe", "", None)

    def test_of_whom_nothing_is_known_is_refused(self, call: Any, workspace: Workspace) -> None:
        known = LeadFactory(workspace=workspace, first_name="", last_name="Roe", email="")

        answers = [
            call("post", "/api/leads", {"address": {"city": "Oslo"}}),
            call("patch", f"/api/leads/{known.cuid}", {"lastName": None}),
        ]

        assert [answer.status_code for answer in answers] == [422, 422]
        assert Lead.objects.get().last_name == "Roe"

    def test_names_the_learner_that_it_became(self, call: Any, workspace: Workspace) -> None:
        learner = LearnerFactory(workspace=workspace)
        lead = LeadFactory(workspace=workspace, converted_to=learner)

        assert call("get", f"/api/leads/{lead.cuid}").json()["learnerId"] == learner.cuid
        assert [each["id"] for each in call("get", "/api/leads").json()] == [lead.cuid]


@pytest.mark.sqlite
class TestAnotherWorkspaces:
    @pytest.mark.parametrize("kind", ["learners", "leads"])
    def test_are_neither_shown_nor_changed(self, call: Any, kind: str) -> None:
        theirs = LearnerFactory() if kind == "learners" else LeadFactory()

        answers = [
            call("get", f"/api/{kind}/{theirs.cuid}").status_code,
            call("patch", f"/api/{kind}/{theirs.cuid}", {"lastName": "Ours"}).status_code,
        ]

        assert answers == [404, 404]
        assert call("get", f"/api/{kind}").json() == []
