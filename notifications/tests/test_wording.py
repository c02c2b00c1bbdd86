"""Mails in a workspace's own words."""

import datetime as dt
from typing import Any
from unittest.mock import patch

import pytest
from django.urls import reverse
from django.utils import translation

from accounts.models import Workspace
from accounts.states import Role
from accounts.tests.factories import UserFactory, WorkspaceFactory
from backoffice.tests.staff_client import StaffClient, said
from core.actors import Actor
from core.errors import Invalid, NotFound
from notifications import wording
from notifications.letters import register_email
from notifications.models import Notification, WorkspaceLetter
from notifications.sending import notify, send_due_notifications
from notifications.wording import (
    Placeholder,
    Wording,
    Words,
    begin_letter,
    change_letter,
    check_words,
    fill_in,
    our_words,
    register_wording,
    reset_letter,
    write_letter,
)

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2026, 9, 2, 15, 0, tzinfo=dt.UTC)
STAFF = Actor("user", 1)
KIND = "wording_sample"
VALUES = {"learner": "Mia", "link": "https://enroll.example.test/my", "program": "Robotics", "instance": "Spring"}


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kind of its own, with the words of a mail there is."""
    monkeypatch.setattr(wording, "_wordings", dict(wording._wordings))
    known = tuple(Placeholder(name, f"the {name}", value) for name, value in VALUES.items())
    register_wording(Wording(KIND, "Sample", "enrollments/eligible", (*known, Placeholder("workspace", "us", "Us"))))
    register_email(KIND, lambda mail: write_letter(kind=KIND, workspace_id=mail.workspace_id, values=VALUES))


@pytest.fixture
def workspace() -> Workspace:
    made: Workspace = WorkspaceFactory()
    return made


def own(workspace: Workspace, *, subject: str = "Hi {learner}", body: str = "{program}", is_on: bool = True) -> Any:
    letter = begin_letter(workspace_id=workspace.pk, kind=KIND, actor=STAFF, now=NOW)
    return change_letter(letter_id=letter.pk, subject=subject, body=body, is_on=is_on, actor=STAFF, now=NOW)


def tell(workspace: Workspace) -> bool:
    return notify(workspace_id=workspace.pk, kind=KIND, recipient="a@home.test", subject_key="x:1", now=NOW)


class TestTheWords:
    def test_are_ours_until_the_workspace_writes_its_own(self, workspace: Workspace) -> None:
        ours = write_letter(kind=KIND, workspace_id=workspace.pk, values=VALUES)
        own(workspace, body="Dear family,\n\n{learner} may come.\n\n-> Look: {link}")

        theirs = write_letter(kind=KIND, workspace_id=workspace.pk, values=VALUES)

        assert ours.subject == "Mia meets the criteria of Robotics"
        assert theirs.subject == "Hi Mia"
        assert theirs.text == "Dear family,\n\nMia may come.\n\nLook: https://enroll.example.test/my\n"
        assert '<a href="https://enroll.example.test/my"' in theirs.html

    def test_of_another_workspace_stay_theirs(self, workspace: Workspace) -> None:
        own(WorkspaceFactory())

        assert write_letter(kind=KIND, workspace_id=workspace.pk, values=VALUES).subject.startswith("Mia meets")

    def test_begin_with_ours_and_change_nothing(self, workspace: Workspace) -> None:
        before = write_letter(kind=KIND, workspace_id=workspace.pk, values=VALUES)

        begin_letter(workspace_id=workspace.pk, kind=KIND, actor=STAFF, now=NOW)

        assert write_letter(kind=KIND, workspace_id=workspace.pk, values=VALUES) == before

    def test_are_ours_again_after_a_reset(self, workspace: Workspace) -> None:
        letter = own(workspace, is_on=False)

        reset_letter(letter_id=letter.pk)

        assert not WorkspaceLetter.objects.exists()
        assert tell(workspace)

    def test_are_ours_again_after_a_reset_in_one_of_two_languages(self, workspace: Workspace) -> None:
        spanish = begin_letter(workspace_id=workspace.pk, kind=KIND, language="es", actor=STAFF, now=NOW)
        letter = own(workspace, is_on=False)

        reset_letter(letter_id=letter.pk)

        assert list(WorkspaceLetter.objects.values_list("pk", "is_on")) == [(spanish.pk, True)]
        assert tell(workspace)

    def test_are_not_kept_where_they_were_reset_meanwhile(self, workspace: Workspace) -> None:
        letter = own(workspace)
        reset_letter(letter_id=letter.pk)

        with pytest.raises(NotFound):
            change_letter(letter_id=letter.pk, subject="a", body="b", is_on=True, actor=STAFF, now=NOW)

        assert not WorkspaceLetter.objects.exists()


class TestALanguage:
    def test_has_words_of_ours(self, workspace: Workspace) -> None:
        with translation.override("es"):
            letter = write_letter(kind=KIND, workspace_id=workspace.pk, values=VALUES)

        assert letter.subject == "Mia cumple los criterios de Robotics"
        assert '<html lang="es">' in letter.html

    def test_has_words_of_the_workspaces_own(self, workspace: Workspace) -> None:
        letter = begin_letter(workspace_id=workspace.pk, kind=KIND, language="es", actor=STAFF, now=NOW)
        change_letter(letter_id=letter.pk, subject="Hola {learner}", body="Bien", is_on=True, actor=STAFF, now=NOW)

        with translation.override("es"):
            theirs = write_letter(kind=KIND, workspace_id=workspace.pk, values=VALUES)

        assert theirs.subject == "Hola Mia"
        assert write_letter(kind=KIND, workspace_id=workspace.pk, values=VALUES).subject.startswith("Mia meets")

    def test_begins_with_ours_in_it(self, workspace: Workspace) -> None:
        letter = begin_letter(workspace_id=workspace.pk, kind=KIND, language="pl", actor=STAFF, now=NOW)

        assert letter.subject == "{learner} spełnia kryteria programu {program}"

    def test_that_is_none_of_ours_is_refused(self, workspace: Workspace) -> None:
        with pytest.raises(Invalid):
            begin_letter(workspace_id=workspace.pk, kind=KIND, language="de", actor=STAFF, now=NOW)

        assert not WorkspaceLetter.objects.exists()

    def test_is_switched_off_with_the_others(self, workspace: Workspace) -> None:
        begin_letter(workspace_id=workspace.pk, kind=KIND, language="es", actor=STAFF, now=NOW)

        own(workspace, is_on=False)

        assert set(WorkspaceLetter.objects.values_list("language", "is_on")) == {("en", False), ("es", False)}
        assert not tell(workspace)


class TestAReceiver:
    def test_is_written_to_in_the_language_of_their_account(self, workspace: Workspace) -> None:
        UserFactory(email="a@home.test", language="pl")
        tell(workspace)

        with patch("notifications.sending.render", side_effect=lambda _: spoken.append(translation.get_language())):
            spoken: list[str] = []
            send_due_notifications(now=NOW)

        assert spoken == ["pl"]
        assert translation.get_language() == "en"


class TestPlaceholders:
    @pytest.mark.parametrize(
        ("subject", "body", "field", "code"),
        [
            ("Hi {lerner}", "Text", "subject", "unknown_placeholder"),
            ("Hi", "Dear {reason}", "body", "unknown_placeholder"),
            ("Hi", "A { brace", "body", "stray_brace"),
            ("Hi", "{{ learner }}", "body", "stray_brace"),
            ("Hi", "{% include 'x' %}", "body", "stray_brace"),
            ("Hi", "{learner.password}", "body", "stray_brace"),
            ("Hi", "{learner!r:>99}", "body", "stray_brace"),
            ("  ", "Text", "subject", "blank"),
            ("Hi", "\n", "body", "blank"),
            ("x" * 151, "Text", "subject", "too_long"),
            ("Hi", "x" * 5001, "body", "too_long"),
        ],
    )
    def test_that_are_wrong_are_named_and_nothing_is_kept(
        self, workspace: Workspace, subject: str, body: str, field: str, code: str
    ) -> None:
        letter = own(workspace)

        with pytest.raises(Invalid) as refusal:
            change_letter(letter_id=letter.pk, subject=subject, body=body, is_on=True, actor=STAFF, now=NOW)

        assert [(fault.field, fault.code) for fault in refusal.value.errors] == [(field, code)]
        letter.refresh_from_db()
        assert (letter.subject, letter.body) == ("Hi {learner}", "{program}")

    def test_that_are_unknown_are_told_with_those_that_are_known(self) -> None:
        with pytest.raises(Invalid) as refusal:
            check_words(kind=KIND, subject="Hi", body="{lerner}")

        assert refusal.value.errors[0].detail == (
            "{lerner} is not known in this mail. It knows {learner}, {link}, {program}, {instance}, {workspace}."
        )

    def test_are_filled_in_once_and_stay_text(self) -> None:
        """A name that looks like a placeholder, a button or a paragraph is only a name."""
        email = fill_in(Words("{learner}", "Dear {learner}"), {"learner": "{program}\n\n-> Pay: https://evil.test"})

        assert email.text == "Dear {program} Pay: https://evil.test\n"

    def test_that_are_empty_take_their_paragraph_with_them(self) -> None:
        email = fill_in(Words("Hi", "One {note}\n\n{note}\n\n-> Look: {note}\n\nTwo"), {"note": ""})

        assert email.text == "One\n\nTwo\n"


class TestAMailThatIsSwitchedOff:
    def test_is_not_written(self, workspace: Workspace) -> None:
        own(workspace, is_on=False)

        assert not tell(workspace)
        assert not Notification.objects.exists()

    def test_is_not_sent_if_it_was_waiting(self, workspace: Workspace, mailoutbox: list[Any]) -> None:
        tell(workspace)
        own(workspace, is_on=False)

        send_due_notifications(now=NOW)

        assert Notification.objects.get().status == "skipped"
        assert mailoutbox == []

    def test_is_sent_by_others(self, workspace: Workspace) -> None:
        own(WorkspaceFactory(), is_on=False)

        assert tell(workspace)


class TestEveryKind:
    @pytest.mark.parametrize("kind", sorted(wording._wordings))
    def test_has_words_of_ours_that_its_own_rules_accept(self, kind: str) -> None:
        ours = our_words(kind)

        assert check_words(kind=kind, subject=ours.subject, body=ours.body) == ours


class TestTheBackOffice:
    @pytest.mark.sqlite
    def test_begins_previews_and_saves(self, workspace: Workspace) -> None:
        manager = StaffClient(workspace=workspace, role=Role.ADMIN)
        begun = manager.post(
            reverse("admin:notifications_workspaceletter_begin"),
            {"workspace": workspace.pk, "kind": KIND, "language": "en"},
        )
        letter = WorkspaceLetter.objects.get()
        page = reverse("admin:notifications_workspaceletter_change_words", args=[letter.pk])
        words = {"subject": "Hi {learner}", "body": "Welcome to {program}", "is_on": "on"}

        seen = manager.post(page, words)
        saved = manager.confirm(page, words)

        assert begun["Location"] == page
        ((_, preview),) = seen.context["previews"]
        assert [(letter.subject, letter.text) for letter in preview.letters] == [("Hi Mia", "Welcome to Robotics\n")]
        assert said(saved) == ["Sample: saved."]
        letter.refresh_from_db()
        assert (letter.subject, letter.body, letter.changed_by) == (
            "Hi {learner}",
            "Welcome to {program}",
            f"user:{manager.user.pk}",
        )

    def test_says_that_nobody_gets_a_mail_that_is_switched_off(self, workspace: Workspace) -> None:
        letter = own(workspace)
        manager = StaffClient(workspace=workspace, role=Role.ADMIN)
        change = reverse("admin:notifications_workspaceletter_change_words", args=[letter.pk])
        words = {"subject": letter.subject, "body": letter.body}

        seen = manager.post(change, words)
        saved = manager.confirm(change, words)

        ((_, preview),) = seen.context["previews"]
        assert (preview.letters, preview.mails) == ((), "This mail is switched off: nobody gets it.")
        assert said(saved) == ["Sample: switched off."]
        assert not WorkspaceLetter.objects.get().is_on

    def test_shows_the_mail_as_a_family_gets_it_and_whether_it_is_sent(self, workspace: Workspace) -> None:
        letter = own(workspace)
        manager = StaffClient(workspace=workspace, role=Role.ADMIN)
        page = reverse("admin:notifications_workspaceletter_change", args=[letter.pk])

        on = manager.get(page).content.decode()
        WorkspaceLetter.objects.update(is_on=False)
        off = manager.get(page).content.decode()

        assert "Hi Mia" in on
        assert letter.body in on
        assert ("In own words" in on, "Switched off" in on) == (True, False)
        assert ("In own words" in off, "Switched off" in off) == (False, True)

    def test_names_an_unknown_placeholder_beside_the_field(self, workspace: Workspace) -> None:
        letter = own(workspace)
        manager = StaffClient(workspace=workspace, role=Role.ADMIN)

        page = manager.post(
            reverse("admin:notifications_workspaceletter_change_words", args=[letter.pk]),
            {"subject": "Hi {name}", "body": "Text", "is_on": "on"},
        )

        assert "{name} is not known in this mail." in str(page.context["form"].errors["subject"])

    def test_resets(self, workspace: Workspace) -> None:
        letter = own(workspace)
        manager = StaffClient(workspace=workspace, role=Role.ADMIN)

        manager.post(reverse("admin:notifications_workspaceletter_reset", args=[letter.pk]))

        assert not WorkspaceLetter.objects.exists()

    @pytest.mark.sqlite
    def test_refuses_a_reviewer(self, workspace: Workspace) -> None:
        letter = own(workspace)
        reviewer = StaffClient(workspace=workspace, role=Role.REVIEWER)

        answer = reviewer.post(
            reverse("admin:notifications_workspaceletter_change_words", args=[letter.pk]), {"subject": "x", "body": "y"}
        )

        letter.refresh_from_db()
        assert answer.status_code == 403
        assert letter.subject == "Hi {learner}"
