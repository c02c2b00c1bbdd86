from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client, RequestFactory
from django.urls import reverse

from accounts.adapter import AccountAdapter
from accounts.models import User
from accounts.sign_in import find_or_open_account, proven_address

from .factories import StaffFactory, UserFactory

pytestmark = pytest.mark.django_db


def ask_for_code(client: Client, email: str) -> Any:
    return client.post(reverse("account_request_login_code"), {"email": email})


def code_in(message: mail.EmailMessage) -> str:
    return str(message.body).splitlines()[2]


class TestAnAccount:
    def test_is_opened_without_a_password_for_a_new_address(self) -> None:
        user = find_or_open_account(email=" Parent@Example.test ")

        assert user is not None
        assert (user.email, user.has_usable_password(), user.is_staff) == ("parent@example.test", False, False)

    def test_is_found_again_whatever_the_case(self) -> None:
        user = UserFactory(email="parent@example.test")

        assert find_or_open_account(email="PARENT@example.test") == user
        assert User.objects.count() == 1

    def test_of_somebody_who_runs_the_platform_gets_no_code(self) -> None:
        StaffFactory(email="root@example.test", is_superuser=True)

        assert find_or_open_account(email="root@example.test") is None

    @pytest.mark.sqlite
    def test_that_is_switched_off_gets_no_code_and_no_second_account(self) -> None:
        UserFactory(email="gone@example.test", is_active=False)

        assert find_or_open_account(email="gone@example.test") is None
        assert User.objects.count() == 1


class TestAnAddress:
    def test_is_unproven_until_a_code_was_entered(self) -> None:
        user = find_or_open_account(email="parent@example.test")

        assert user is not None
        assert proven_address(user=user) is None

    def test_that_replaced_a_proven_one_is_unproven(self) -> None:
        user = UserFactory(email="new@example.test")
        EmailAddress.objects.create(user=user, email="old@example.test", verified=True)

        assert proven_address(user=user) is None


class TestSigningIn:
    def test_proves_the_mailbox(self, client: Client) -> None:
        ask_for_code(client, "parent@example.test")

        answer = client.post(reverse("account_confirm_login_code"), {"code": code_in(mail.outbox[0])})

        assert answer.headers["Location"] == reverse("my-enrollments")
        assert proven_address(user=User.objects.get()) == "parent@example.test"

    def test_refuses_a_wrong_code(self, client: Client) -> None:
        ask_for_code(client, "parent@example.test")

        answer = client.post(reverse("account_confirm_login_code"), {"code": "BCDF-GHJK"})

        assert "Incorrect code." in answer.content.decode()
        assert "_auth_user_id" not in client.session
        assert proven_address(user=User.objects.get()) is None

    @pytest.mark.parametrize("look_alike", ["guardıan@demo.test", "guardian@dem\u1d0f.test", "GUARDİAN@demo.test"])
    def test_by_an_address_that_looks_alike_opens_no_account_and_writes_to_nobody_else(
        self, client: Client, look_alike: str
    ) -> None:
        UserFactory(email="guardian@demo.test")

        ask_for_code(client, look_alike)

        assert [address for message in mail.outbox for address in message.to if address == "guardian@demo.test"] == []
        assert all(user.email == "guardian@demo.test" or "xn--" in user.email for user in User.objects.all())

    def test_by_another_domain_that_looks_alike_opens_another_account(self, client: Client) -> None:
        known = UserFactory(email="costa.10@families.test")

        ask_for_code(client, "costa.10@familıes.test")
        client.post(reverse("account_confirm_login_code"), {"code": code_in(mail.outbox[0])})

        assert mail.outbox[0].to == ["costa.10@xn--familes-vfb.test"]
        assert client.session["_auth_user_id"] != str(known.pk)

    def test_by_an_address_in_capitals_writes_to_the_one_on_record(self, client: Client) -> None:
        known = UserFactory(email="guardian@demo.test")

        ask_for_code(client, "GUARDIAN@Demo.test")
        client.post(reverse("account_confirm_login_code"), {"code": code_in(mail.outbox[0])})

        assert mail.outbox[0].to == ["guardian@demo.test"]
        assert client.session["_auth_user_id"] == str(known.pk)

    def test_ends_after_five_wrong_codes(self, client: Client) -> None:
        ask_for_code(client, "parent@example.test")
        code = code_in(mail.outbox[0])
        for _ in range(5):
            client.post(reverse("account_confirm_login_code"), {"code": "BCDF-GHJK"})

        client.post(reverse("account_confirm_login_code"), {"code": code})

        assert "_auth_user_id" not in client.session

    def test_answers_everybody_alike(self) -> None:
        UserFactory(email="known@example.test")
        StaffFactory(email="root@example.test", is_superuser=True)
        UserFactory(email="gone@example.test", is_active=False)
        seen = set()

        for name in ("known", "root", "gone", "stranger"):
            client = Client()
            first = ask_for_code(client, f"{name}@example.test")
            page = client.get(first.headers["Location"]).content.decode()
            seen.add((first.status_code, page.count(name), page.count("code")))

        assert len(seen) == 1
        assert [len(mail.outbox), mail.outbox[1].subject] == [4, "About signing in to Enrollment Platform"]

    @pytest.mark.parametrize("path", ["/accounts/password/reset/", "/accounts/email/", "/accounts/password/change/"])
    def test_has_no_second_way_in(self, client: Client, path: str) -> None:
        assert client.get(path).status_code == 404

    def test_counts_the_address_that_our_proxy_saw(self, settings: Any) -> None:
        settings.TRUSTED_PROXIES = 1
        request = RequestFactory().get("/", headers={"X-Forwarded-For": "1.1.1.1, 203.0.113.9"})

        assert AccountAdapter().get_client_ip(request) == "203.0.113.9"


