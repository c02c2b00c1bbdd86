"""Emails from the row to the mail server, and what happens to them when it is gone."""

import datetime as dt
import smtplib
from collections.abc import Callable
from typing import Any

import pytest
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.db import transaction

from accounts.models import StaffTask
from accounts.tests.factories import WorkspaceFactory
from core import retries
from core.clock import utc_now
from notifications import sending, tasks
from notifications.models import Notification
from notifications.sending import (
    RETRY,
    NotificationOnItsWay,
    notify,
    resend_notification,
    send_due_notifications,
    send_notification,
)

from .factories import KIND, Letters

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2026, 9, 1, 12, tzinfo=dt.UTC)
LATER = dt.timedelta(hours=7)  # when every pause is over


def record(emails: int) -> None:
    """Emails of one workspace to one address."""
    workspace = WorkspaceFactory()
    for number in range(emails):
        notify(
            workspace_id=workspace.pk,
            kind=KIND,
            recipient="parent@example.test",
            subject_key=f"package:{number}",
            now=NOW,
        )


def recorded(**more: Any) -> Notification:
    """One email to the parent, recorded."""
    values: dict[str, Any] = {
        "workspace_id": WorkspaceFactory().pk,
        "kind": KIND,
        "recipient": "Parent@Example.test",
        "subject_key": "package:12",
        "params": {"package": 12},
        "now": NOW,
    }
    notify(**{**values, **more})
    return Notification.objects.get()


