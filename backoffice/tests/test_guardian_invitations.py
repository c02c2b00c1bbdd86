import smtplib
from typing import Any

import pytest
from django.core import mail
from django.urls import reverse

from accounts.guardian_invitations import invite_guardian
from accounts.guardians import ask_who_is_guardian
from accounts.models import Guardian, GuardianInvitation, StaffTask, Workspace
from accounts.staff_tasks import raise_staff_task
from accounts.states import Role
from accounts.task_kinds import find_kind
from accounts.tests.factories import GuardianFactory, GuardianshipFactory, WorkspaceFactory, proven_user
from backoffice.tests.staff_client import StaffClient, said
from core.clock import utc_now

pytestmark = pytest.mark.django_db

PARENT = "parent@home.test"


@pytest.fixture
def workspace() -> Workspace:
    made: Workspace = WorkspaceFactory(slug="north", name="North")
    return made


@pytest.fixture
def staff(workspace: Workspace) -> StaffClient:
    return StaffClient(workspace=workspace, role=Role.ADMIN)


@pytest.fixture
def guardian(workspace: Workspace) -> Guardian:
    made: Guardian = GuardianFactory(workspace=workspace, external_id="G-1", email=None)
    return made


def button(guardian: Guardian) -> str:
    return reverse("admin:accounts_guardian_invite", args=[guardian.pk])


class TestTheInviteButton:
    def test_mails_a_link_to_the_address(self, staff: StaffClient, guardian: Guardian) -> None:
        answer = staff.post(button(guardian), {"email": " Parent@Home.test "})

        invitation = GuardianInvitation.objects.get()
        assert said(answer) == ["parent@home.test has been sent an invitation to North."]
        assert [message.to for message in mail.outbox] == [[PARENT]]
        assert (invitation.email, invitation.invited_by, invitation.guardian) == (PARENT, staff.user, guardian)

    @pytest.mark.parametrize("address", ["", "nonsense", "gué@home.test"])
    def test_names_what_is_wrong_with_the_address(self, staff: StaffClient, guardian: Guardian, address: str) -> None:
        answer = staff.post(button(guardian), {"email": address})

        assert "email" in answer.context["form"].errors
        assert not GuardianInvitation.objects.exists()

    def test_is_not_there_for_a_guardian_who_has_proven_the_address(
        self, staff: StaffClient, workspace: Workspace
    ) -> None:
        known = GuardianFactory(workspace=workspace, email=PARENT)
        proven_user(PARENT)

        shown = staff.get(reverse("admin:accounts_guardian_change", args=[known.pk])).content.decode()
        answer = staff.post(button(known), {"email": "stranger@home.test"})

        assert button(known) not in shown
        assert "Invite is no longer possible" in said(answer)[0]
        assert not GuardianInvitation.objects.exists()

    @pytest.mark.parametrize("role", [Role.VIEWER, Role.REVIEWER])
    def test_is_for_those_who_manage_people(self, workspace: Workspace, guardian: Guardian, role: Role) -> None:
        answer = StaffClient(workspace=workspace, role=role).post(button(guardian), {"email": PARENT})

        assert answer.status_code == 403
        assert not GuardianInvitation.objects.exists()

    def test_is_not_found_from_another_workspace(self, guardian: Guardian) -> None:
        stranger = StaffClient(workspace=WorkspaceFactory(), role=Role.OWNER)

        assert stranger.post(button(guardian), {"email": PARENT}).status_code == 404
        assert not GuardianInvitation.objects.exists()

    def test_says_so_when_the_mail_could_not_be_sent(
        self, staff: StaffClient, guardian: Guardian, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*args: Any, **kwargs: Any) -> None:
            raise smtplib.SMTPServerDisconnected

        monkeypatch.setattr("django.core.mail.EmailMultiAlternatives.send", refuse)

        answer = staff.post(button(guardian), {"email": PARENT})

        assert "is invited, but nothing was mailed yet." in said(answer)[0]
        assert GuardianInvitation.objects.get().is_open()


