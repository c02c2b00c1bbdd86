"""Staff who change the words of one mail in two languages at the same moment."""

from functools import partial

import pytest

from accounts.models import Workspace
from accounts.tests.factories import WorkspaceFactory
from core.clock import utc_now
from enrollments.letters import APPROVED
from enrollments.tests.factories import STAFF
from notifications import wording
from notifications.models import WorkspaceLetter
from notifications.wording import begin_letter, change_letter, is_switched_off
from tests.processes import KEPT_OUT, Failure, Meeting, at_once

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def workspace() -> Workspace:
    made: Workspace = WorkspaceFactory()
    return made


def begin(workspace: Workspace, language: str) -> WorkspaceLetter:
    return begin_letter(workspace_id=workspace.pk, kind=APPROVED, language=language, actor=STAFF, now=utc_now())


def switch(letter: WorkspaceLetter, *, is_on: bool) -> bool:
    words = {"subject": letter.subject, "body": letter.body}
    return change_letter(letter_id=letter.pk, is_on=is_on, actor=STAFF, now=utc_now(), **words).is_on


def switch_both(english: WorkspaceLetter, spanish: WorkspaceLetter) -> list[object]:
    return at_once(partial(switch, english, is_on=False), partial(switch, spanish, is_on=True))


def lock_one(letter_id: int) -> WorkspaceLetter:
    return WorkspaceLetter.objects.select_for_update().get(pk=letter_id)


class TestTwoLanguagesChangedAtOnce:
    def test_follow_each_other(self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
        letters = begin(workspace, "en"), begin(workspace, "es")
        monkeypatch.setattr(wording, "_lock_letters", Meeting(wording._lock_letters, patience=KEPT_OUT))

        assert switch_both(*letters) == [False, True]
        assert WorkspaceLetter.objects.values("is_on").distinct().count() == 1

    def test_would_deadlock_if_each_locked_its_own_first(
        self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Control."""
        letters = begin(workspace, "en"), begin(workspace, "es")
        monkeypatch.setattr(wording, "_lock_in_every_language", Meeting(lock_one))

        failures = [answer for answer in switch_both(*letters) if isinstance(answer, Failure)]

        assert ["deadlock detected" in failure.message for failure in failures] == [True]


class TestALanguageBegunWhileTheMailIsSwitchedOff:
    def test_is_switched_off_too(self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
        english = begin(workspace, "en")
        monkeypatch.setattr(wording, "_lock_letters", Meeting(wording._lock_letters, patience=KEPT_OUT))

        at_once(partial(switch, english, is_on=False), partial(begin, workspace, "es"))

        assert is_switched_off(kind=APPROVED, workspace_id=workspace.pk)
        assert list(WorkspaceLetter.objects.values_list("is_on", flat=True)) == [False, False]

    def test_without_the_lock_would_seem_switched_on(
        self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Control: whoever begins reads that it is on, and adds a row that the other does not see."""
        english = begin(workspace, "en")
        meeting = Meeting(lambda answer: answer)
        monkeypatch.setattr(wording, "_lock_letters", lambda workspace_id, kind: [english])
        monkeypatch.setattr(wording, "is_switched_off", lambda **mail: meeting(meeting(is_switched_off(**mail))))

        at_once(lambda: meeting(switch(meeting(english), is_on=False)), partial(begin, workspace, "es"))

        assert set(WorkspaceLetter.objects.values_list("language", "is_on")) == {("en", False), ("es", True)}