def send(notification: Notification, now: dt.datetime = NOW) -> Notification:
    return send_notification(notification_id=notification.pk, now=now)


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the tasks that the worker is asked for."""
    names: list[str] = []
    for owner in ("Signature", "Task"):
        monkeypatch.setattr(f"celery.{owner}.apply_async", lambda task, *args, **options: names.append(task.name))
    return names


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> "MailServer":
    found = MailServer()
    monkeypatch.setattr(EmailMultiAlternatives, "send", found.take)
    return found


class MailServer:
    """Accepts mails, unless it has `trouble`."""

    def __init__(self) -> None:
        self.trouble: Exception | None = None
        self.taken: list[EmailMultiAlternatives] = []
        self.tries = 0
        self.meanwhile: Callable[[], object] = lambda: None

    @property
    def take(self) -> Any:
        def send(message: EmailMultiAlternatives, fail_silently: bool = False) -> int:
            self.tries += 1
            self.meanwhile()
            if self.trouble is not None:
                raise self.trouble
            self.taken.append(message)
            return 1

        return send


class TestNews:
    def test_told_twice_is_one_email(self, written: Letters) -> None:
        workspace = WorkspaceFactory()
        news: dict[str, Any] = {
            "workspace_id": workspace.pk,
            "kind": KIND,
            "recipient": "parent@example.test",
            "subject_key": "package:12",
            "now": NOW,
        }

        answers = [notify(**news), notify(**{**news, "recipient": " PARENT@example.test "})]

        assert answers == [True, False]
        assert Notification.objects.get().recipient == "parent@example.test"

    def test_is_mailed_to_each_of_two_guardians(self, written: Letters) -> None:
        workspace = WorkspaceFactory()
        for address in ("one@example.test", "two@example.test"):
            notify(workspace_id=workspace.pk, kind=KIND, recipient=address, subject_key="package:12", now=utc_now())

        assert Notification.objects.count() == 2

    def test_that_did_not_happen_is_not_mailed(self, written: Letters) -> None:
        with transaction.atomic():
            recorded()
            transaction.set_rollback(True)

        assert Notification.objects.count() == 0

    def test_of_a_kind_nobody_writes_is_a_bug(self) -> None:
        with pytest.raises(LookupError, match="no app registered the email gossip"):
            recorded(kind="gossip")

        assert Notification.objects.count() == 0

    def test_rings_for_the_sweep_when_it_is_committed(
        self, written: Letters, django_capture_on_commit_callbacks: Any, rung: list[str]
    ) -> None:
        with django_capture_on_commit_callbacks(execute=True):
            record(3)
            before = list(rung)

        assert before == []
        assert rung == ["notifications.tasks.send_due_notifications"]


class TestTheSweepAsATask:
    """It sends 100 emails in one run."""

    @pytest.mark.parametrize(("emails", "left", "rings"), [(99, 0, 0), (100, 0, 1), (101, 1, 1)])
    def test_asks_for_another_run_if_it_may_have_left_some(
        self,
        written: Letters,
        django_capture_on_commit_callbacks: Any,
        rung: list[str],
        emails: int,
        left: int,
        rings: int,
    ) -> None:
        record(emails)

        with django_capture_on_commit_callbacks(execute=True):
            tasks.send_due_notifications()

        assert Notification.objects.filter(status="pending").count() == left
        assert rung == ["notifications.tasks.send_due_notifications"] * rings


class TestAnEmail:
    def test_is_made_of_its_ids_when_it_is_sent(self, written: Letters) -> None:
        notification = recorded()
        assert written.asked == []

        sent = send(notification)

        assert written.asked == [{"package": 12}]
        assert (sent.status, sent.sent_at, sent.attempts) == ("sent", NOW, 1)
        message = mail.outbox[0]
        assert (message.subject, message.body, message.to) == ("News", "It is so.\n", ["parent@example.test"])
        assert message.alternatives[0] == ("<p>It is so.</p>", "text/html")
        assert message.attachments == [("news.txt", "so", "text/plain")]
        assert message.extra_headers["Auto-Submitted"] == "auto-generated"

    def test_that_was_sent_is_not_sent_again(self, written: Letters) -> None:
        notification = recorded()
        send(notification)

        send(notification, NOW + LATER)
        swept = send_due_notifications(now=NOW + LATER)

        assert (len(mail.outbox), swept) == (1, 0)

    def test_with_nothing_left_to_say_is_skipped(self, written: Letters) -> None:
        written.answer = None

        skipped = send(recorded())

        assert (skipped.status, skipped.sent_at) == ("skipped", None)
        assert mail.outbox == []

    def test_in_another_worker_s_hands_is_left_to_it(self, written: Letters) -> None:
        notification = recorded()
        Notification.objects.update(next_attempt_at=NOW + RETRY.lease)

        left = send(notification)

        assert (left.status, left.attempts) == ("pending", 0)
        assert mail.outbox == []

    def test_whose_worker_died_after_sending_goes_out_again_under_the_same_name(
        self, written: Letters, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        notification = recorded()
        with monkeypatch.context() as dying:
            dying.setattr(sending, "_record_end", kill)
            with pytest.raises(KeyboardInterrupt):
                send(notification)
        assert send(notification).status == "pending"  # until the lease is over

        again = send(notification, NOW + RETRY.lease)

        assert again.status == "sent"
        names = [message.extra_headers["Message-ID"] for message in mail.outbox]
        assert names == [f"<notification-{notification.pk}-0-1788264000@localhost>"] * 2


def kill(*args: Any, **kwargs: Any) -> None:
    raise KeyboardInterrupt


class TestAMailServerThatIsDown:
    def test_gets_the_email_when_it_is_back(self, written: Letters, server: MailServer) -> None:
        server.trouble = ConnectionRefusedError(111, "Connection refused")
        notification = recorded()

        waiting = send(notification)
        server.trouble = None
        sent = send(notification, NOW + LATER)

        assert (waiting.status, waiting.attempts, waiting.last_error) == ("pending", 1, "ConnectionRefusedError")
        assert NOW + dt.timedelta(minutes=1) <= waiting.next_attempt_at <= NOW + dt.timedelta(minutes=2)
        assert (sent.status, sent.attempts, sent.last_error) == ("sent", 2, "")
        assert len(server.taken) == 1

    def test_ends_the_sweep_at_once(self, written: Letters, server: MailServer) -> None:
        server.trouble = TimeoutError()
        record(3)

        done = send_due_notifications(now=NOW)

        assert (done, server.tries) == (0, 1)
        assert set(Notification.objects.values_list("status", flat=True)) == {"pending"}

    def test_for_good_leaves_the_email_to_staff(self, written: Letters, server: MailServer) -> None:
        server.trouble = smtplib.SMTPServerDisconnected("Connection unexpectedly closed")
        notification = recorded()

        for number in range(RETRY.attempts):
            notification = send(notification, NOW + number * LATER)
        send(notification, NOW + RETRY.attempts * LATER)

        task = StaffTask.objects.get()
        assert (notification.status, notification.attempts, server.tries) == ("dead", 10, 10)
        assert (task.kind, task.subject) == ("email_not_sent", f"notification:{notification.pk}")
        assert task.summary == "The mail could not be sent 10 times."

    def test_leaves_nothing_to_staff_about_an_email_that_was_erased_meanwhile(
        self, written: Letters, server: MailServer
    ) -> None:
        server.trouble = smtplib.SMTPServerDisconnected("Connection unexpectedly closed")
        server.meanwhile = lambda: Notification.objects.all().delete()
        recorded()
        Notification.objects.update(attempts=RETRY.attempts - 1)

        send_due_notifications(now=NOW)

        assert server.tries == 1
        assert not StaffTask.objects.exists()


class TestAnEmailThatIsErasedWhileItIsTakenUp:
    def test_ends_nothing_but_itself(
        self, written: Letters, server: MailServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        record(2)
        gone, other = Notification.objects.order_by("pk")
        claim = retries.claim

        def claim_and_lose(rows: Any, **given: Any) -> bool:
            claimed = claim(rows, **given)
            Notification.objects.filter(pk=gone.pk).delete()
            return claimed

        monkeypatch.setattr(retries, "claim", claim_and_lose)

        done = send_due_notifications(now=NOW)

        assert (done, server.tries) == (2, 1)
        assert Notification.objects.get() == other
        assert Notification.objects.get().status == "sent"


class TestAMailServerThatRefuses:
    def test_one_email_still_gets_the_others(self, written: Letters, server: MailServer) -> None:
        server.trouble = smtplib.SMTPRecipientsRefused({"parent@example.test": (550, b"no such parent@example.test")})
        record(3)

        done = send_due_notifications(now=NOW)

        assert (done, server.tries) == (3, 3)
        assert set(Notification.objects.values_list("status", flat=True)) == {"pending"}

    def test_is_quoted_without_the_address(
        self, written: Letters, server: MailServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        server.trouble = smtplib.SMTPRecipientsRefused({"parent@example.test": (550, b"no such parent@example.test")})

        refused = send(recorded())

        assert refused.last_error == "SMTPRecipientsRefused 550"
        assert "parent@" not in caplog.text


class TestAnEmailThatCanNotBeWritten:
    def test_waits_and_holds_up_no_other(self, written: Letters) -> None:
        written.answer = ValueError("no such package")
        broken = recorded()

        done = send_due_notifications(now=NOW)

        broken = Notification.objects.get(pk=broken.pk)
        assert (done, broken.status, broken.last_error) == (1, "pending", "ValueError")
        assert mail.outbox == []


class TestSendingAgain:
    def test_sends_a_new_mail(self, written: Letters) -> None:
        notification = send(recorded())

        resend_notification(notification_id=notification.pk, now=NOW + LATER)
        again = send(notification, NOW + LATER)

        assert (again.status, again.resends, again.sent_at) == ("sent", 1, NOW + LATER)
        names = {message.extra_headers["Message-ID"] for message in mail.outbox}
        assert (len(mail.outbox), len(names)) == (2, 2)

    @pytest.mark.sqlite
    def test_revives_one_that_was_given_up(self, written: Letters) -> None:
        notification = recorded()
        Notification.objects.update(status="dead", attempts=10)

        revived = resend_notification(notification_id=notification.pk, now=NOW)

        assert (revived.status, revived.attempts, revived.next_attempt_at) == ("pending", 0, NOW)

    def test_is_refused_while_it_is_on_its_way(self, written: Letters) -> None:
        notification = recorded()

        with pytest.raises(NotificationOnItsWay):
            resend_notification(notification_id=notification.pk, now=utc_now())

        assert Notification.objects.get().resends == 0


class TestTwoWorkers:
    def test_with_one_email_send_it_once(self, written: Letters, monkeypatch: pytest.MonkeyPatch) -> None:
        """The second comes while the first is at the mail server."""
        notification = recorded()
        deliver = sending._deliver

        def deliver_while_another_tries(*args: Any) -> None:
            monkeypatch.setattr(sending, "_deliver", deliver)
            send(notification)
            deliver(*args)

        monkeypatch.setattr(sending, "_deliver", deliver_while_another_tries)
        send(notification)

        assert len(mail.outbox) == 1

    def test_without_the_claim_would_send_it_twice(self, written: Letters, monkeypatch: pytest.MonkeyPatch) -> None:
        """Negative control of the test above."""
        monkeypatch.setattr(retries, "claim", lambda rows, now, lease: True)
        notification = recorded()
        deliver = sending._deliver

        def deliver_while_another_tries(*args: Any) -> None:
            monkeypatch.setattr(sending, "_deliver", deliver)
            send(notification)
            deliver(*args)

        monkeypatch.setattr(sending, "_deliver", deliver_while_another_tries)
        send(notification)

        assert len(mail.outbox) == 2
