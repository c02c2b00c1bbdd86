from pathlib import Path

import pytest
from django.core.mail import EmailMultiAlternatives, get_connection
from django.test import Client
from pytest_django import Settings

from enrollment_project.mailbox import list_mails

FILE_BACKEND = "django.core.mail.backends.filebased.EmailBackend"


@pytest.fixture
def folder(settings: Settings, tmp_path: Path) -> Path:
    settings.EMAIL_BACKEND = FILE_BACKEND
    settings.EMAIL_FILE_PATH = str(tmp_path)
    return tmp_path


def send(*subjects: str, text: str = "Hello", to: str = "parent@example.test") -> None:
    connection = get_connection()
    connection.open()
    for subject in subjects:
        message = EmailMultiAlternatives(subject, text, to=[to], connection=connection)
        message.attach_alternative("<p>Hello</p>", "text/html")
        message.send()
    connection.close()


class TestTheMailbox:
    def test_is_empty_before_the_first_mail(self, tmp_path: Path) -> None:
        assert list_mails(folder=tmp_path / "not-there", limit=10) == []

    def test_reads_the_plain_part_of_each_message(self, folder: Path) -> None:
        send("First", "Second", text="Grüße\n" + "-" * 79 + " not a separator")

        mails = list_mails(folder=folder, limit=10)

        assert sorted(mail.subject for mail in mails) == ["First", "Second"]
        assert {mail.text.splitlines()[0] for mail in mails} == {"Grüße"}
        assert {(mail.to, mail.code) for mail in mails} == {("parent@example.test", "")}

    def test_finds_the_code(self, folder: Path) -> None:
        send("Your sign-in code", text="Your code:\n\nWXYZ-BCDF\n\nBye")

        assert list_mails(folder=folder, limit=10)[0].code == "WXYZ-BCDF"

    def test_keeps_to_its_limit(self, folder: Path) -> None:
        for number in range(3):
            send(f"Mail {number}")

        assert len(list_mails(folder=folder, limit=2)) == 2


class TestTheMailboxPage:
    def test_shows_what_was_sent_without_running_it(self, client: Client, folder: Path) -> None:
        send("<script>alert(1)</script>", text="<img src=x onerror=alert(1)>")

        page = client.get("/dev/mailbox").content.decode()

        assert "&lt;script&gt;" in page
        assert "<script>alert" not in page
        assert "<img src=x" not in page

    def test_is_not_there_on_a_host_with_production_settings(
        self, client: Client, folder: Path, settings: Settings
    ) -> None:
        settings.MAILBOX_PAGE = False

        assert client.get("/dev/mailbox").status_code == 404

    def test_is_not_there_for_another_machine_or_through_a_proxy(self, client: Client, folder: Path) -> None:
        assert client.get("/dev/mailbox", REMOTE_ADDR="203.0.113.9").status_code == 404
        assert client.get("/dev/mailbox", headers={"X-Forwarded-For": "127.0.0.1"}).status_code == 404
        assert client.get("/dev/mailbox").status_code == 200

    def test_is_not_there_outside_the_sandbox(self, client: Client, folder: Path, settings: Settings) -> None:
        settings.SANDBOX = False

        assert client.get("/dev/mailbox").status_code == 404

    def test_is_not_there_when_mail_is_really_sent(self, client: Client, folder: Path, settings: Settings) -> None:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"

        assert client.get("/dev/mailbox").status_code == 404
