"""The buttons for a name that a family asked for, and what the pages of learners and leads show."""

from typing import Any

import pytest
from django.urls import reverse

from accounts.models import Lead, Learner, NameChange, StaffTask, Workspace
from accounts.name_changes import ask_for_name
from accounts.states import Role
from accounts.tests.factories import GuardianshipFactory, LeadFactory, LearnerFactory, WorkspaceFactory, proven_user
from core.actors import Actor
from core.clock import utc_now

from .staff_client import StaffClient, as_shown, listed, said

pytestmark = pytest.mark.django_db


@pytest.fixture
def workspace() -> Workspace:
    return WorkspaceFactory()


@pytest.fixture
def manager(workspace: Workspace) -> StaffClient:
    return StaffClient(workspace=workspace, role=Role.ADMIN)


@pytest.fixture
def asked(workspace: Workspace) -> Learner:
    """Marina Mos, whose family asks to call her Zofia Weber."""
    made: Learner = LearnerFactory(workspace=workspace, first_name="Marina", last_name="Mos", external_id=None)
    ask_for_name(learner_id=made.pk, first_name="Zofia", last_name="Weber", actor=Actor("user", 7), now=utc_now())
    return made


def page(row: Any, button: str = "change") -> str:
    return reverse(f"admin:accounts_{row._meta.model_name}_{button}", args=[row.pk])


def family(manager: StaffClient, learner: Learner) -> list[tuple[str, str]]:
    cards = manager.get(page(learner)).context["neighbor_cards"]
    (card,) = [each for each in cards if each.title == "Family"]
    return [(str(row.title), row.note) for row in card.rows]


class TestANameThatAFamilyAskedFor:
    def test_is_previewed(self, manager: StaffClient, asked: Learner) -> None:
        answer = manager.get(page(asked, "accept_name"))

        ((_, preview),) = answer.context["previews"]
        assert preview.sentences == ("Marina Mos becomes Zofia Weber.", "Invoices stay as they are.")
        assert preview.mails == "The family is mailed that the name is changed, if we know its address."
        assert str(Learner.objects.get()) == "Marina Mos"

    def test_is_taken_on(self, manager: StaffClient, asked: Learner) -> None:
        answer = manager.confirm(page(asked, "accept_name"))

        change = NameChange.objects.get()
        assert said(answer) == ["The name is changed. Certificates reissued: 0."]
        assert str(Learner.objects.get()) == "Zofia Weber"
        assert change.decided_by == f"user:{manager.user.pk}"

    def test_is_left_with_the_reason_that_the_family_reads(self, manager: StaffClient, asked: Learner) -> None:
        answer = manager.post(page(asked, "decline_name"), {"note": "Send us the document"})

        change = NameChange.objects.get()
        assert said(answer) == ["The name stays. The family is told why."]
        assert (change.state, change.note, change.decided_by) == (
            "declined",
            "Send us the document",
            f"user:{manager.user.pk}",
        )
        assert str(Learner.objects.get()) == "Marina Mos"

    @pytest.mark.parametrize("button", ["accept_name", "decline_name"])
    def test_alone_is_decided_on(self, manager: StaffClient, workspace: Workspace, button: str) -> None:
        learner = LearnerFactory(workspace=workspace)

        answer = manager.confirm(page(learner, button), {"note": "No"})

        assert "is no longer possible" in said(answer)[0]


class TestTheFamilyOnALearnersPage:
    def test_has_the_learners_own_account_and_its_language(self, manager: StaffClient, workspace: Workspace) -> None:
        user = proven_user(email="marina@people.test")
        learner = LearnerFactory(workspace=workspace, user=user)

        before = family(manager, learner)
        user.language = "es"
        user.save()

        told = "The learner's own account, language"
        assert before == [(str(user), f"{told} not chosen")]
        assert family(manager, learner) == [(str(user), f"{told} {user.get_language_display()}")]

    def test_has_a_guardian_who_is_not_proven_yet(self, manager: StaffClient, workspace: Workspace) -> None:
        learner = LearnerFactory(workspace=workspace)
        guardian = GuardianshipFactory(learner=learner, guardian__workspace=workspace).guardian

        assert family(manager, learner) == [(str(guardian), f"{guardian.email}, not proven yet")]