ATTACKER, HOME = "198.51.100.7", "203.0.113.9"


@pytest.mark.usefixtures("_at_noon")
class TestHowManyCodesAreSent:
    @pytest.fixture
    def _at_noon(self, time_machine: Any) -> None:
        self.time = time_machine
        self.time.move_to("2026-09-01T12:00:00Z", tick=False)

    def ask(self, *, address: str, email: str = "parent@example.test", client: Client | None = None) -> Any:
        url = reverse("account_request_login_code")
        return (client or Client()).post(url, {"email": email}, REMOTE_ADDR=address)

    def test_is_four_in_ten_minutes_for_one_mailbox_and_whoever_asks(self) -> None:
        answers = [self.ask(address=HOME) for _ in range(5)]

        assert [answer.status_code for answer in answers] == [302, 302, 302, 302, 429]
        assert answers[4]["Retry-After"] == "600"
        expected = "The newest one works; you can have another in 10 minutes."
        assert expected in answers[4].content.decode()
        assert len(mail.outbox) == 4
        self.time.move_to("2026-09-01T12:10:00Z", tick=False)
        assert self.ask(address=HOME).status_code == 302

    def test_leaves_the_owner_theirs_however_often_a_stranger_asks(self) -> None:
        for minute in range(0, 60, 5):
            self.time.move_to(f"2026-09-01T12:{minute:02}:00Z", tick=False)
            for _ in range(5):
                self.ask(address=ATTACKER)

        answer = self.ask(address=HOME)

        assert answer.status_code == 302
        assert len(mail.outbox) == 4 * 6 + 1  # in an hour, of 60 allowed

    def test_is_limited_for_strangers_together_and_comes_back(self) -> None:
        for number in range(20):
            self.ask(address=f"198.51.100.{number}")

        refused = self.ask(address=HOME)

        assert (refused.status_code, refused["Retry-After"], len(mail.outbox)) == (429, "1800", 16)
        self.time.move_to("2026-09-01T12:30:00Z", tick=False)
        assert self.ask(address=HOME).status_code == 302

    def test_leaves_a_browser_that_was_signed_in_before_its_own(self) -> None:
        browser = Client()
        self.ask(address=HOME, client=browser)
        browser.post(reverse("account_confirm_login_code"), {"code": code_in(mail.outbox[0])})
        del browser.cookies["sessionid"]
        for number in range(20):
            self.ask(address=f"198.51.100.{number}")

        assert self.ask(address=HOME, client=browser).status_code == 302

    def test_is_twenty_a_minute_for_one_network_whatever_the_mailboxes(self) -> None:
        answers = [self.ask(address=ATTACKER, email=f"{number}@example.test").status_code for number in range(21)]

        assert answers == [302] * 20 + [429]
        assert self.ask(address=HOME, email="parent@example.test").status_code == 302

    def test_is_one_count_for_a_mailbox_however_it_is_written(self) -> None:
        written = ["parent@example.test", "PARENT@example.test", " parent@Example.test", "Parent@example.TEST"]
        for email in written:
            self.ask(address=HOME, email=email)

        assert self.ask(address=HOME, email="pArent@example.test").status_code == 429

    def test_counts_those_sent_again(self) -> None:
        browser = Client()
        self.ask(address=HOME, client=browser)
        url = reverse("account_confirm_login_code")

        resent = browser.post(url, {"action": "resend"}, REMOTE_ADDR=HOME, follow=True)
        for _ in range(2):
            self.ask(address=HOME)
        refused = browser.post(url, {"action": "resend"}, REMOTE_ADDR=HOME, follow=True)

        assert resent.status_code == 200
        assert len(mail.outbox) == 4
        assert "you can have another in 10 minutes" in refused.content.decode()

    def test_works_with_the_code_that_was_sent_again(self) -> None:
        browser = Client()
        self.ask(address=HOME, client=browser)
        url = reverse("account_confirm_login_code")
        browser.post(url, {"action": "resend"}, REMOTE_ADDR=HOME)

        browser.post(url, {"code": code_in(mail.outbox[1])}, REMOTE_ADDR=HOME)

        assert "_auth_user_id" in browser.session


class TestACode:
    def test_works_for_ten_minutes(self, client: Client, time_machine: Any) -> None:
        time_machine.move_to("2026-09-01T12:00:00Z", tick=False)
        ask_for_code(client, "parent@example.test")
        time_machine.move_to("2026-09-01T12:09:59Z", tick=False)

        client.post(reverse("account_confirm_login_code"), {"code": code_in(mail.outbox[0])})

        assert "_auth_user_id" in client.session

    def test_does_not_work_after_that(self, client: Client, time_machine: Any) -> None:
        time_machine.move_to("2026-09-01T12:00:00Z", tick=False)
        ask_for_code(client, "parent@example.test")
        time_machine.move_to("2026-09-01T12:10:01Z", tick=False)

        client.post(reverse("account_confirm_login_code"), {"code": code_in(mail.outbox[0])})

        assert "_auth_user_id" not in client.session
