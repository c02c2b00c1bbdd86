"""Families see in which browsers they are signed in, and sign them out: a browser's next request is anonymous."""

import datetime as dt
import io
import json
import zipfile
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core import mail
from django.db import connection
from django.test import Client
from django.urls import reverse

from accounts.browsers import forget_expired_sessions
from accounts.models import FamilySignIn, User
from accounts.passwords import SIGNED_IN_BY_PASSWORD
from accounts.tests.test_sign_in import ask_for_code, code_in
from cohorts.tests.browsing import PARENT, child_of, text
from cohorts.tests.factories import cohort_with
from core.actors import SYSTEM
from core.clock import utc_now
from enrollment_project.learner_data.export import export_learner
from privacy.tests.erasures import erase

pytestmark = pytest.mark.django_db

PAGE = "/my/data"
ANDROID = "Mozilla/5.0 (Linux; Android 16; K) AppleWebKit/537.36 Chrome/140.0.0.0 Mobile Safari/537.36"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Mobile/15E148 Safari/604.1"
OTHER = "other@families.test"


def browser_of(email: str = PARENT, agent: str = ANDROID) -> Client:
    client = Client(HTTP_USER_AGENT=agent, REMOTE_ADDR="203.0.113.77")
    ask_for_code(client, email)
    client.post(reverse("account_confirm_login_code"), {"code": code_in(mail.outbox[-1])})
    return client


def are_in(*clients: Client) -> list[bool]:
    return [client.get(PAGE).status_code == 200 for client in clients]


def sign_in_at(client: Client) -> FamilySignIn:
    return FamilySignIn.objects.get(session=client.session.session_key)


def sign_out_of(client: Client) -> str:
    return reverse("my-browser-sign-out", args=[sign_in_at(client).pk])


class TestASignIn:
    def test_stores_what_people_call_the_browser_and_no_address(self) -> None:
        page = text(browser_of().get(PAGE))

        stored = FamilySignIn.objects.values().get()
        assert (stored["browser"], stored["system"]) == ("Chrome", "Android")
        assert stored["last_used_date"] == stored["began_at"].date()
        assert set(stored) == {"id", "user_id", "session_id", "browser", "system", "began_at", "last_used_date"}
        assert "<strong>Chrome on Android</strong> · this browser" in page
        assert "203.0.113" not in page

    @pytest.mark.parametrize(
        ("agent", "name"),
        [("curl/8.5", "A browser"), ("Mozilla/5.0 Firefox/140.0", "Firefox"), (IPHONE, "Safari on iPhone")],
    )
    def test_names_only_what_the_browser_reveals(self, agent: str, name: str) -> None:
        assert f"<strong>{name}</strong> · this browser" in text(browser_of(agent=agent).get(PAGE))

    def test_is_written_in_the_language_of_the_page(self) -> None:
        client = browser_of()
        client.post(reverse("switch-language"), {"language": "es"})

        assert "<strong>Chrome en Android</strong> · este navegador" in text(client.get(PAGE))

    def test_notes_each_day_of_use_once_and_lasts_no_longer_for_it(self, time_machine: Any) -> None:
        time_machine.move_to(dt.datetime(2026, 10, 6, 12, tzinfo=dt.UTC), tick=False)
        client = browser_of()
        ends = Session.objects.get().expire_date
        used = []

        for day, hour in ((6, 23), (7, 0), (9, 5)):
            time_machine.move_to(dt.datetime(2026, 10, day, hour, 30, tzinfo=dt.UTC), tick=False)
            client.get(PAGE)
            used.append(sign_in_at(client).last_used_date.day)

        assert used == [6, 7, 9]
        assert Session.objects.get().expire_date == ends == dt.datetime(2026, 10, 20, 12, tzinfo=dt.UTC)
        time_machine.move_to(ends + dt.timedelta(minutes=1), tick=False)
        assert are_in(client) == [False]

    @pytest.mark.sqlite
    def test_is_deleted_with_its_session(self) -> None:
        here, there = browser_of(), browser_of()

        there.post(reverse("account_logout"))

        assert FamilySignIn.objects.get() == sign_in_at(here)

    @pytest.mark.sqlite
    def test_is_deleted_once_its_session_has_expired(self) -> None:
        here, there = browser_of(), browser_of()
        kept = sign_in_at(here)
        Session.objects.filter(pk=there.session.session_key).update(expire_date=utc_now())

        deleted = [forget_expired_sessions(now=utc_now()) for _ in range(2)]

        assert deleted == [1, 0]
        assert FamilySignIn.objects.get() == kept

    def test_is_deleted_by_postgresql_when_an_older_release_deletes_the_session(self) -> None:
        browser_of()

        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM django_session")

        assert not FamilySignIn.objects.exists()


