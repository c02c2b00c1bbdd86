"""A family that asks about its own data is answered by mail, whatever staff decide."""

import datetime as dt
from typing import Any

import pytest
from django.core import mail

from accounts.merging import merge_learners
from accounts.models import Learner, NameChange, StaffTask
from accounts.name_changes import accept_name, ask_for_name, decline_name
from accounts.staff_tasks import complete_staff_task
from accounts.tests.factories import GuardianFactory, GuardianshipFactory, LearnerFactory, UserFactory
from core.actors import SYSTEM, Actor
from core.clock import utc_now
from core.errors import Invalid
from events.models import OutboxEvent
from notifications.models import Notification
from notifications.sending import AddressForgotten, resend_notification, send_due_notifications
from privacy.errors import NoDeletionAsked
from privacy.states import ErasureReason
from privacy.tests.erasures import erase
from privacy.wishes import ask_for_deletion, decline_deletion, find_asked, is_asked

pytestmark = pytest.mark.django_db

FAMILY, STAFF = Actor("user", 7), Actor("user", 8)
PARENT = "parent@answers.test"
WHY = "An invoice is not paid yet."


@pytest.fixture
def learner() -> Learner:
    made: Learner = LearnerFactory(first_name="Marina", last_name="Mos", external_id=None)
    GuardianshipFactory(learner=made, guardian=GuardianFactory(workspace=made.workspace, email=PARENT))
    return made


def ask(learner: Learner) -> StaffTask:
    return ask_for_deletion(learner_id=learner.pk, actor=FAMILY, now=utc_now())


def decline(learner: Learner, reason: str = WHY) -> None:
    decline_deletion(learner_id=learner.pk, reason=reason, actor=STAFF, now=utc_now())


def mailed() -> list[str]:
    """Return the subjects of the mails that arrive, oldest first."""
    mail.outbox.clear()
    send_due_notifications(now=utc_now())
    assert {tuple(sent.to) for sent in mail.outbox} <= {(PARENT,)}
    return [str(sent.subject) for sent in mail.outbox]


class TestAWishToDelete:
    @pytest.mark.sqlite
    def test_is_acknowledged_once_and_declined_with_the_reason(self, learner: Learner) -> None:
        ask(learner)
        task = ask(learner)
        assert mailed() == ["You asked to delete what is stored about Marina"]

        decline(learner)

        assert mailed() == ["What is stored about Marina stays for now"]
        assert WHY in mail.outbox[0].body
        task.refresh_from_db()
        assert (task.status, task.resolution, find_asked([learner.pk])) == ("done", WHY, {})
        assert Learner.objects.get().first_name == "Marina"

    def test_can_be_made_again_and_has_mails_of_its_own(self, learner: Learner) -> None:
        ask(learner)
        decline(learner)
        mailed()

        ask(learner)

        assert mailed() == ["You asked to delete what is stored about Marina"]

    @pytest.mark.parametrize("reason", [" ", "x" * 501])
    def test_is_not_declined_without_a_reason_that_can_be_read(self, learner: Learner, reason: str) -> None:
        ask(learner)

        with pytest.raises(Invalid):
            decline(learner, reason)

        assert is_asked(learner)

    def test_is_declined_once(self, learner: Learner) -> None:
        task = ask(learner)
        complete_staff_task(task_id=task.pk, user=UserFactory(), resolution="Called them.", now=utc_now())

        with pytest.raises(NoDeletionAsked):
            decline(learner)

        assert not Notification.objects.filter(kind="deletion_declined").exists()

    def test_is_not_lost_by_a_merge(self, learner: Learner) -> None:
        kept = LearnerFactory(workspace=learner.workspace)
        ask(learner)
        merge_learners(keep_id=kept.pk, drop_id=learner.pk, reason="One", actor=SYSTEM, now=utc_now())

        assert is_asked(kept)
        decline(kept)

        assert not is_asked(kept)


class TestAnErasure:
    @pytest.mark.sqlite
    def test_that_was_asked_for_is_told_by_a_last_mail_whose_row_forgets_the_address(self, learner: Learner) -> None:
        task = ask(learner)

        erase(learner)

        task.refresh_from_db()
        assert (task.status, task.resolution) == ("done", "Erased.")
        assert mailed() == ["What was stored has been deleted"]
        kept = Notification.objects.get()
        assert (kept.kind, kept.status) == ("learner_erased", "sent")
        assert kept.recipient == f"notification-{kept.pk}@erased.invalid"
        with pytest.raises(AddressForgotten):
            resend_notification(notification_id=kept.pk, now=utc_now())

    def test_is_told_in_the_language_of_the_account_that_went_along(self, learner: Learner) -> None:
        UserFactory(email=PARENT, language="es")

        erase(learner)

        assert mailed() == ["Se ha borrado lo que estaba guardado"]

    def test_forgets_the_address_too_where_the_mail_is_given_up(self, learner: Learner, settings: Any) -> None:
        erase(learner)
        Notification.objects.update(attempts=9)
        settings.EMAIL_BACKEND = "django.core.mail.backends.none.Nowhere"

        send_due_notifications(now=utc_now() + dt.timedelta(hours=1))

        given_up = Notification.objects.get()
        assert (given_up.status, given_up.recipient.endswith("@erased.invalid")) == ("dead", True)

    @pytest.mark.parametrize("reason", [ErasureReason.OUTDATED, ErasureReason.MISTAKE])
    def test_that_nobody_asked_for_writes_to_nobody(self, learner: Learner, reason: ErasureReason) -> None:
        erase(learner, reason=reason)

        assert not Notification.objects.exists()

    def test_is_told_to_integrators_by_every_id_they_may_have(self, learner: Learner) -> None:
        drop = LearnerFactory(workspace=learner.workspace)
        merge_learners(keep_id=learner.pk, drop_id=drop.pk, reason="One", actor=SYSTEM, now=utc_now())

        erase(learner)
        erase(learner)

        told = OutboxEvent.objects.get(type="learner.erased")
        assert told.aggregate == f"learner:{learner.cuid}"
        assert told.payload == {"learnerId": learner.cuid, "mergedLearnerIds": [drop.cuid]}


class TestANameThatStaffDecideOn:
    @pytest.fixture
    def asked(self, learner: Learner) -> NameChange:
        return ask_for_name(learner_id=learner.pk, first_name="Tom", last_name="Mos", actor=FAMILY, now=utc_now())

    def test_is_told_when_it_is_changed(self, asked: NameChange) -> None:
        accept_name(learner_id=asked.learner_id, actor=STAFF, now=utc_now())

        assert mailed() == ["The name was changed: Tom"]

    @pytest.mark.sqlite
    def test_is_told_when_it_stays_with_the_reason(self, asked: NameChange) -> None:
        decline_name(learner_id=asked.learner_id, note="Enroll Tom himself.", actor=STAFF, now=utc_now())

        assert mailed() == ["The name stays: Marina"]
        assert "Enroll Tom himself." in mail.outbox[0].body
