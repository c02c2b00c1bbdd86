import datetime as dt
import threading
from typing import Any
from unittest import mock

import pytest
from django.contrib.auth.hashers import make_password
from django.db import connections
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import reverse

from accounts import passwords
from accounts.models import User
from accounts.passwords import SignInPaused, check_staff_password
from core.clock import utc_now

from .factories import StaffFactory, UserFactory

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery"
NOON = dt.datetime(2026, 9, 1, 12, tzinfo=dt.UTC)
OFFICE = "203.0.113.9"
ELSEWHERE = "198.51.100.7"


def staff(email: str = "staff@example.test", **fields: Any) -> User:
    user: User = StaffFactory(email=email, password=make_password(PASSWORD), **fields)
    return user


def sign_in(
    password: str, *, email: str = "staff@example.test", address: str = OFFICE, client: Client | None = None
) -> Any:
    entered = {"username": email, "password": password}
    return (client or Client()).post(reverse("admin:login"), entered, REMOTE_ADDR=address)


def is_in(answer: HttpResponse) -> bool:
    return answer.status_code == 302 and answer["Location"] == reverse("admin:index")


@pytest.fixture
def at(time_machine: Any) -> Any:
    """Set the clock to this many seconds after noon."""

    def move(seconds: int) -> None:
        time_machine.move_to(NOON + dt.timedelta(seconds=seconds), tick=False)

    move(0)
    return move


class TestAPassword:
    def test_opens_the_back_office(self) -> None:
        staff()

        assert is_in(sign_in(PASSWORD))

    @pytest.mark.usefixtures("at")
    def test_is_refused_during_a_pause_even_if_it_is_right(self) -> None:
        staff()
        wrong = [sign_in(f"wrong {number}").status_code for number in range(5)]

        answer = sign_in(PASSWORD)

        assert wrong == [200] * 5
        assert (answer.status_code, answer["Retry-After"]) == (429, "1")
        assert "Too many tries. Wait a second, then try again." in answer.content.decode()

    def test_opens_the_back_office_after_the_pause(self, at: Any) -> None:
        staff()
        for number in range(5):
            sign_in(f"wrong {number}")

        at(1)

        assert is_in(sign_in(PASSWORD))

    def test_waits_twice_as_long_after_each_wrong_one_up_to_a_quarter_of_an_hour(self, at: Any) -> None:
        staff()
        seconds, pauses = 0, []
        for number in range(16):
            at(seconds)
            sign_in(f"wrong {number}")
            pauses.append(0 if number < 4 else int(sign_in(PASSWORD)["Retry-After"]))
            seconds += pauses[-1]

        assert pauses == [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]

    def test_forgets_wrong_ones_once_the_right_one_came(self, at: Any) -> None:
        staff()
        for number in range(4):
            sign_in(f"wrong {number}")
        sign_in(PASSWORD)
        at(10)

        assert [sign_in(f"wrong {number}").status_code for number in range(5)] == [200] * 5

    @pytest.mark.usefixtures("at")
    def test_is_never_looked_at_during_a_pause(self) -> None:
        staff()
        for number in range(5):
            sign_in(f"wrong {number}")

        with mock.patch("django.contrib.auth.hashers.MD5PasswordHasher.verify") as verify:
            sign_in(PASSWORD)

        assert not verify.called

    def test_of_somebody_who_is_not_staff_opens_nothing(self) -> None:
        UserFactory(email="parent@example.test", password=make_password(PASSWORD))

        answer = sign_in(PASSWORD, email="parent@example.test")

        assert answer.status_code == 200
        assert "Please enter the correct email and password for a staff account" in answer.content.decode()

    @pytest.mark.usefixtures("at")
    def test_tells_nobody_which_accounts_there_are(self) -> None:
        staff()
        UserFactory(email="parent@example.test", password=make_password(PASSWORD))
        seen = set()
        for address, name in enumerate(("staff", "parent", "nobody")):
            email = f"{name}@example.test"
            answers = [sign_in("wrong", email=email, address=f"203.0.113.{address}") for _ in range(7)]
            pages = tuple(answer.content.decode().count("error") for answer in answers)
            seen.add((tuple(answer.status_code for answer in answers), pages))

        assert len(seen) == 1
        assert seen.pop()[0] == (200, 200, 200, 200, 200, 429, 429)


@pytest.mark.usefixtures("at")
class TestOnePersonsFailures:
    def test_leave_a_colleague_behind_the_same_router_alone(self) -> None:
        staff()
        staff("colleague@example.test")
        for number in range(30):
            sign_in(f"wrong {number}")

        assert is_in(sign_in(PASSWORD, email="colleague@example.test"))

    def test_leave_the_same_account_elsewhere_alone(self) -> None:
        staff()
        for number in range(30):
            sign_in(f"wrong {number}")

        assert is_in(sign_in(PASSWORD, address=ELSEWHERE))

    @pytest.mark.usefixtures("at")
    def test_are_not_spread_by_a_header(self, settings: Any) -> None:
        settings.TRUSTED_PROXIES = 1
        staff()
        client = Client()
        answers = [
            client.post(
                reverse("admin:login"),
                {"username": "staff@example.test", "password": "wrong"},
                headers={"X-Forwarded-For": f"10.0.0.{number}, {OFFICE}"},
            ).status_code
            for number in range(6)
        ]

        assert answers == [200, 200, 200, 200, 200, 429]