class TestSigningOut:
    @pytest.mark.sqlite
    def test_of_one_browser_leaves_the_others(self) -> None:
        here, there, elsewhere = browser_of(), browser_of(agent=IPHONE), browser_of()
        assert 'Sign out<span class="visually-hidden">: Safari on iPhone' in text(here.get(PAGE))
        address = sign_out_of(there)

        answers = [text(here.post(address, follow=True)) for _ in range(2)]

        assert ["That browser is signed out." in answer for answer in answers] == [True, False]
        assert "That browser was already signed out." in answers[1]
        assert are_in(here, there, elsewhere) == [True, False, True]

    def test_of_all_others_leaves_this_one(self) -> None:
        here, there = browser_of(), browser_of(agent=IPHONE)
        unlisted = Client()  # signed in before sign-ins were stored, or as staff
        unlisted.force_login(User.objects.get(), backend=SIGNED_IN_BY_PASSWORD)
        began = sign_in_at(here).began_at

        page = text(here.post(reverse("my-browsers-sign-out"), follow=True))

        assert are_in(here, there, unlisted) == [True, False, False]
        assert (FamilySignIn.objects.get(), sign_in_at(here).began_at) == (sign_in_at(here), began)
        assert "Every other browser is signed out." in page
        assert "No other browser is on this list." in page

    def test_is_for_ones_own_browsers(self) -> None:
        theirs, strange = browser_of(), browser_of(OTHER)

        answers = [strange.post(sign_out_of(theirs)), strange.post(reverse("my-browsers-sign-out"))]

        assert [answer.status_code for answer in answers] == [302, 302]
        assert are_in(theirs, strange) == [True, True]
        assert FamilySignIn.objects.count() == 2

    def test_is_not_offered_for_the_only_browser(self) -> None:
        page = text(browser_of().get(PAGE))

        assert "No other browser is on this list." in page
        assert "Sign out of every other browser" not in page


class TestTheDownload:
    def test_has_the_sign_ins_of_the_family_that_downloads_it(self) -> None:
        learner = child_of(cohort_with(options=(1,)))
        here, signed_in_at = browser_of(), utc_now()
        browser_of(OTHER, agent=IPHONE)

        answer: Any = here.get(reverse("my-data-download", args=[learner.cuid]))

        with zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content))) as archive:
            [row] = json.loads(archive.read("data/browsers.json"))
            assert 'href="data/browsers.json"' in archive.read("index.html").decode()
        assert (row["browser"], row["system"]) == ("Chrome", "Android")
        assert row["last_used_date"] == signed_in_at.date().isoformat()
        assert set(row) == {"browser", "system", "began_at", "last_used_date"}

    def test_that_staff_make_has_none(self) -> None:
        browser_of()
        learner = child_of(cohort_with(options=(1,)))

        with export_learner(learner=learner, reader=PARENT, actor=SYSTEM, now=utc_now()) as made:
            names = zipfile.ZipFile(made).namelist()

        assert "index.html" in names
        assert "data/browsers.json" not in names


class TestErasing:
    def test_deletes_the_sign_ins_of_the_account_and_no_others(self) -> None:
        learner = child_of(cohort_with(options=(1,)))
        theirs, others = browser_of(), browser_of(OTHER)

        erase(learner)

        assert FamilySignIn.objects.get() == sign_in_at(others)
        assert are_in(theirs, others) == [False, True]


class TestThePage:
    def test_shows_a_browser_whose_sign_in_is_not_stored(self) -> None:
        listed = browser_of(agent=IPHONE)
        client = Client(HTTP_USER_AGENT=ANDROID)
        client.force_login(User.objects.get(), backend=SIGNED_IN_BY_PASSWORD)

        page = text(client.get(PAGE))

        assert "<strong>Chrome on Android</strong> · this browser </div>" in page
        assert sign_out_of(listed) in page

    def test_leaves_out_sessions_that_are_over(self) -> None:
        here, expired, ended = browser_of(), browser_of(agent=IPHONE), browser_of(agent="Firefox/140.0")
        Session.objects.filter(pk=expired.session.session_key).update(expire_date=utc_now())
        session = ended.session
        session["_auth_user_hash"] = "of an earlier epoch"
        session.save()

        page = text(here.get(PAGE))

        assert [name in page for name in ("Chrome on Android", "Safari on iPhone", "Firefox")] == [True, False, False]
