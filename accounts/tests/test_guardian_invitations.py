import datetime as dt
import re
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from accounts.families import learners_of
from accounts.guardian_invitations import (
    GuardianHasAddress,
    InvitedByAnotherAddress,
    accept_guardian_invitation,
    invite_guardian,
    mail_guardian_invitation,
    report_unanswered_invitations,
)
from accounts.guardians import ask_who_is_guardian, set_guardian_address
from accounts.invitation_links import (
    AlreadyInvited,
    InvitationOver,
    TooManyInvitations,
    renew_invitation,
    revoke_invitation,
)
from accounts.models import Guardian, GuardianInvitation, Guardianship, Learner, StaffTask, User, Workspace
from accounts.sign_in import find_or_open_account
from accounts.tests.factories import proven_user
from core.clock import utc_now

from .factories import GuardianFactory, GuardianshipFactory, StaffFactory, UserFactory, WorkspaceFactory

pytestmark = pytest.mark.django_db

PARENT = "parent@home.test"
BY_CODE = "allauth.account.auth_backends.AuthenticationBackend"


@pytest.fixture
def workspace() -> Workspace:
    made: Workspace = WorkspaceFactory(slug="north", name="North")
    return made


@pytest.fixture
def guardian(workspace: Workspace) -> Guardian:
    """Known to the workspace by an id alone, with two children."""
    made: Guardian = GuardianFactory(workspace=workspace, external_id="G-1", email=None, first_name="", last_name="")
    for name in ("Ada", "Ben"):
        child_of(made, name)
    return made


def child_of(guardian: Guardian, name: str) -> Learner:
    child: Learner = GuardianshipFactory(guardian=guardian, learner__first_name=name).learner
    return child


def proven(email: str = PARENT) -> User:
    return proven_user(email)


def invite(guardian: Guardian, email: str = PARENT) -> str:
    return invite_guardian(guardian_id=guardian.pk, email=email, invited_by=None, now=utc_now())[1]


def accept(token: str, user: User) -> Any:
    return accept_guardian_invitation(token=token, user=user, now=utc_now())


def page(token: str) -> str:
    return reverse("guardian-invitation", args=[token])


def seen_by(user: User) -> list[str]:
    return sorted(learners_of(user).values_list("first_name", flat=True))


def body(answer: Any) -> str:
    return answer.content.decode()


class TestInvitingAGuardian:
    def test_shows_nobody_anything_before_they_accept(self, guardian: Guardian) -> None:
        parent = proven()

        invite(guardian, " PARENT@home.test ")

        guardian.refresh_from_db()
        assert guardian.email is None
        assert seen_by(parent) == []
        assert GuardianInvitation.objects.get().email == PARENT

    def test_keeps_no_link_that_somebody_could_read(self, guardian: Guardian) -> None:
        token = invite(guardian)

        assert token not in str(GuardianInvitation.objects.values().get())

    def test_mails_the_link_without_a_name_of_a_child(self, guardian: Guardian) -> None:
        invitation, token = invite_guardian(
            guardian_id=guardian.pk, email=PARENT, invited_by=None, now=dt.datetime(2026, 9, 1, tzinfo=dt.UTC)
        )

        mail_guardian_invitation(invitation=invitation, token=token)

        message: Any = mail.outbox[0]
        assert message.to == [PARENT]
        assert f"http://127.0.0.1:8000{page(token)}" in message.body
        html = str(message.alternatives[0][0])
        assert not re.search("Ada|Ben|Doe", f"{message.subject} {message.body} {html}")

    def test_is_refused_while_another_invitation_is_open(self, guardian: Guardian) -> None:
        invite(guardian)

        with pytest.raises(AlreadyInvited):
            invite(guardian, "other@home.test")

        assert GuardianInvitation.objects.get().email == PARENT

    def test_is_refused_for_a_guardian_who_signs_in_by_another_address(self, workspace: Workspace) -> None:
        known = GuardianFactory(workspace=workspace, email="mother@home.test")
        proven("mother@home.test")

        with pytest.raises(GuardianHasAddress):
            invite(known, "stranger@home.test")

        assert not GuardianInvitation.objects.exists()

    def test_may_replace_an_address_that_nobody_has_proven(self, workspace: Workspace) -> None:
        mistyped = GuardianFactory(workspace=workspace, email="mohter@home.test")
        child_of(mistyped, "Ada")
        find_or_open_account(email="mohter@home.test")

        accept(invite(mistyped, PARENT), proven())

        mistyped.refresh_from_db()
        assert mistyped.email == PARENT

    def test_mails_one_address_five_times_a_day(self, guardian: Guardian) -> None:
        made = invite_guardian(guardian_id=guardian.pk, email=PARENT, invited_by=None, now=utc_now())
        for _ in range(5):
            mail_guardian_invitation(invitation=made[0], token=made[1])

        with pytest.raises(TooManyInvitations) as refused:
            mail_guardian_invitation(invitation=made[0], token=made[1])

        assert len(mail.outbox) == 5
        assert 0 < refused.value.retry_after <= 24 * 60 * 60