class TestATaskThatAsksForTheGuardian:
    def test_leads_to_the_invitation_and_waits_for_the_answer(self, staff: StaffClient, guardian: Guardian) -> None:
        ask_who_is_guardian(guardian_id=guardian.pk)
        task = StaffTask.objects.get()

        answer = staff.post(reverse("admin:accounts_stafftask_invite_guardian", args=[task.pk]), {"email": PARENT})

        task.refresh_from_db()
        assert said(answer) == ["parent@home.test has been sent an invitation to North."]
        assert (GuardianInvitation.objects.get().guardian, task.status) == (guardian, "open")

    @pytest.mark.sqlite
    def test_is_the_only_kind_with_that_button(self, staff: StaffClient, guardian: Guardian) -> None:
        task = raise_staff_task(
            workspace_id=guardian.workspace_id,
            kind=find_kind("refund_to_decide"),
            subject="payment:1",
            summary="Look at it.",
        )

        answer = staff.post(reverse("admin:accounts_stafftask_invite_guardian", args=[task.pk]), {"email": PARENT})

        assert "is no longer possible" in said(answer)[0]
        assert not GuardianInvitation.objects.exists()


class TestAnInvitation:
    @pytest.fixture
    def invitation(self, guardian: Guardian) -> GuardianInvitation:
        return invite_guardian(guardian_id=guardian.pk, email=PARENT, invited_by=None, now=utc_now())[0]

    @pytest.mark.sqlite
    def test_is_listed_with_its_state(self, staff: StaffClient, invitation: GuardianInvitation) -> None:
        listed = staff.get(reverse("admin:accounts_guardianinvitation_changelist")).content.decode()

        page = reverse("admin:accounts_guardianinvitation_change", args=[invitation.pk])
        assert PARENT in listed
        assert "Pending" in listed
        assert f"<title> {invitation.guardian}, {PARENT} | " in staff.get(page).content.decode()

    def test_is_sent_again_with_a_new_link(self, staff: StaffClient, invitation: GuardianInvitation) -> None:
        answer = staff.post(reverse("admin:accounts_guardianinvitation_send_again", args=[invitation.pk]))

        assert said(answer) == ["parent@home.test has been sent an invitation to North."]
        assert GuardianInvitation.objects.get().token_digest != invitation.token_digest

    @pytest.mark.sqlite
    def test_is_revoked(self, staff: StaffClient, invitation: GuardianInvitation) -> None:
        staff.post(reverse("admin:accounts_guardianinvitation_revoke", args=[invitation.pk]))

        assert GuardianInvitation.objects.get().state(utc_now()) == "revoked"


class TestAnAddressGivenByStaff:
    def give(self, staff: StaffClient, guardian: Guardian, email: str) -> Any:
        fields = {"first_name": "Gail", "last_name": "Roe", "email": email, "external_id": guardian.external_id or ""}
        inlines = {"guardianships-TOTAL_FORMS": "0", "guardianships-INITIAL_FORMS": "0"}
        return staff.post(reverse("admin:accounts_guardian_change", args=[guardian.pk]), {**fields, **inlines})

    def test_ends_the_search_and_invitations_of_others(self, staff: StaffClient, guardian: Guardian) -> None:
        ask_who_is_guardian(guardian_id=guardian.pk)
        invite_guardian(guardian_id=guardian.pk, email="other@home.test", invited_by=None, now=utc_now())

        self.give(staff, guardian, PARENT)

        guardian.refresh_from_db()
        assert guardian.email == PARENT
        assert StaffTask.objects.get().status == "done"
        assert GuardianInvitation.objects.get().state(utc_now()) == "revoked"

    @pytest.mark.sqlite
    def test_of_another_guardian_is_refused(self, staff: StaffClient, guardian: Guardian) -> None:
        other = GuardianFactory(workspace=guardian.workspace, email=PARENT)
        ask_who_is_guardian(guardian_id=guardian.pk)

        answer = self.give(staff, guardian, PARENT)

        guardian.refresh_from_db()
        assert (answer.status_code, guardian.email, other.email) == (200, None, PARENT)
        assert StaffTask.objects.get().status == "open"


@pytest.mark.sqlite
class TestTheListOfGuardians:
    def test_tells_who_has_no_access_yet(
        self, staff: StaffClient, workspace: Workspace, django_assert_max_num_queries: Any
    ) -> None:
        for number in range(3):
            GuardianshipFactory(guardian__workspace=workspace, guardian__email=f"typed{number}@home.test")
        GuardianFactory(workspace=workspace, email=None)
        GuardianFactory(workspace=workspace, email=PARENT)
        proven_user(PARENT)
        url = reverse("admin:accounts_guardian_changelist")
        staff.get(url)

        with django_assert_max_num_queries(20):
            listed = staff.get(url).content.decode()

        assert [listed.count(word) for word in ("No address", "Not confirmed yet", "Proven")] == [1, 3, 1]
