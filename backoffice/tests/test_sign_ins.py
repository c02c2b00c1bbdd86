"""Staff see where they are signed in, and can end it: the browser's next request is anonymous."""

import datetime as dt
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse

from accounts.browsers import forget_expired_sessions
from accounts.models import Membership, StaffSignIn
from accounts.passwords import SIGNED_IN_BY_PASSWORD
from accounts.staff_sign_ins import NOTED_EVERY_SECONDS, list_sign_ins, name_browser
from accounts.states import Role
from accounts.tests.factories import MembershipFactory
from backoffice.models import AuditEntry
from core.clock import utc_now

from .staff_client import PASSWORD, member_with_password, sign_in

pytestmark = pytest.mark.django_db

PAGE = "/accounts/staff/sign-ins"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture
def member() -> Membership:
    return member_with_password()


def sign_in_here(member: Membership) -> Client:
    return sign_in(member.user, Client(HTTP_USER_AGENT=FIREFOX, REMOTE_ADDR="203.0.113.77"))


def are_in(*clients: Client) -> list[bool]:
    return [client.get(PAGE).status_code == 200 for client in clients]


class TestASignIn:
    def test_tells_the_browser_and_a_range_of_addresses(self, member: Membership) -> None:
        page = sign_in_here(member).get(PAGE).content.decode()

        assert "Firefox on Windows" in page
        assert "203.0.113.0/24" in page
        assert "203.0.113.77" not in page

    def test_is_noted_again_every_few_minutes(self, member: Membership, time_machine: Any) -> None:
        client = sign_in_here(member)
        begun = StaffSignIn.objects.get()
        moments = [begun.last_used_at + dt.timedelta(seconds=NOTED_EVERY_SECONDS + late) for late in (-2, 2)]

        used = []
        for moment in moments:
            time_machine.move_to(moment, tick=False)
            client.get("/admin/login/")
            used.append(StaffSignIn.objects.get().last_used_at)

        assert used == [begun.last_used_at, moments[1]]

    @pytest.mark.parametrize(("minutes", "lasts"), [(12 * 60 - 1, True), (12 * 60 + 1, False)])
    def test_ends_when_it_is_not_used_for_half_a_day(
        self, member: Membership, time_machine: Any, minutes: int, lasts: bool
    ) -> None:
        client = sign_in_here(member)

        time_machine.move_to(StaffSignIn.objects.get().last_used_at + dt.timedelta(minutes=minutes), tick=False)

        assert are_in(client) == [lasts]
        assert StaffSignIn.objects.exists() == lasts

    def test_lasts_no_longer_for_being_used(self, member: Membership, time_machine: Any, settings: Any) -> None:
        client = sign_in_here(member)
        ends = Session.objects.get().expire_date
        settings.STAFF_IDLE_HOURS = 24 * 15

        time_machine.move_to(ends - dt.timedelta(minutes=1), tick=False)
        shown = client.get(PAGE).status_code
        client.post(f"{PAGE}/end")
        time_machine.move_to(ends + dt.timedelta(minutes=1), tick=False)

        assert shown == 200
        assert are_in(client) == [False]

    def test_ends_with_its_session(self, member: Membership) -> None:
        client = sign_in_here(member)

        client.post("/admin/logout/")

        assert not StaffSignIn.objects.exists()

    def test_that_has_expired_is_not_listed_and_is_deleted_by_the_sweep(self, member: Membership) -> None:
        sign_in_here(member)
        Session.objects.update(expire_date=utc_now())
        listed = list_sign_ins(user=member.user, now=utc_now())
        sign_in_here(member)

        deleted = forget_expired_sessions(now=utc_now())

        assert (listed, deleted) == ([], 1)
        assert StaffSignIn.objects.count() == 1

    def test_from_before_a_new_password_is_shown_no_more(self, member: Membership) -> None:
        sign_in_here(member)
        member.user.set_password(PASSWORD)
        member.user.save()

        sign_in_here(member)

        assert len(list_sign_ins(user=member.user, now=utc_now())) == 1


class TestSigningOut:
    @pytest.mark.sqlite
    def test_of_one_browser_leaves_the_others(self, member: Membership) -> None:
        here, there, elsewhere = (sign_in_here(member) for _ in range(3))
        second = StaffSignIn.objects.order_by("pk")[1]

        here.post(f"{PAGE}/{second.pk}/end")
        again = here.post(f"{PAGE}/{second.pk}/end")

        assert again.status_code == 302
        assert are_in(here, there, elsewhere) == [True, False, True]
        assert list(AuditEntry.objects.values_list("action", flat=True)) == ["Signed out of another browser"]

    def test_everywhere_else_leaves_this_one(self, member: Membership) -> None:
        here, there = sign_in_here(member), sign_in_here(member)
        unnoted = Client()  # signed in before sign-ins were recorded
        unnoted.force_login(member.user, backend=SIGNED_IN_BY_PASSWORD)

        here.post(f"{PAGE}/end")

        assert are_in(here, there, unnoted) == [True, False, False]
        assert StaffSignIn.objects.count() == 1
        assert list(AuditEntry.objects.values_list("action", flat=True)) == ["Signed out of every other browser"]

    def test_is_for_ones_own_browsers(self, member: Membership) -> None:
        other = MembershipFactory(workspace=member.workspace)
        stranger = Client()
        stranger.force_login(other.user, backend=SIGNED_IN_BY_PASSWORD)
        client = sign_in_here(member)

        stranger.post(f"{PAGE}/{StaffSignIn.objects.get().pk}/end")

        assert are_in(client) == [True]

    @pytest.mark.parametrize(("role", "is_in"), [(Role.OWNER, False), (Role.ADMIN, True)])
    def test_of_a_member_is_for_owners(self, member: Membership, role: Role, is_in: bool) -> None:
        client = sign_in_here(member)
        colleague = Client()
        theirs = MembershipFactory(workspace=member.workspace, role=role)
        colleague.force_login(theirs.user, backend=SIGNED_IN_BY_PASSWORD)
        member_page = reverse("admin:accounts_membership_change", args=[member.pk])
        shown = colleague.get(member_page).content.decode()

        colleague.post(reverse("admin:accounts_membership_sign_out", args=[member.pk]), {"note": "A lost laptop"})

        assert ("Firefox on Windows" in shown) is (not is_in)
        assert are_in(client) == [is_in]


class TestTheNameOfABrowser:
    @pytest.mark.parametrize(
        ("agent", "name"),
        [
            (FIREFOX, "Firefox on Windows"),
            ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36", "Chrome on Linux"),
            (
                "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0",
                "Edge on Windows",
            ),
            ("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Safari/604.1", "Safari on iPhone"),
            ("curl/8.5", "A browser"),
            ("", "A browser"),
        ],
    )
    def test_is_what_people_call_it(self, agent: str, name: str) -> None:
        assert name_browser(agent) == name