class TestAccepting:
    def test_gives_the_guardian_the_proven_address(self, guardian: Guardian) -> None:
        parent = proven()

        accepted = accept(invite(guardian), parent)

        guardian.refresh_from_db()
        assert (guardian.email, accepted.has_joined) == (PARENT, False)
        assert [learner.first_name for learner in accepted.learners] == ["Ada", "Ben"]
        invitation = GuardianInvitation.objects.get()
        assert (invitation.state(utc_now()), invitation.accepted_by) == ("accepted", parent)

    def test_shows_the_children_there_are_and_those_to_come(self, guardian: Guardian) -> None:
        parent = proven()
        accept(invite(guardian), parent)

        child_of(guardian, "Cleo")

        assert seen_by(parent) == ["Ada", "Ben", "Cleo"]

    def test_ends_the_search_for_the_guardian(self, guardian: Guardian) -> None:
        ask_who_is_guardian(guardian_id=guardian.pk)

        accept(invite(guardian), proven())

        task = StaffTask.objects.get()
        assert (task.kind, task.status, task.done_by) == ("guardian_without_address", "done", None)

    @pytest.mark.parametrize("who", ["somebody else", "the same address unproven"])
    def test_takes_the_invited_address_proven(self, guardian: Guardian, who: str) -> None:
        user = proven("stranger@home.test") if who == "somebody else" else UserFactory(email=PARENT)
        token = invite(guardian)

        with pytest.raises(InvitedByAnotherAddress):
            accept(token, user)

        guardian.refresh_from_db()
        assert guardian.email is None
        assert GuardianInvitation.objects.get().is_open()
        assert seen_by(user) == []

    def test_works_once(self, guardian: Guardian) -> None:
        token = invite(guardian)
        accept(token, proven())
        set_guardian_address(guardian_id=guardian.pk, email=None, now=utc_now())

        with pytest.raises(InvitationOver):
            accept(token, proven())

        guardian.refresh_from_db()
        assert guardian.email is None

    def test_never_takes_an_address_away_that_was_proven_meanwhile(self, guardian: Guardian) -> None:
        token = invite(guardian)
        Guardian.objects.filter(pk=guardian.pk).update(email="mother@home.test")
        proven("mother@home.test")

        with pytest.raises(GuardianHasAddress) as refused:
            accept(token, proven())

        guardian.refresh_from_db()
        assert guardian.email == "mother@home.test"
        assert "mother@home.test" not in refused.value.detail

    @pytest.mark.sqlite
    def test_makes_one_of_two_rows_for_a_parent_who_added_a_child_before(self, guardian: Guardian) -> None:
        added = GuardianFactory(workspace=guardian.workspace, external_id=None, email=PARENT, first_name="Gail")
        child_of(added, "Dora")
        GuardianshipFactory(guardian=added, learner=guardian.learners.get(first_name="Ada"))
        parent = proven()

        accepted = accept(invite(guardian), parent)
        child_of(guardian, "Cleo")

        kept = Guardian.objects.get()
        assert (kept.pk, kept.external_id, kept.email, kept.first_name) == (guardian.pk, "G-1", PARENT, "Gail")
        assert accepted.has_joined
        assert seen_by(parent) == ["Ada", "Ben", "Cleo", "Dora"]
        assert Guardianship.objects.count() == 4

    def test_asks_whether_a_child_of_both_rows_is_one(self, guardian: Guardian) -> None:
        added = GuardianFactory(workspace=guardian.workspace, external_id=None, email=PARENT)
        known = GuardianshipFactory(guardian=guardian, learner__first_name="Eve", learner__last_name="Roe").learner
        twin = GuardianshipFactory(guardian=added, learner__first_name="Eve", learner__last_name="Roe").learner

        accept(invite(guardian), proven())

        tasks = StaffTask.objects.filter(kind="possible_twins", subject=f"learner:{known.pk}/learner:{twin.pk}")
        assert tasks.count() == 1

    def test_answers_what_staff_were_asked_about_the_row_that_goes(self, guardian: Guardian) -> None:
        added = GuardianFactory(workspace=guardian.workspace, external_id=None, email=PARENT)
        late = utc_now() - dt.timedelta(days=8)
        invite_guardian(guardian_id=added.pk, email="elsewhere@home.test", invited_by=None, now=late)
        assert report_unanswered_invitations(now=utc_now()) == 1

        accept(invite(guardian), proven())

        task = StaffTask.objects.get()
        assert (task.status, task.resolution) == ("done", f"This is guardian {guardian.pk}.")

    def test_links_the_children_to_the_guardian_who_has_the_address(self, guardian: Guardian) -> None:
        other = GuardianFactory(workspace=guardian.workspace, external_id="G-2", email=PARENT)
        child_of(other, "Dora")
        parent = proven()

        accepted = accept(invite(guardian), parent)

        guardian.refresh_from_db()
        assert (guardian.email, accepted.guardian, accepted.has_joined) == (None, other, True)
        assert seen_by(parent) == ["Ada", "Ben", "Dora"]

    def test_may_come_before_the_first_child(self, client: Client, workspace: Workspace) -> None:
        early = GuardianFactory(workspace=workspace, external_id="G-9", email=None)
        link = page(invite(early))
        parent = proven()
        client.force_login(parent, backend=BY_CODE)

        asked, answer = client.get(link, follow=True), client.post(link, follow=True)
        child_of(early, "Ada")

        assert "has not linked a child to you yet" in body(asked)
        assert "The children you answer for will be shown here." in body(answer)
        assert seen_by(parent) == ["Ada"]

    def test_joins_nobody_of_another_workspace(self, guardian: Guardian) -> None:
        elsewhere = GuardianFactory(external_id=None, email=PARENT)
        child = child_of(elsewhere, "Dora")

        accepted = accept(invite(guardian), proven())

        guardian.refresh_from_db()
        assert (guardian.email, accepted.has_joined) == (PARENT, False)
        assert list(elsewhere.learners.all()) == [child]


