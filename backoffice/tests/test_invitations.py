import datetime as dt
import re
from typing import Any

import pytest
from django.contrib.auth.hashers import make_password
from django.core import mail
from django.test import Client
from django.urls import reverse

from accounts.invitation_links import AlreadyInvited, InvitationOver, renew_invitation
from accounts.invitations import accept_invitation, invite_member
from accounts.memberships import AlreadyMember, change_role, remove_member
from accounts.models import Membership, StaffInvitation, User, Workspace
from accounts.sign_in import find_or_open_account, proven_address
from accounts.states import Role
from accounts.tests.factories import MembershipFactory, StaffFactory, UserFactory, WorkspaceFactory, proven_user
from backoffice.tests.staff_client import StaffClient, said
from core.clock import utc_now
from core.errors import Invalid, NotFound

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery"
PARENT = "parent@example.test"
CSRF_TOKEN = re.compile(r'(?<=name="csrfmiddlewaretoken" value=")\w+')  # a new one each time


@pytest.fixture
def workspace() -> Workspace:
    made: Workspace = WorkspaceFactory(slug="north", name="North")
    return made


@pytest.fixture
def owner(workspace: Workspace) -> StaffClient:
    return StaffClient(workspace=workspace, role=Role.OWNER)


def invite(workspace: Workspace, email: str = PARENT, role: str = Role.ADMIN, **fields: Any) -> str:
    who = {"invited_by": None, "now": utc_now()} | fields
    return invite_member(workspace_id=workspace.pk, email=email, role=role, **who)[1]


def accept(client: Client, token: str, **answers: str) -> Any:
    entered = answers or {"new_password1": PASSWORD, "new_password2": PASSWORD}
    return client.post(reverse("staff-invitation", args=[token]), entered)


def link_in(message: Any) -> str:
    found = re.search(r"http://127.0.0.1:8000(\S+)", str(message.body))
    assert found
    return found[1]


def opens(client: Client) -> bool:
    return client.get(reverse("admin:index")).status_code == 200


class TestInviting:
    def test_changes_nothing_for_a_parent_of_another_workspace(self, owner: StaffClient, workspace: Workspace) -> None:
        browser = Client()
        parent = proven_user(PARENT)
        password = parent.password
        browser.force_login(parent, backend="allauth.account.auth_backends.AuthenticationBackend")

        owner.post(
            reverse("admin:accounts_membership_invite"),
            {"workspace": workspace.pk, "email": PARENT, "role": Role.ADMIN},
        )

        parent.refresh_from_db()
        assert (parent.is_staff, parent.memberships.count(), parent.password) == (False, 0, password)
        assert find_or_open_account(email=PARENT) == parent
        assert browser.get(reverse("my-enrollments")).status_code == 200
        assert not opens(browser)

    def test_opens_no_account_for_an_unknown_address(self, workspace: Workspace) -> None:
        invite(workspace, "New@District.test")

        assert StaffInvitation.objects.get().email == "new@district.test"
        assert not User.objects.exists()

    def test_keeps_no_link_that_somebody_could_read(self, workspace: Workspace) -> None:
        token = invite(workspace)

        assert token not in str(StaffInvitation.objects.values().get())

    def test_refuses_a_member_and_an_open_invitation(self, workspace: Workspace) -> None:
        member = MembershipFactory(workspace=workspace, role=Role.VIEWER)
        invite(workspace)

        with pytest.raises(AlreadyMember):
            invite(workspace, member.user.email)
        with pytest.raises(AlreadyInvited):
            invite(workspace)
        assert StaffInvitation.objects.count() == 1

    def test_refuses_an_unknown_role_and_an_unknown_workspace(self, workspace: Workspace) -> None:
        with pytest.raises(Invalid, match="role"):
            invite(workspace, role="king")
        with pytest.raises(NotFound):
            invite_member(workspace_id=999, email=PARENT, role=Role.VIEWER, invited_by=None, now=utc_now())
        assert not StaffInvitation.objects.exists()

    @pytest.mark.parametrize("role", [Role.VIEWER, Role.REVIEWER, Role.ADMIN])
    def test_is_for_owners(self, workspace: Workspace, role: Role) -> None:
        client = StaffClient(workspace=workspace, role=role)

        answer = client.post(
            reverse("admin:accounts_membership_invite"),
            {"workspace": workspace.pk, "email": PARENT, "role": Role.VIEWER},
        )

        assert answer.status_code == 403
        assert not StaffInvitation.objects.exists()

    def test_is_for_owners_of_that_workspace(self, owner: StaffClient) -> None:
        elsewhere = WorkspaceFactory()

        owner.post(
            reverse("admin:accounts_membership_invite"),
            {"workspace": elsewhere.pk, "email": PARENT, "role": Role.VIEWER},
        )

        assert not StaffInvitation.objects.exists()
        assert not mail.outbox

    def test_sends_one_address_five_mails_a_day(self, owner: StaffClient, workspace: Workspace) -> None:
        invitation, _ = invite_member(
            workspace_id=workspace.pk, email=PARENT, role=Role.VIEWER, invited_by=None, now=utc_now()
        )
        url = reverse("admin:accounts_staffinvitation_send_again", args=[invitation.pk])

        answers = [said(owner.post(url)) for _ in range(6)]

        assert len(mail.outbox) == 5
        assert "At most 5 invitations are mailed a day." in answers[5][-1]


