"""The buttons that publish what families are asked to agree to, and that record and withdraw a consent."""

import datetime as dt
from typing import Any

import pytest
from django.urls import reverse

from accounts.models import Consent, ConsentText, Learner, Workspace
from accounts.states import Role
from accounts.tests.factories import ConsentTextFactory, LearnerFactory, WorkspaceFactory
from core.clock import utc_now

from .staff_client import StaffClient, said

pytestmark = pytest.mark.django_db

PUBLISH = reverse("admin:accounts_consenttext_publish")
ON_PAPER = reverse("admin:accounts_consent_record_paper")
SIGNER = "parent@consents.test"


@pytest.fixture
def workspace() -> Workspace:
    return WorkspaceFactory(timezone="America/Chicago")


@pytest.fixture
def manager(workspace: Workspace) -> StaffClient:
    return StaffClient(workspace=workspace, role=Role.ADMIN)


@pytest.fixture
def learner(workspace: Workspace) -> Learner:
    made: Learner = LearnerFactory(workspace=workspace)
    return made


def page(row: Any, button: str = "change") -> str:
    return reverse(f"admin:accounts_{row._meta.model_name}_{button}", args=[row.pk])


class TestPublishing:
    def publish(self, manager: StaffClient, workspace: Workspace, **told: Any) -> Any:
        return manager.post(
            PUBLISH, {"workspace": workspace.pk, "purpose": "photos", "title": "Photos", "text": "May we?", **told}
        )

    def test_stores_what_was_typed_in_force_from_now_on(self, manager: StaffClient, workspace: Workspace) -> None:
        answer = self.publish(manager, workspace, is_required="on")

        text = ConsentText.objects.get()
        assert said(answer) == [f"{text} is published."]
        assert (text.purpose, text.version, text.title, text.text) == ("photos", 1, "Photos", "May we?")
        assert (text.workspace, text.is_required) == (workspace, True)
        assert text.published_by == f"user:{manager.user.pk}"
        assert text.from_at <= utc_now()

    def test_of_a_later_day_begins_with_that_day_where_the_workspace_is(
        self, manager: StaffClient, workspace: Workspace
    ) -> None:
        self.publish(manager, workspace, from_date="2099-07-01")

        text = ConsentText.objects.get()
        assert text.from_at == dt.datetime(2099, 7, 1, 5, tzinfo=dt.UTC)
        assert not text.is_required

    def test_of_today_is_in_force_at_once(self, manager: StaffClient, workspace: Workspace) -> None:
        Workspace.objects.update(timezone="UTC")
        before = utc_now()

        self.publish(manager, workspace, from_date=before.date())

        assert before <= ConsentText.objects.get().from_at <= utc_now()


class TestATextsPage:
    def test_stops_asking_for_it(self, manager: StaffClient, workspace: Workspace) -> None:
        text = ConsentTextFactory(workspace=workspace)

        answer = manager.post(page(text, "stop"))

        text.refresh_from_db()
        assert said(answer) == [f"{text} is no longer asked for."]
        assert text.stopped_at is not None

    @pytest.mark.parametrize(
        ("changed", "state"),
        [
            ({}, "Asked"),
            ({"from_at": dt.datetime(2099, 1, 1, tzinfo=dt.UTC)}, "Later"),
            ({"stopped_at": utc_now()}, "No longer asked"),
        ],
    )
    def test_says_whether_it_is_asked_for(
        self, manager: StaffClient, workspace: Workspace, changed: dict[str, Any], state: str
    ) -> None:
        text = ConsentTextFactory(workspace=workspace)
        ConsentText.objects.update(**changed)

        shown = " ".join(manager.get(page(text)).content.decode().split())

        states = [each for each in ("Asked", "Later", "No longer asked") if f"{each} </span>" in shown]
        states += [each for each in ("Asked", "Later", "No longer asked") if f">{each}</span>" in shown]
        assert states == [state]


class TestAConsentOnPaper:
    def record(self, manager: StaffClient, text: ConsentText, learner: str) -> Any:
        return manager.post(ON_PAPER, {"text": text.pk, "learner": learner, "address": SIGNER})

    def test_is_recorded_once(self, manager: StaffClient, workspace: Workspace, learner: Learner) -> None:
        text = ConsentTextFactory(workspace=workspace)

        told = [said(self.record(manager, text, learner.cuid))[-1] for _ in range(2)]

        consent = Consent.objects.get()
        assert told == ["The consent is recorded.", "This consent was recorded before."]
        assert (consent.learner, consent.text, consent.address) == (learner, text, SIGNER)
        assert (consent.way, consent.recorded_by) == ("paper", f"user:{manager.user.pk}")

    def test_of_somebody_nobody_knows_is_refused_beside_the_learner(
        self, manager: StaffClient, workspace: Workspace
    ) -> None:
        elsewhere = LearnerFactory()

        answer = self.record(manager, ConsentTextFactory(workspace=workspace), elsewhere.cuid)

        assert list(answer.context["form"].errors) == ["learner"]
        assert not Consent.objects.exists()

    def test_is_offered_for_the_workspaces_own_texts_that_are_in_force(
        self, manager: StaffClient, workspace: Workspace
    ) -> None:
        first = ConsentTextFactory(workspace=workspace)
        second = ConsentTextFactory(workspace=workspace, version=2)
        later = dt.datetime(2099, 1, 1, tzinfo=dt.UTC)
        ConsentTextFactory(workspace=workspace, version=3, from_at=later)
        ConsentTextFactory()

        form = manager.get(ON_PAPER).context["form"]

        assert list(form.fields["text"].queryset) == [second, first]

    def test_is_withdrawn(self, manager: StaffClient, workspace: Workspace, learner: Learner) -> None:
        self.record(manager, ConsentTextFactory(workspace=workspace), learner.cuid)
        consent = Consent.objects.get()
        before = manager.get(page(consent)).content.decode()
        held = manager.get(page(learner)).context["neighbor_cards"]

        answer = manager.post(page(consent, "withdraw"))

        consent.refresh_from_db()
        after = manager.get(page(consent))
        now_held = manager.get(page(learner)).context["neighbor_cards"]
        assert said(answer)[-1] == "The consent is withdrawn."
        assert consent.ended_at is not None
        assert consent.ended_by == f"user:{manager.user.pk}"
        assert ("Holds" in before, "Holds" in after.content.decode()) == (True, False)
        assert f"{consent.text} about {learner}" in before
        notes = [
            [row.note for row in card.rows] for cards in (held, now_held) for card in cards if card.title == "Consents"
        ]
        assert notes == [["Holds"], [consent.get_end_display()]]