class TestTheLink:
    """What the link shows, and to whom."""

    def test_asks_for_a_code_and_shows_no_child(self, client: Client, guardian: Guardian) -> None:
        answer = client.get(page(invite(guardian)), follow=True)

        assert answer.status_code == 200
        assert "North invites you" in body(answer)
        assert "Mail me a code" in body(answer)
        assert not re.search("Ada|Ben|Doe", body(answer))

    @pytest.mark.sqlite
    def test_leads_through_the_code_to_the_children(self, client: Client, guardian: Guardian) -> None:
        link = page(invite(guardian))

        client.post(reverse("account_request_login_code"), {"email": PARENT, "next": link})
        code = str(mail.outbox[-1].body).splitlines()[2]
        entered = client.post(reverse("account_confirm_login_code"), {"code": code, "next": link})
        asked = client.get(link, follow=True)
        accepted = client.post(link)

        assert entered["Location"] == link
        assert "<li>Ada</li>" in body(asked)
        assert "Doe" not in body(asked)
        assert accepted["Location"] == reverse("my-enrollments")
        assert "You follow Ada and Ben now." in body(client.get(accepted["Location"]))

    @pytest.mark.parametrize("method", ["get", "post"])
    def test_shows_no_child_to_somebody_else(self, client: Client, guardian: Guardian, method: str) -> None:
        client.force_login(proven("stranger@home.test"), backend=BY_CODE)

        answer = getattr(client, method)(page(invite(guardian)), follow=True)

        assert answer.status_code == (200 if method == "get" else 403)
        assert "This invitation is for another address" in body(answer)
        assert not re.search("Ada|Ben|Doe", body(answer))
        assert GuardianInvitation.objects.get().is_open()

    def test_shows_no_child_to_staff_with_a_password_alone(self, client: Client, guardian: Guardian) -> None:
        client.force_login(StaffFactory(email=PARENT), backend="django.contrib.auth.backends.ModelBackend")

        answer = client.post(page(invite(guardian)))

        assert answer.status_code == 403
        assert "Families prove their address with a code" in body(answer)
        assert not re.search("Ada|Ben|Doe", body(answer))

    def test_comes_back_after_signing_out(self, client: Client, guardian: Guardian) -> None:
        client.force_login(proven("stranger@home.test"), backend=BY_CODE)
        link = page(invite(guardian))

        answer = client.post(reverse("account_logout"), {"next": link})

        assert answer["Location"] == link
        assert "Mail me a code" in body(client.get(link, follow=True))

    def test_is_accepted_by_a_form_of_the_site_only(self, guardian: Guardian) -> None:
        browser = Client(enforce_csrf_checks=True)
        browser.force_login(proven(), backend=BY_CODE)

        answer = browser.post(page(invite(guardian)))

        assert answer.status_code == 403
        assert GuardianInvitation.objects.get().is_open()

    def test_says_so_when_it_was_used(self, client: Client, guardian: Guardian) -> None:
        token = invite(guardian)
        accept(token, proven())

        answer = client.get(page(token))

        assert (answer.status_code, "This invitation was accepted" in body(answer)) == (410, True)

    def test_says_so_when_it_was_revoked(self, client: Client, guardian: Guardian) -> None:
        token = invite(guardian)
        revoke_invitation(GuardianInvitation, invitation_id=GuardianInvitation.objects.get().pk, now=utc_now())
        client.force_login(proven(), backend=BY_CODE)

        answer = client.post(page(token))

        assert (answer.status_code, "This invitation was withdrawn" in body(answer)) == (410, True)
        assert seen_by(proven()) == []

    def test_says_so_when_a_week_has_passed(self, client: Client, guardian: Guardian, time_machine: Any) -> None:
        time_machine.move_to("2026-09-01T12:00:00Z", tick=False)
        token = invite(guardian)
        time_machine.move_to("2026-09-08T12:00:00Z", tick=False)
        client.force_login(proven(), backend=BY_CODE)

        answer = client.post(page(token))

        assert (answer.status_code, "This invitation has expired" in body(answer)) == (410, True)
        with pytest.raises(InvitationOver):
            accept(token, proven())
        assert seen_by(proven()) == []

    def test_that_is_guessed_is_not_found(self, client: Client) -> None:
        assert client.get(page("guessed")).status_code == 404

    def test_that_was_sent_again_ends_the_one_before(self, client: Client, guardian: Guardian) -> None:
        old = invite(guardian)
        _, new = renew_invitation(GuardianInvitation, invitation_id=GuardianInvitation.objects.get().pk, now=utc_now())

        assert client.get(page(old)).status_code == 404
        assert client.get(page(new), follow=True).status_code == 200

    def test_of_a_guardian_who_was_given_another_address_is_over(self, client: Client, guardian: Guardian) -> None:
        token = invite(guardian)

        set_guardian_address(guardian_id=guardian.pk, email="other@home.test", now=utc_now())

        assert client.get(page(token)).status_code == 410