class TestALeadsPage:
    def test_shows_the_name_and_the_address_in_one_line(self, manager: StaffClient, workspace: Workspace) -> None:
        address = {"streetOne": "1 Main St", "city": "Austin", "country": "USA"}
        lead: Lead = LeadFactory(workspace=workspace, address=address)

        listed = manager.get(reverse("admin:accounts_lead_changelist"))

        (row,) = listed.context["cl"].result_list
        assert listed.context["cl"].model_admin.name(row) == str(lead)
        assert "1 Main St, Austin, USA" in manager.get(page(lead)).content.decode()


class TestAGuardiansPage:
    def test_looks_for_the_twins_of_a_learner_who_is_added(self, manager: StaffClient, workspace: Workspace) -> None:
        of = {"workspace": workspace, "first_name": "Marina", "last_name": "Mos"}
        twins = [LearnerFactory(**of, email=f"marina{number}@people.test") for number in (1, 2)]
        guardian = GuardianshipFactory(learner=twins[0], guardian__workspace=workspace).guardian
        shown, _ = as_shown(manager, page(guardian))
        (total,) = [name for name in shown if name.endswith("-TOTAL_FORMS")]
        rows = total.removesuffix("-TOTAL_FORMS")
        before = StaffTask.objects.count()

        answer = manager.post(page(guardian), {**shown, total: 2, f"{rows}-1-learner": twins[1].pk})

        assert answer.status_code == 302
        assert guardian.guardianships.count() == 2
        assert (before, StaffTask.objects.count()) == (0, 1)


class TestALearnerWhoIsNotThere:
    @pytest.mark.parametrize("named", ["0", "nobody"])
    def test_leads_back_to_the_start(self, manager: StaffClient, named: str) -> None:
        answer = manager.get(reverse("admin:accounts_learner_change", args=[named]))

        assert (answer.status_code, answer["Location"]) == (302, reverse("admin:index"))


class TestTheListOfNames:
    def test_tells_what_became_of_each_wish(self, manager: StaffClient, workspace: Workspace, asked: Learner) -> None:
        address = reverse("admin:accounts_namechange_changelist")
        elsewhere = LearnerFactory()
        ask_for_name(learner_id=elsewhere.pk, first_name="Al", last_name="Ode", actor=Actor("user", 7), now=utc_now())
        before = listed(manager, address)
        manager.confirm(page(asked, "accept_name"))
        ask_for_name(learner_id=asked.pk, first_name="Zo", last_name="Weber", actor=Actor("user", 7), now=utc_now())
        manager.post(page(asked, "decline_name"), {"note": "Send us the document"})

        after = listed(manager, address)

        assert [row[:3] for row in before] == [["Marina Mos", "Zofia Weber", "Pending"]]
        assert [row[:3] for row in after] == [
            ["Zofia Weber", "Zo Weber", "Declined"],
            ["Marina Mos", "Zofia Weber", "Applied"],
        ]


class TestTheStoryOfALearner:
    def told(self, manager: StaffClient, learner: Learner) -> list[tuple[str, str, str]]:
        lines = [line.happening for line in manager.get(page(learner)).context["story"].lines]
        return [(line.title, str(line.note), line.by) for line in lines]

    def test_tells_names_and_edits_and_by_whom(self, manager: StaffClient, asked: Learner) -> None:
        other = LearnerFactory(workspace=asked.workspace)
        before = self.told(manager, asked)
        manager.post(page(asked, "decline_name"), {"note": "Send us the document"})

        told = self.told(manager, asked)

        by = f"user:{manager.user.pk}"
        assert ("Name change requested: Marina Mos to Zofia Weber", "", "user:7") in before
        assert ("Name change declined: Marina Mos to Zofia Weber", "Send us the document", by) in told
        assert ("Edited in the back office", "Leave the name", by) in told
        assert self.told(manager, other) == []