class TestAccepting:
    def test_makes_a_member_with_a_password(self, client: Client, owner: StaffClient, workspace: Workspace) -> None:
        owner.post(
            reverse("admin:accounts_membership_invite"),
            {"workspace": workspace.pk, "email": "new@district.test", "role": Role.REVIEWER},
        )
        link = link_in(mail.outbox[0])

        asked = client.get(link, follow=True)
        answer = client.post(link, {"new_password1": PASSWORD, "new_password2": PASSWORD})

        assert "Join the staff of North" in asked.content.decode()
        assert answer["Location"] == reverse("admin:index")
        assert opens(client)
        member = Membership.objects.get(user__email="new@district.test")
        assert (member.role, member.user.is_staff, member.user.check_password(PASSWORD)) == (Role.REVIEWER, True, True)

    def test_leaves_a_parents_sign_in_by_code(self, client: Client, workspace: Workspace) -> None:
        parent = UserFactory(email=PARENT)

        accept(client, invite(workspace))

        assert find_or_open_account(email=PARENT) == parent
        assert proven_address(user=parent) == PARENT
        assert client.get(reverse("my-enrollments")).status_code == 200

    def test_by_code_alone_never_opens_the_back_office(self, workspace: Workspace) -> None:
        parent = UserFactory(email=PARENT)
        accept(Client(), invite(workspace))
        browser = Client()
        browser.post(reverse("account_request_login_code"), {"email": PARENT})
        code = str(mail.outbox[-1].body).splitlines()[2]

        browser.post(reverse("account_confirm_login_code"), {"code": code})

        assert browser.session["_auth_user_id"] == str(parent.pk)
        assert browser.get(reverse("my-enrollments")).status_code == 200
        assert not opens(browser)

    @pytest.mark.parametrize(
        ("first", "second"), [("short", "short"), ("1234567890", "1234567890"), (PASSWORD, "another one entirely")]
    )
    def test_wants_a_good_password_twice(self, client: Client, workspace: Workspace, first: str, second: str) -> None:
        answer = accept(client, invite(workspace), new_password1=first, new_password2=second)

        assert answer.status_code == 422
        assert StaffInvitation.objects.get().accepted_at is None
        assert not User.objects.exists()

    def test_works_once(self, client: Client, workspace: Workspace) -> None:
        token = invite(workspace)
        accept(client, token)

        again = accept(Client(), token, new_password1="quite another one", new_password2="quite another one")

        assert again.status_code == 410
        assert "This invitation was accepted" in again.content.decode()
        assert User.objects.get().check_password(PASSWORD)

    def test_of_staff_elsewhere_takes_their_own_password(self, client: Client, workspace: Workspace) -> None:
        staff = MembershipFactory(user=StaffFactory(email="staff@south.test", password=make_password(PASSWORD))).user
        token = invite(workspace, "staff@south.test")

        wrong = accept(client, token, password="a guess")
        forged = accept(client, token, new_password1="taken over now", new_password2="taken over now")
        assert (wrong.status_code, forged.status_code, staff.memberships.count()) == (422, 422, 1)
        answer = accept(client, token, password=PASSWORD)

        staff.refresh_from_db()
        assert answer["Location"] == reverse("admin:index")
        assert staff.check_password(PASSWORD)
        assert staff.memberships.count() == 2

    def test_can_not_replace_the_password_of_staff(self, workspace: Workspace) -> None:
        staff = StaffFactory(email="staff@south.test", password=make_password(PASSWORD))
        token = invite(workspace, "staff@south.test")

        with pytest.raises(Invalid):
            accept_invitation(token=token, new_password="taken over now", now=utc_now())

        staff.refresh_from_db()
        assert staff.check_password(PASSWORD)
        assert not staff.memberships.exists()

    def test_pauses_after_wrong_passwords(self, client: Client, workspace: Workspace, time_machine: Any) -> None:
        time_machine.move_to(utc_now(), tick=False)  # the first pause lasts a second
        StaffFactory(email="staff@south.test", password=make_password(PASSWORD))
        token = invite(workspace, "staff@south.test")

        answers = [accept(client, token, password=f"guess {number}").status_code for number in range(6)]

        assert answers == [422] * 5 + [429]

    def test_is_closed_to_an_account_that_was_switched_off(self, client: Client, workspace: Workspace) -> None:
        UserFactory(email=PARENT, is_active=False)

        answer = accept(client, invite(workspace))

        assert answer.status_code == 410
        assert not Membership.objects.exists()

    def test_of_an_account_that_is_switched_off_at_that_moment_lets_nobody_in(self, workspace: Workspace) -> None:
        """The page has looked before."""
        UserFactory(email=PARENT, is_active=False)
        token = invite(workspace)

        with pytest.raises(InvitationOver, match="switched off"):
            accept_invitation(token=token, new_password=PASSWORD, now=utc_now())

        assert not Membership.objects.exists()

    def test_of_somebody_who_became_a_member_meanwhile_changes_nothing(self, workspace: Workspace) -> None:
        staff = StaffFactory(email="staff@south.test", password=make_password(PASSWORD))
        token = invite(workspace, "staff@south.test", role=Role.OWNER)
        member = MembershipFactory(workspace=workspace, user=staff, role=Role.VIEWER)

        with pytest.raises(AlreadyMember, match="already a member"):
            accept_invitation(token=token, new_password=None, now=utc_now())

        member.refresh_from_db()
        assert member.role == Role.VIEWER

    def test_ends_the_session_of_somebody_else(self, client: Client, workspace: Workspace) -> None:
        client.force_login(UserFactory(email="other@example.test"))

        accept(client, invite(workspace))

        assert client.session["_auth_user_id"] == str(User.objects.get(email=PARENT).pk)