class TestAnInvitationThatNobodyAccepts:
    def test_becomes_one_task_for_staff(self, guardian: Guardian) -> None:
        invite(guardian)
        later = utc_now() + dt.timedelta(days=8)

        told = [report_unanswered_invitations(now=later) for _ in range(2)]

        task = StaffTask.objects.get()
        assert told == [1, 0]
        assert (task.kind, task.subject, task.workspace_id) == (
            "guardian_invitation_unanswered",
            f"guardian:{guardian.pk}",
            guardian.workspace_id,
        )

    def test_is_no_task_before_its_time_nor_once_it_is_over(self, guardian: Guardian) -> None:
        invite(guardian)
        assert report_unanswered_invitations(now=utc_now() + dt.timedelta(days=6)) == 0
        revoke_invitation(GuardianInvitation, invitation_id=GuardianInvitation.objects.get().pk, now=utc_now())

        assert report_unanswered_invitations(now=utc_now() + dt.timedelta(days=8)) == 0
        assert not StaffTask.objects.exists()

    @pytest.mark.sqlite
    def test_waits_anew_once_it_is_sent_again(self, guardian: Guardian) -> None:
        invite(guardian)
        later = utc_now() + dt.timedelta(days=8)
        report_unanswered_invitations(now=later)

        renewed = renew_invitation(GuardianInvitation, invitation_id=GuardianInvitation.objects.get().pk, now=later)
        mail_guardian_invitation(invitation=renewed[0], token=renewed[1])

        assert StaffTask.objects.get().status == "done"
        assert report_unanswered_invitations(now=later + dt.timedelta(days=6)) == 0
        assert report_unanswered_invitations(now=later + dt.timedelta(days=8)) == 1


class TestAnAddressGivenByTheWorkspace:
    def test_takes_access_from_the_one_before_at_once(self, guardian: Guardian) -> None:
        set_guardian_address(guardian_id=guardian.pk, email="old@home.test", now=utc_now())
        assert seen_by(proven("old@home.test")) == ["Ada", "Ben"]

        set_guardian_address(guardian_id=guardian.pk, email="new@home.test", now=utc_now())

        assert seen_by(proven("old@home.test")) == []
        assert seen_by(proven("new@home.test")) == ["Ada", "Ben"]