class TestStrangersFromEverywhere:
    def test_pause_an_account_for_a_minute_at_most(self, at: Any) -> None:
        staff()
        for number in range(30):
            at(number * 61)
            sign_in("wrong", address=f"198.51.100.{number}")

        refused = sign_in(PASSWORD)

        assert (refused.status_code, refused["Retry-After"]) == (429, "60")
        at(29 * 61 + 60)
        assert is_in(sign_in(PASSWORD))

    def test_do_not_pause_a_browser_that_the_account_knows(self, at: Any) -> None:
        staff()
        browser = Client()
        sign_in(PASSWORD, client=browser)
        for number in range(30):
            at(number * 61)
            sign_in("wrong", address=f"198.51.100.{number}")

        del browser.cookies["sessionid"]
        assert is_in(sign_in(PASSWORD, client=browser))

    def test_gain_nothing_by_a_browser_that_another_account_knows(self, at: Any) -> None:
        staff()
        staff("insider@example.test")
        browser = Client()
        sign_in(PASSWORD, email="insider@example.test", client=browser)
        del browser.cookies["sessionid"]

        answers = [sign_in("wrong", client=browser).status_code for _ in range(6)]

        assert answers == [200, 200, 200, 200, 200, 429]
        assert sign_in("wrong").status_code == 429  # the same caller, cookie or not

    @pytest.mark.usefixtures("at")
    def test_have_few_passwords_looked_at(self) -> None:
        with mock.patch("accounts.passwords.ModelBackend.authenticate", return_value=None) as looked_at:
            answers = [
                sign_in("wrong", email=f"{number}@example.test", address=f"198.51.100.{number}") for number in range(30)
            ]

        assert looked_at.call_count == 20
        assert [answer.status_code for answer in answers[20:]] == [429] * 10
        assert answers[-1]["Retry-After"] == "10"


@pytest.mark.django_db(transaction=True)
class TestManyAtOnce:
    def test_have_no_more_passwords_looked_at_than_there_are_places(self) -> None:
        busy, let_go = threading.Event(), threading.Event()
        refused: list[int] = []

        def slow(*args: Any, **kwargs: Any) -> None:
            busy.set()
            assert let_go.wait(30)

        def first() -> None:
            check(email="first@example.test", address=OFFICE)
            connections.close_all()

        def check(*, email: str, address: str) -> None:
            request = RequestFactory().post("/", REMOTE_ADDR=address)
            check_staff_password(email=email, password="x", request=request, now=utc_now())

        with (
            mock.patch.object(passwords, "STRANGERS_AT_ONCE", 1),
            mock.patch("accounts.passwords.ModelBackend.authenticate", side_effect=slow) as looked_at,
        ):
            thread = threading.Thread(target=first)
            thread.start()
            assert busy.wait(30)
            for number in range(5):
                with pytest.raises(SignInPaused) as pause:
                    check(email=f"{number}@example.test", address=f"198.51.100.{number}")
                refused.append(pause.value.retry_after)
            let_go.set()
            thread.join()
            check(email="last@example.test", address=ELSEWHERE)

        assert refused == [1] * 5
        assert looked_at.call_count == 2


class TestASessionByCode:
    def test_never_opens_the_back_office(self, client: Client) -> None:
        owner = staff()
        client.force_login(owner, backend="allauth.account.auth_backends.AuthenticationBackend")

        answer = client.get(reverse("admin:index"))

        assert answer.status_code == 302
        assert answer["Location"].startswith(reverse("admin:login"))

    def test_gets_another_name_when_the_password_is_given(self, client: Client) -> None:
        owner = staff()
        client.force_login(owner, backend="allauth.account.auth_backends.AuthenticationBackend")
        before = client.session.session_key

        assert is_in(sign_in(PASSWORD, client=client))
        assert client.session.session_key != before
        assert client.get(reverse("admin:index")).status_code == 200


class TestASessionByPassword:
    def test_ends_when_the_password_changes(self, client: Client) -> None:
        owner = staff()
        sign_in(PASSWORD, client=client)
        owner.set_password("another long password")
        owner.save()

        assert client.get(reverse("admin:index")).status_code == 302

    def test_is_closed_to_whoever_is_no_longer_staff(self, client: Client) -> None:
        owner = staff()
        sign_in(PASSWORD, client=client)
        User.objects.filter(pk=owner.pk).update(is_staff=False)

        assert client.get(reverse("admin:index")).status_code == 302