class TestAnInvitation:
    def test_expires_after_a_week_and_says_so(
        self, client: Client, owner: StaffClient, workspace: Workspace, time_machine: Any
    ) -> None:
        time_machine.move_to("2026-09-01T12:00:00Z", tick=False)
        token = invite(workspace)
        time_machine.move_to("2026-09-08T12:00:00Z", tick=False)

        answer = accept(client, token)
        owner.force_login(owner.user, backend="django.contrib.auth.backends.ModelBackend")
        listed = owner.get(reverse("admin:accounts_staffinvitation_changelist")).content.decode()

        assert answer.status_code == 410
        assert "This invitation has expired" in answer.content.decode()
        assert "Expired" in listed
        assert not User.objects.filter(email=PARENT).exists()

    @pytest.mark.sqlite
    def test_that_is_sent_again_has_a_new_link_and_another_week(
        self, client: Client, workspace: Workspace, time_machine: Any
    ) -> None:
        time_machine.move_to("2026-09-01T12:00:00Z", tick=False)
        old = invite(workspace)
        time_machine.move_to("2026-09-20T12:00:00Z", tick=False)
        invitation, new = renew_invitation(
            StaffInvitation, invitation_id=StaffInvitation.objects.get().pk, now=utc_now()
        )

        assert invitation.expires_at == dt.datetime(2026, 9, 27, 12, tzinfo=dt.UTC)
        assert accept(client, old).status_code == 404
        assert accept(client, new).status_code == 302

    def test_that_is_revoked_opens_nothing(self, client: Client, owner: StaffClient, workspace: Workspace) -> None:
        token = invite(workspace)
        invitation = StaffInvitation.objects.get()

        owner.post(reverse("admin:accounts_staffinvitation_revoke", args=[invitation.pk]))

        assert accept(client, token).status_code == 410
        with pytest.raises(InvitationOver):
            renew_invitation(StaffInvitation, invitation_id=invitation.pk, now=utc_now())
        assert not Membership.objects.filter(user__email=PARENT).exists()

    def test_of_a_guessed_link_is_not_found(self, client: Client) -> None:
        assert accept(client, "guessed").status_code == 404

    @pytest.mark.sqlite
    @pytest.mark.parametrize("end", ["removed", "demoted"])
    def test_goes_with_the_owner_who_sent_it(self, owner: StaffClient, workspace: Workspace, end: str) -> None:
        MembershipFactory(workspace=workspace, role=Role.OWNER)
        mine = Membership.objects.get(user=owner.user)
        invite(workspace, invited_by=owner.user)
        elsewhere = WorkspaceFactory()
        invite(elsewhere, invited_by=owner.user)

        if end == "removed":
            remove_member(membership_id=mine.pk, now=utc_now())
        else:
            change_role(membership_id=mine.pk, role=Role.VIEWER, now=utc_now())

        states = {row.workspace_id: row.state(utc_now()) for row in StaffInvitation.objects.all()}
        assert states == {workspace.pk: "revoked", elsewhere.pk: "pending"}

    @pytest.mark.sqlite
    def test_is_not_seen_from_another_workspace(self, workspace: Workspace) -> None:
        invite(workspace)
        stranger = StaffClient(workspace=WorkspaceFactory(), role=Role.OWNER)
        row = StaffInvitation.objects.get()

        listed = stranger.get(reverse("admin:accounts_staffinvitation_changelist")).content.decode()
        renewed = stranger.post(reverse("admin:accounts_staffinvitation_send_again", args=[row.pk]))

        assert PARENT not in listed
        assert renewed.status_code == 404
        assert not mail.outbox


