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

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


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

    def test_of_staff_gets_no_code(self) -> None:
        StaffFactory(email="staff@example.test")

        assert find_or_open_account(email="staff@example.test") is None

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

    def test_ends_after_five_wrong_codes(self, client: Client) -> None:
        ask_for_code(client, "parent@example.test")
        code = code_in(mail.outbox[0])
        for _ in range(5):
            client.post(reverse("account_confirm_login_code"), {"code": "BCDF-GHJK"})

        client.post(reverse("account_confirm_login_code"), {"code": code})

        assert "_auth_user_id" not in client.session

    def test_answers_everybody_alike(self) -> None:
        UserFactory(email="known@example.test")
        StaffFactory(email="staff@example.test")
        UserFactory(email="gone@example.test", is_active=False)
        seen = set()

        for name in ("known", "staff", "gone", "stranger"):
            client = Client()
            first = ask_for_code(client, f"{name}@example.test")
            page = client.get(first.headers["Location"]).content.decode()
            seen.add((first.status_code, page.count(name), page.count("code")))

        assert len(seen) == 1
        assert [len(mail.outbox), mail.outbox[1].subject] == [4, "About signing in to Enrollment Platform"]

    def test_sends_one_mailbox_three_codes_a_minute(self) -> None:
        for _ in range(4):
            answer = ask_for_code(Client(), "parent@example.test")

        assert answer.status_code == 200
        assert "Too many failed login attempts" in answer.content.decode()
        assert len(mail.outbox) == 3

    @pytest.mark.parametrize("path", ["/accounts/password/reset/", "/accounts/email/", "/accounts/password/change/"])
    def test_has_no_second_way_in(self, client: Client, path: str) -> None:
        assert client.get(path).status_code == 404

    def test_counts_the_address_that_our_proxy_saw(self, settings: Any) -> None:
        settings.TRUSTED_PROXIES = 1
        request = RequestFactory().get("/", headers={"X-Forwarded-For": "1.1.1.1, 203.0.113.9"})

        assert AccountAdapter().get_client_ip(request) == "203.0.113.9"
