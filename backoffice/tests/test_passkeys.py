"""A passkey answers for its owner instead of a code: only this site's challenge, only once, and for nobody else."""

import json
from functools import partial
from typing import Any

import pytest
from django.conf import settings
from django.test import Client, RequestFactory

from accounts import passkeys
from accounts.models import Membership, Passkey, SecondFactor
from accounts.passkeys import add_passkey, begin_passkey, begin_passkey_check, check_passkey
from accounts.passwords import PASSED, SECOND_FACTOR
from accounts.second_factors import new_app_secret, set_app
from core.clock import utc_now
from core.errors import Invalid

from .authenticator import Authenticator
from .staff_client import PASSWORD, member_with_password, sign_in
from .test_second_factors import LEARNERS, code_of, deeds, is_sent_to_sign_in

pytestmark = pytest.mark.django_db

ASK = "/accounts/staff/second-factor"
NEW = "/accounts/staff/passkeys/new"


@pytest.fixture
def member() -> Membership:
    return member_with_password()


@pytest.fixture
def device() -> Authenticator:
    return Authenticator(origin=settings.PUBLIC_URL)


def asked(client: Client, page: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(client.get(page).context["passkey"])
    return found


def add(client: Client, device: Authenticator, **entered: str) -> Any:
    answer = device.make(asked(client, NEW))
    return client.post(NEW, {"name": "My phone", "password": PASSWORD, "answer": answer} | entered)


def is_in(client: Client) -> bool:
    return not is_sent_to_sign_in(client.get(LEARNERS))


class TestAPasskey:
    def test_is_added_with_recovery_codes_and_signs_other_browsers_out(
        self, member: Membership, device: Authenticator
    ) -> None:
        here, there = sign_in(member.user), sign_in(member.user)

        page = add(here, device)

        assert len(page.context["codes"]) == 10
        assert [is_in(here), is_in(there)] == [True, False]
        assert deeds(member) == ["Added a passkey"]
        assert "My phone" in here.get("/accounts/staff/sign-ins").content.decode()

    @pytest.mark.sqlite
    def test_signs_its_owner_in_after_the_password(self, member: Membership, device: Authenticator) -> None:
        add(sign_in(member.user), device)
        client = sign_in(member.user)
        before = is_in(client)

        answer = client.post(ASK, {"answer": device.use(asked(client, ASK))})

        assert (before, answer.status_code, is_in(client)) == (False, 302, True)
        assert client.session[SECOND_FACTOR] == PASSED
        assert Passkey.objects.get().sign_count == 1

    def test_of_somebody_else_signs_nobody_in(self, member: Membership, device: Authenticator) -> None:
        add(sign_in(member.user), device)
        client = sign_in(member.user)
        other = Authenticator(origin=device.origin)
        other.id = device.id

        refused = client.post(ASK, {"answer": other.use(asked(client, ASK))})

        assert (refused.status_code, is_in(client)) == (422, False)
        assert "This passkey was not accepted." in refused.content.decode()

    def test_answers_a_challenge_once(self, member: Membership, device: Authenticator) -> None:
        add(sign_in(member.user), device)
        client, thief = sign_in(member.user), sign_in(member.user)
        asked(thief, ASK)
        answer = device.use(asked(client, ASK))
        client.post(ASK, {"answer": answer})

        refused = thief.post(ASK, {"answer": answer})

        assert (refused.status_code, is_in(thief)) == (422, False)

    def test_that_was_copied_is_found_by_its_counter(self, member: Membership, device: Authenticator) -> None:
        add(sign_in(member.user), device)
        first = sign_in(member.user)
        first.post(ASK, {"answer": device.use(asked(first, ASK))})
        device.counter = 0  # the copy still has the old counter
        client = sign_in(member.user)

        refused = client.post(ASK, {"answer": device.use(asked(client, ASK))})

        assert (refused.status_code, is_in(client)) == (422, False)

    def test_asked_for_by_another_site_is_not_taken(self, member: Membership) -> None:
        page = add(sign_in(member.user), Authenticator(origin="https://enrollment-platform.example"))

        assert page.status_code == 422
        assert not SecondFactor.objects.exists()

    @pytest.mark.parametrize("said", ["", "[]", "{", '{"response": 7}', '{"id": "a", "rawId": "AA", "response": {}}'])
    def test_is_nothing_but_a_browsers_answer(self, member: Membership, device: Authenticator, said: str) -> None:
        user, now = member.user, utc_now()
        options, kept = begin_passkey(user)
        with pytest.raises(Invalid):
            add_passkey(user=user, name="My phone", answer=said, kept=kept, now=now)
        add_passkey(user=user, name="My phone", answer=device.make(options), kept=kept, now=now)
        _, kept = begin_passkey_check(user)

        assert not check_passkey(user=user, answer=said, kept=kept, request=RequestFactory().post("/"), now=now)

    def test_answers_no_request_that_is_not_open(self, member: Membership, device: Authenticator) -> None:
        client = sign_in(member.user)
        answer = device.make(asked(client, NEW))
        entered = {"name": "My phone", "password": PASSWORD, "answer": answer}

        stranger = sign_in(member.user).post(NEW, entered)
        added, again = client.post(NEW, entered), client.post(NEW, entered)

        assert (stranger.status_code, added.status_code, again.status_code) == (422, 200, 422)
        assert "Your browser did not create a passkey. Try again." in again.content.decode()
        assert Passkey.objects.count() == 1

    def test_is_no_longer_than_any_browser_sends(
        self, member: Membership, device: Authenticator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        options, kept = begin_passkey(member.user)
        answer = device.make(options)
        set_up = partial(add_passkey, user=member.user, name="My phone", answer=answer, kept=kept, now=utc_now())

        monkeypatch.setattr(passkeys, "ANSWER_AT_MOST", len(answer) - 1)
        with pytest.raises(Invalid):
            set_up()
        monkeypatch.setattr(passkeys, "ANSWER_AT_MOST", len(answer))
        assert len(set_up()) == 10

    def test_is_set_up_once(self, member: Membership, device: Authenticator) -> None:
        client = sign_in(member.user)

        add(client, device)
        again = add(client, device)

        assert again.status_code == 422
        assert "This passkey is already set up." in again.content.decode()
        assert Passkey.objects.count() == 1

    def test_is_one_of_few(self, member: Membership, device: Authenticator, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(passkeys, "PASSKEYS_PER_PERSON", 1)
        client = sign_in(member.user)

        add(client, device)
        second = add(client, Authenticator(origin=settings.PUBLIC_URL))

        assert second.status_code == 422
        assert "1 passkeys are enough. Remove one first." in second.content.decode()
        assert Passkey.objects.count() == 1

    def test_wants_the_password_again(self, member: Membership, device: Authenticator) -> None:
        page = add(sign_in(member.user), device, password="somebody else's")

        assert page.status_code == 422
        assert not SecondFactor.objects.exists()


class TestRemovingIt:
    @pytest.mark.parametrize("has_app", [False, True])
    def test_leaves_the_app_if_there_is_one(self, member: Membership, device: Authenticator, has_app: bool) -> None:
        client = sign_in(member.user)
        add(client, device)
        if has_app:
            secret = new_app_secret()
            set_app(user=member.user, secret=secret, code=code_of(secret), now=utc_now())
        page = f"/accounts/staff/passkeys/{Passkey.objects.get().pk}/remove"

        told = client.get(page).content.decode()
        client.post(page, {"password": PASSWORD})

        assert ("It is your only second factor" in told) is not has_app
        assert not Passkey.objects.exists()
        assert SecondFactor.objects.exists() is has_app
        assert is_in(client)

    def test_is_for_its_owner(self, member: Membership, device: Authenticator) -> None:
        add(sign_in(member.user), device)
        other = member_with_password()

        answer = sign_in(other.user).post(
            f"/accounts/staff/passkeys/{Passkey.objects.get().pk}/remove", {"password": PASSWORD}
        )

        assert answer.status_code == 404
        assert Passkey.objects.exists()