@pytest.mark.sqlite
class TestAMemberWhoIsRemoved:
    def test_is_out_at_once(self, owner: StaffClient, workspace: Workspace) -> None:
        colleague = StaffClient(workspace=workspace, role=Role.ADMIN)
        member = Membership.objects.get(user=colleague.user)
        assert opens(colleague)

        owner.post(reverse("admin:accounts_membership_remove", args=[member.pk]))

        assert not opens(colleague)


class TestANewPassword:
    def ask(self, client: Client, email: str) -> Any:
        return client.post(reverse("staff-password-forgotten"), {"email": email})

    def test_is_set_by_a_mailed_link_and_signs_in(self, client: Client) -> None:
        staff = MembershipFactory(user=StaffFactory(email="staff@north.test")).user  # let in once without a password
        self.ask(client, "staff@north.test")
        link = link_in(mail.outbox[0])

        answer = client.post(link, {"new_password1": PASSWORD, "new_password2": PASSWORD})

        staff.refresh_from_db()
        assert staff.check_password(PASSWORD)
        assert answer["Location"] == reverse("admin:index")
        assert opens(client)
        assert client.get(link).status_code == 410

    @pytest.mark.sqlite
    def test_needs_a_link_younger_than_an_hour(self, client: Client, time_machine: Any) -> None:
        time_machine.move_to("2026-09-01T12:00:00Z", tick=False)
        StaffFactory(email="staff@north.test", password=make_password(PASSWORD))
        self.ask(client, "staff@north.test")
        time_machine.move_to("2026-09-01T13:00:02Z", tick=False)

        assert client.get(link_in(mail.outbox[0])).status_code == 410

    def test_is_not_for_families_nor_for_those_who_run_the_platform(self, client: Client) -> None:
        UserFactory(email=PARENT)
        StaffFactory(email="root@example.test", is_superuser=True)
        StaffFactory(email="gone@example.test", is_active=False)

        pages = {
            CSRF_TOKEN.sub("", self.ask(client, email).content.decode().replace(email, ""))
            for email in (PARENT, "root@example.test", "gone@example.test", "nobody@example.test")
        }

        assert not mail.outbox
        assert len(pages) == 1

    def test_is_asked_for_four_times_in_ten_minutes(self, client: Client) -> None:
        answers = [self.ask(client, "staff@north.test").status_code for _ in range(5)]

        assert answers == [200] * 4 + [429]
