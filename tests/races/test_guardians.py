"""Two people who accept at the same moment, and a child who is added while the guardian turns out to be known."""

from typing import Any

import pytest
from django.db import transaction

from accounts import guardian_invitations, guardians, newcomers
from accounts.guardian_invitations import accept_guardian_invitation, invite_guardian
from accounts.guardians import add_guardian, ask_who_is_guardian, set_guardian_address
from accounts.invitation_links import find_invitation
from accounts.models import Guardian, GuardianInvitation, Guardianship, StaffTask, User
from accounts.sign_in import find_or_open_account
from accounts.tests.factories import GuardianFactory, GuardianshipFactory, LearnerFactory, proven_user
from cohorts.sale import participants
from cohorts.sale.limits import refuse_more_learners
from cohorts.sale.participants import add_child
from core.clock import utc_now
from core.rows import hold_row, lock_rows
from operations.doctor import examine
from tests.processes import BOTH_COME, KEPT_OUT, Meeting, at_once

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

PARENT = "parent@home.test"


def invited(**known: Any) -> tuple[Guardian, str]:
    """A guardian with a child and an open invitation, whose address is proven."""
    guardian = GuardianFactory(email=None, **known)
    GuardianshipFactory(guardian=guardian)
    proven_user(PARENT)
    return guardian, invite_guardian(guardian_id=guardian.pk, email=PARENT, invited_by=None, now=utc_now())[1]


def accept(token: str) -> int:
    user = find_or_open_account(email=PARENT)
    assert user is not None
    return accept_guardian_invitation(token=token, user=user, now=utc_now()).guardian.pk


class TestAcceptingInTheSameMoment:
    def test_is_done_once_by_one_link(self) -> None:
        guardian, token = invited()

        answers = at_once(*[lambda: accept(token)] * 4)

        assert [answer for answer in answers if isinstance(answer, int)] == [guardian.pk]
        assert {answer.kind for answer in answers if not isinstance(answer, int)} == {"InvitationOver"}
        assert Guardian.objects.get().email == PARENT
        assert examine() == {}

    def test_by_links_of_two_ids_of_one_person_gives_one_of_them_the_address(self) -> None:
        first, one = invited()
        _, two = invited(workspace=first.workspace)

        answers = at_once(lambda: accept(one), lambda: accept(two))

        reached = Guardian.objects.get(email=PARENT)
        assert answers == [reached.pk, reached.pk]
        assert reached.learners.count() == 2
        assert GuardianInvitation.objects.filter(accepted_at=None).count() == 0
        assert examine() == {}

    def test_without_the_lock_would_be_done_twice(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: without the locks, both find the invitation pending."""
        guardian, token = invited()
        meeting = Meeting(lambda kind, *, token, now: find_invitation(kind, token=token))
        monkeypatch.setattr(guardian_invitations, "_lock_family", lambda *args: None)
        monkeypatch.setattr(guardian_invitations, "lock_pending", meeting)

        answers = at_once(*[lambda: accept(token)] * 2)

        assert answers == [guardian.pk] * 2


class TestAChildThatIsAddedMeanwhile:
    def test_ends_up_with_the_one_guardian_that_remains(self) -> None:
        guardian, token = invited()
        added = GuardianFactory(workspace=guardian.workspace, external_id=None, email=PARENT)
        known = GuardianshipFactory(guardian=added).learner
        news = [LearnerFactory(workspace=guardian.workspace) for _ in range(3)]

        def add(learner: Any) -> int:
            made = add_guardian(workspace_id=guardian.workspace_id, learner_id=learner.pk, email=PARENT)
            return made.pk

        answers = at_once(lambda: accept(token), *[lambda child=child: add(child) for child in [*news, known]])

        assert all(isinstance(answer, int) for answer in answers), answers
        assert Guardian.objects.get().pk == guardian.pk
        assert Guardianship.objects.filter(guardian=guardian).count() == 5
        assert examine() == {}


class TestAParentWhoAddsAChildAndAcceptsAnInvitation:
    """In two tabs: the one locks the account and then the guardian, so the other may not do it the other way round."""

    def do_both(self, monkeypatch: pytest.MonkeyPatch, *, patience: float) -> list[str]:
        guardian, token = invited()
        GuardianFactory(workspace=guardian.workspace, external_id=None, email=PARENT)
        parent = User.objects.get(email=PARENT)
        each_holds_one = Meeting(lambda: None, patience=patience)

        def wait_and_count(**who: Any) -> None:
            each_holds_one()
            refuse_more_learners(**who)

        def lock_and_wait(*rows: Any) -> None:
            lock_rows(*rows)
            each_holds_one()

        def add() -> int:
            workspace_id = guardian.workspace_id
            return add_child(user=parent, workspace_id=workspace_id, first_name="Ida", last_name="Lake").pk

        monkeypatch.setattr(participants, "refuse_more_learners", wait_and_count)
        monkeypatch.setattr(guardian_invitations, "lock_rows", lock_and_wait)
        answers = at_once(add, lambda: accept(token))
        return [getattr(answer, "kind", "") for answer in answers]

    def test_does_both(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.do_both(monkeypatch, patience=KEPT_OUT) == ["", ""]
        assert Guardian.objects.get().learners.count() == 2
        assert examine() == {}

    def test_without_locking_the_account_first_would_deadlock(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control."""
        monkeypatch.setattr(newcomers, "lock_rows", lambda *rows: None)

        assert sorted(self.do_both(monkeypatch, patience=BOTH_COME)) == ["", "OperationalError"]


class TestAGuardianWhoseAddressComesWithAPayment:
    def ask_meanwhile(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """Let somebody enter the address, and a payment arrive before that is committed."""
        guardian = GuardianFactory(email=None)
        entered, asked = Meeting(lambda: None), Meeting(lambda: None)
        end_search = guardians.end_search

        def end_late(**search: Any) -> None:
            end_search(**search)
            entered()
            asked()

        def enter() -> None:
            set_guardian_address(guardian_id=guardian.pk, email=PARENT, now=utc_now())

        def ask() -> None:
            entered()
            try:
                with transaction.atomic():
                    ask_who_is_guardian(guardian_id=guardian.pk)
            finally:
                asked()

        monkeypatch.setattr(guardians, "end_search", end_late)
        return [getattr(answer, "kind", "") for answer in at_once(enter, ask)]

    def test_is_asked_for_when_the_payment_is_handled_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.ask_meanwhile(monkeypatch) == ["", "OperationalError"]
        assert examine() == {}

    def test_without_the_lock_would_be_asked_for_though_it_is_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control."""
        monkeypatch.setattr(guardians, "hold_row", lambda *row: None)

        assert self.ask_meanwhile(monkeypatch) == ["", ""]
        assert list(examine()) == ["accounts.no_task_asks_for_an_address_that_is_there"]

    def test_holds_up_no_other_payment(self) -> None:
        """The parent pays for two children at once."""
        guardian = GuardianFactory(email=None)
        both = Meeting(lambda: None)

        def ask() -> None:
            with transaction.atomic():
                ask_who_is_guardian(guardian_id=guardian.pk)
                both()

        def ask_later() -> None:
            with transaction.atomic():
                hold_row(Guardian, guardian.pk)
                both()

        assert [getattr(answer, "kind", "") for answer in at_once(ask, ask_later)] == ["", ""]
        assert StaffTask.objects.count() == 1
