import json
import smtplib
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from accounts.families import learners_of
from accounts.guardian_invitations import invite_guardian
from accounts.guardians import ask_who_is_guardian
from accounts.models import Guardian, GuardianInvitation, Learner, StaffTask, Workspace
from accounts.tests.factories import proven_user
from core.clock import utc_now

from .factories import GuardianFactory, GuardianshipFactory, LearnerFactory, WorkspaceFactory, bearer

pytestmark = pytest.mark.django_db

PARENT = "parent@home.test"
URL = "/api/guardians"


@pytest.fixture
def workspace() -> Workspace:
    made: Workspace = WorkspaceFactory()
    return made


@pytest.fixture
def guardian(workspace: Workspace) -> Guardian:
    made: Guardian = GuardianFactory(workspace=workspace, external_id="G-1", email=None)
    return made


class Integrator:
    """Calls with a key of the workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self.client = Client()
        self.headers = bearer(workspace=workspace, scopes=["learners:read", "learners:write"])

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        return self.client.generic(
            method, path, json.dumps(body or {}), content_type="application/json", headers=self.headers | headers
        )

    def get(self, path: str, **query: str) -> Any:
        return self.client.get(path, query, headers=self.headers)


@pytest.fixture
def integrator(workspace: Workspace) -> Integrator:
    return Integrator(workspace)


def faults(answer: Any) -> list[tuple[str, str]]:
    return [(fault["field"], fault["code"]) for fault in answer.json()["errors"]]


class TestRegisteringAGuardian:
    def test_links_learners_by_cuid_and_by_the_workspaces_own_id(
        self, integrator: Integrator, workspace: Workspace
    ) -> None:
        ada = LearnerFactory(workspace=workspace)
        ben = LearnerFactory(workspace=workspace, external_id="S-2")

        answer = integrator.call(
            "POST",
            URL,
            {"externalId": "G-1", "email": " Parent@Home.test ", "firstName": "Gail", "learnerIds": [ada.cuid, "S-2"]},
        )

        made = Guardian.objects.get()
        assert answer.status_code == 201
        assert answer.json() == {
            "id": made.pk,
            "externalId": "G-1",
            "email": PARENT,
            "firstName": "Gail",
            "lastName": "",
            "isProven": False,
            "learners": [{"id": ada.cuid, "externalId": None}, {"id": ben.cuid, "externalId": "S-2"}],
            "invitation": None,
            "createdAt": answer.json()["createdAt"],
        }
        assert set(learners_of(proven_user(PARENT))) == {ada, ben}

    @pytest.mark.sqlite
    def test_twice_with_one_key_makes_one(self, integrator: Integrator) -> None:
        headers = {"Idempotency-Key": "k"}
        answers = [integrator.call("POST", URL, {"externalId": "G-1"}, **headers) for _ in range(2)]

        assert [answer.status_code for answer in answers] == [201, 201]
        assert answers[0].json() == answers[1].json()
        assert Guardian.objects.count() == 1

    def test_of_a_known_id_names_the_guardian_to_change(self, integrator: Integrator, guardian: Guardian) -> None:
        answer = integrator.call("POST", URL, {"externalId": "G-1", "email": PARENT})

        assert (answer.status_code, answer.json()["code"], answer.json()["guardianId"]) == (
            409,
            "guardian_exists",
            guardian.pk,
        )
        assert faults(answer) == [("externalId", "taken")]
        assert f"Guardian {guardian.pk} has this external id" in answer.json()["detail"]
        assert Guardian.objects.get().email is None

    def test_of_a_known_address_names_the_guardian_to_change(
        self, integrator: Integrator, workspace: Workspace
    ) -> None:
        known = GuardianFactory(workspace=workspace, email=PARENT)

        answer = integrator.call("POST", URL, {"externalId": "G-new", "email": "PARENT@home.test"})

        assert (answer.status_code, answer.json()["code"]) == (409, "address_of_another_guardian")
        assert (faults(answer), answer.json()["guardianId"]) == ([("email", "taken")], known.pk)
        assert Guardian.objects.count() == 1

    def test_never_meets_a_guardian_of_another_workspace(self, integrator: Integrator) -> None:
        GuardianFactory(external_id="G-1", email=PARENT)

        assert integrator.call("POST", URL, {"externalId": "G-1", "email": PARENT}).status_code == 201

    @pytest.mark.parametrize(
        ("body", "at_fault"),
        [
            ({}, [("externalId", "required")]),
            ({"externalId": "G-1", "email": "nonsense"}, [("email", "invalid")]),
            ({"externalId": "G-1", "email": "gué@home.test"}, [("email", "invalid")]),
            ({"externalId": "\u200b"}, [("externalId", "blank")]),
            (
                {"externalId": "G-1", "learnerIds": ["S-1", "nobody"]},
                [("learnerIds[0]", "unknown"), ("learnerIds[1]", "unknown")],
            ),
        ],
    )
    def test_names_what_is_wrong(
        self, integrator: Integrator, body: dict[str, Any], at_fault: list[tuple[str, str]]
    ) -> None:
        LearnerFactory(external_id="S-1")  # of another workspace

        answer = integrator.call("POST", URL, body)

        assert (answer.status_code, faults(answer)) == (422, at_fault)
        assert not Guardian.objects.exists()


class TestChangingAGuardian:
    def test_replaces_the_address_and_ends_what_the_one_before_opened(
        self, integrator: Integrator, guardian: Guardian
    ) -> None:
        child = GuardianshipFactory(guardian=guardian).learner
        path = f"{URL}/{guardian.pk}"
        integrator.call("PATCH", path, {"email": "old@home.test"})
        assert list(learners_of(proven_user("old@home.test"))) == [child]

        answers = [integrator.call("PATCH", path, {"email": PARENT}) for _ in range(2)]

        assert [answer.status_code for answer in answers] == [200, 200]
        assert answers[0].json() == answers[1].json()
        assert list(learners_of(proven_user("old@home.test"))) == []
        assert list(learners_of(proven_user(PARENT))) == [child]

    def test_ends_the_search_and_invitations_of_others(self, integrator: Integrator, guardian: Guardian) -> None:
        ask_who_is_guardian(guardian_id=guardian.pk)
        invite_guardian(guardian_id=guardian.pk, email="other@home.test", invited_by=None, now=utc_now())

        integrator.call("PATCH", f"{URL}/{guardian.pk}", {"email": PARENT})

        assert StaffTask.objects.get().status == "done"
        assert GuardianInvitation.objects.get().state(utc_now()) == "revoked"

    @pytest.mark.sqlite
    def test_replaces_all_learners_and_only_if_they_are_named(
        self, integrator: Integrator, workspace: Workspace, guardian: Guardian
    ) -> None:
        gone = GuardianshipFactory(guardian=guardian).learner
        new = LearnerFactory(workspace=workspace)
        path = f"{URL}/{guardian.pk}"

        integrator.call("PATCH", path, {"firstName": "Gail", "email": PARENT})
        assert list(guardian.learners.all()) == [gone]
        integrator.call("PATCH", path, {"learnerIds": [new.cuid, new.cuid]})

        assert list(guardian.learners.all()) == [new]
        assert list(learners_of(proven_user(PARENT))) == [new]

    def test_means_who_is_left_by_a_learner_who_was_merged(
        self, integrator: Integrator, workspace: Workspace, guardian: Guardian
    ) -> None:
        kept, merged = LearnerFactory(workspace=workspace), LearnerFactory(workspace=workspace)
        Learner.objects.filter(pk=merged.pk).update(merged_into=kept)

        integrator.call("PATCH", f"{URL}/{guardian.pk}", {"learnerIds": [merged.cuid]})

        assert list(guardian.learners.all()) == [kept]

    def test_takes_the_address_away(self, integrator: Integrator, workspace: Workspace) -> None:
        known = GuardianFactory(workspace=workspace, external_id="G-1", email=PARENT)
        GuardianshipFactory(guardian=known)

        answer = integrator.call("PATCH", f"{URL}/{known.pk}", {"email": None})

        assert (answer.status_code, answer.json()["email"]) == (200, None)
        assert list(learners_of(proven_user(PARENT))) == []

    def test_may_swap_what_the_guardian_is_known_by(self, integrator: Integrator, guardian: Guardian) -> None:
        path = f"{URL}/{guardian.pk}"

        by_address = integrator.call("PATCH", path, {"externalId": None, "email": PARENT}).json()
        by_id = integrator.call("PATCH", path, {"externalId": "G-2", "email": None}).json()

        assert (by_address["externalId"], by_address["email"]) == (None, PARENT)
        assert (by_id["externalId"], by_id["email"]) == ("G-2", None)

    @pytest.mark.parametrize(
        ("change", "status", "code"),
        [
            ({"email": "taken@home.test"}, 409, "address_of_another_guardian"),
            ({"externalId": "G-taken"}, 409, "guardian_exists"),
            ({"externalId": None}, 422, "invalid"),
            ({"learnerIds": ["nobody"], "firstName": "New"}, 422, "invalid"),
        ],
    )
    def test_that_can_not_be_changes_nothing(
        self, integrator: Integrator, guardian: Guardian, change: dict[str, Any], status: int, code: str
    ) -> None:
        GuardianFactory(workspace=guardian.workspace, external_id="G-taken", email="taken@home.test")
        path = f"{URL}/{guardian.pk}"
        before = integrator.get(path).json()

        answer = integrator.call("PATCH", path, {"lastName": "Changed", **change})

        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert integrator.get(path).json() == before

    @pytest.mark.parametrize("method", ["GET", "PATCH"])
    def test_of_another_workspace_is_not_found(self, integrator: Integrator, method: str) -> None:
        foreign = GuardianFactory(email=PARENT)

        answer = integrator.call(method, f"{URL}/{foreign.pk}", {"email": "mine@home.test"})

        foreign.refresh_from_db()
        assert (answer.status_code, foreign.email) == (404, PARENT)


class TestListingGuardians:
    @pytest.mark.sqlite
    def test_finds_by_id_address_and_learner(self, integrator: Integrator, guardian: Guardian) -> None:
        child = GuardianshipFactory(guardian=guardian, learner__external_id="S-1").learner
        other = GuardianFactory(workspace=guardian.workspace, email=PARENT)
        GuardianFactory(external_id="G-1")

        def found(**query: str) -> list[int]:
            return [row["id"] for row in integrator.get(URL, **query).json()]

        assert found() == [other.pk, guardian.pk]
        assert found(externalId="G-1") == found(learnerId=child.cuid) == found(learnerId="S-1") == [guardian.pk]
        assert found(email="PARENT@home.test") == [other.pk]

    def test_takes_as_many_queries_for_many(
        self, integrator: Integrator, workspace: Workspace, django_assert_max_num_queries: Any
    ) -> None:
        for _ in range(5):
            GuardianshipFactory(guardian__workspace=workspace)

        with django_assert_max_num_queries(8):
            answer = integrator.get(URL)

        assert len(answer.json()) == 5


class TestInvitingByTheApi:
    def test_mails_a_link_and_tells_its_state_without_it(self, integrator: Integrator, guardian: Guardian) -> None:
        answer = integrator.call("POST", f"{URL}/{guardian.pk}/invitation", {"email": PARENT})

        invitation = GuardianInvitation.objects.get()
        told = integrator.get(f"{URL}/{guardian.pk}").json()["invitation"]
        assert answer.status_code == 201
        assert (answer.json()["email"], answer.json()["state"]) == (PARENT, "pending")
        assert told == answer.json()
        assert set(told) == {"email", "state", "sentAt", "expiresAt"}
        assert [message.to for message in mail.outbox] == [[PARENT]]
        assert invitation.guardian == guardian

    def test_again_sends_a_new_link_and_with_one_key_none(self, integrator: Integrator, guardian: Guardian) -> None:
        path, key = f"{URL}/{guardian.pk}/invitation", {"Idempotency-Key": "k"}
        for _ in range(2):
            integrator.call("POST", path, {"email": PARENT}, **key)
        first = GuardianInvitation.objects.get().token_digest
        assert len(mail.outbox) == 1

        integrator.call("POST", path, {"email": PARENT})

        assert len(mail.outbox) == 2
        assert GuardianInvitation.objects.get().token_digest != first

    def test_is_refused_for_another_address_while_one_is_open(self, integrator: Integrator, guardian: Guardian) -> None:
        path = f"{URL}/{guardian.pk}/invitation"
        integrator.call("POST", path, {"email": PARENT})

        answer = integrator.call("POST", path, {"email": "other@home.test"})

        assert (answer.status_code, answer.json()["code"]) == (409, "already_invited")
        assert len(mail.outbox) == 1

    def test_is_refused_once_another_address_is_proven_user(self, integrator: Integrator, workspace: Workspace) -> None:
        known = GuardianFactory(workspace=workspace, email=PARENT)
        proven_user(PARENT)

        answer = integrator.call("POST", f"{URL}/{known.pk}/invitation", {"email": "other@home.test"})

        assert (answer.status_code, answer.json()["code"]) == (409, "guardian_has_address")
        assert not GuardianInvitation.objects.exists()

    def test_may_be_repeated_after_the_mail_server_was_down(
        self, integrator: Integrator, guardian: Guardian, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*args: Any, **kwargs: Any) -> None:
            raise smtplib.SMTPServerDisconnected

        path, key = f"{URL}/{guardian.pk}/invitation", {"Idempotency-Key": "k"}
        with monkeypatch.context() as patched:
            patched.setattr("django.core.mail.EmailMultiAlternatives.send", refuse)
            down = integrator.call("POST", path, {"email": PARENT}, **key)

        again = integrator.call("POST", path, {"email": PARENT}, **key)

        assert (down.status_code, again.status_code) == (503, 201)
        assert len(mail.outbox) == 1

    def test_is_limited(self, integrator: Integrator, guardian: Guardian) -> None:
        path = f"{URL}/{guardian.pk}/invitation"

        answers = [integrator.call("POST", path, {"email": PARENT}) for _ in range(6)]

        assert [answer.status_code for answer in answers] == [201] * 5 + [429]
        assert int(answers[5]["Retry-After"]) > 0

    def test_is_taken_back(self, integrator: Integrator, guardian: Guardian) -> None:
        path = f"{URL}/{guardian.pk}/invitation"
        integrator.call("POST", path, {"email": PARENT})

        answers = [integrator.call("DELETE", path).status_code for _ in range(2)]

        assert answers == [204, 404]
        assert GuardianInvitation.objects.get().state(utc_now()) == "revoked"
