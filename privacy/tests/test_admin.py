"""The button *Erase* on a learner's page, and what is left of the page afterward."""

import pytest
from django.urls import reverse

from accounts.models import Guardianship, Learner
from accounts.states import Role
from accounts.tests.factories import GuardianFactory
from backoffice.models import AuditEntry
from backoffice.tests.staff_client import StaffClient, said
from core.actors import SYSTEM
from core.clock import utc_now
from enrollments.models import Enrollment
from enrollments.tests.factories import CandidateFactory
from privacy.models import Erasure
from privacy.wishes import ask_for_deletion

pytestmark = pytest.mark.django_db

NAME = "Quillonia"


@pytest.fixture
def learner() -> Learner:
    found: Learner = CandidateFactory(learner__first_name=NAME).learner
    return found


@pytest.fixture
def owner(learner: Learner) -> StaffClient:
    return StaffClient(workspace=learner.workspace, role=Role.OWNER)


def button(learner: Learner) -> str:
    return reverse("admin:accounts_learner_erase", args=[learner.pk])


class TestTheButton:
    def test_says_first_what_goes(self, learner: Learner, owner: StaffClient) -> None:
        foreseen = owner.post(button(learner), {"why": "asked"}).content.decode()

        assert "enrollments (1), learners (1)" in foreseen
        assert "You get a task" not in foreseen  # nobody else knows them
        assert not Erasure.objects.exists()

    def test_erases_and_writes_down_who_did(self, learner: Learner, owner: StaffClient) -> None:
        answer = owner.confirm(button(learner), {"why": "asked"})

        assert said(answer)[0].startswith("The learner is erased:")
        assert Erasure.objects.get().actor == f"user:{owner.user.pk}"
        entry = AuditEntry.objects.get(model="accounts.learner", action="Erase")
        assert NAME not in str(entry.changes) + entry.reason

    def test_does_nothing_while_an_enrollment_goes_on(self, learner: Learner, owner: StaffClient) -> None:
        Enrollment.objects.update(eligibility_status="submitted")

        answer = owner.confirm(button(learner), {"why": "asked"})

        assert "is going on: end it." in answer.content.decode()
        assert (Learner.objects.get().first_name, Erasure.objects.count()) == (NAME, 0)


class TestTheButtonToDecline:
    def test_is_there_while_the_family_waits_and_shows_the_mail_first(
        self, learner: Learner, owner: StaffClient
    ) -> None:
        decline = reverse("admin:accounts_learner_keep_data", args=[learner.pk])
        assert (
            "Decline to erase"
            not in owner.get(reverse("admin:accounts_learner_change", args=[learner.pk])).content.decode()
        )
        ask_for_deletion(learner_id=learner.pk, actor=SYSTEM, now=utc_now())

        foreseen = owner.post(decline, {"reason": "A course goes on."}).content.decode()
        answer = owner.confirm(decline, {"reason": "A course goes on."})

        assert f"What is stored about {NAME} stays for now" in foreseen
        assert said(answer) == ["The data stays. The family is told why."]
        assert AuditEntry.objects.get(action="Decline to erase").model == "accounts.learner"


class TestThePageOfSomebodyErased:
    def test_can_not_be_filled_in_again(self, learner: Learner, owner: StaffClient) -> None:
        owner.confirm(button(learner), {"why": "asked"})
        page = reverse("admin:accounts_learner_change", args=[learner.pk])
        guardian = GuardianFactory(workspace=learner.workspace)
        typed = {
            "first_name": NAME,
            "last_name": "Again",
            "email": "again@home.test",
            "guardianships-TOTAL_FORMS": "1",
            "guardianships-INITIAL_FORMS": "0",
            "guardianships-0-guardian": guardian.pk,
        }

        shown, refused = owner.get(page), owner.post(page, typed)

        assert (shown.status_code, refused.status_code) == (200, 403)
        assert 'name="first_name"' not in shown.content.decode()
        assert Learner.objects.get().first_name == "Erased"
        assert not Guardianship.objects.exists()
