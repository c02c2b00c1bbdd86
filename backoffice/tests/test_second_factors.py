"""After the password, staff enter a code that nobody else has, once."""

import datetime as dt
import re
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.urls import get_resolver, reverse

from accounts.models import Membership, SecondFactor, User
from accounts.passwords import PASSED, SECOND_FACTOR, SIGNED_IN_BY_PASSWORD
from accounts.roles import Power, get_staff_access
from accounts.second_factors import STEP_SECONDS, code_at, has_second_factor, new_app_secret, set_app
from accounts.states import Role
from accounts.tests.factories import MembershipFactory, StaffFactory
from backoffice.models import AuditEntry
from core.clock import utc_now
from core.errors import Invalid
from tests.contracts.routes import routes

from .staff_client import PASSWORD, member_with_password, sign_in

pytestmark = pytest.mark.django_db

PAGE = "/accounts/staff/second-factor"
APP = f"{PAGE}/app"
LEARNERS = "/admin/accounts/learner/"


@pytest.fixture
def member() -> Membership:
    return member_with_password()


def code_of(secret: str, *, steps: int = 0) -> str:
    return code_at(secret, int(utc_now().timestamp()) // STEP_SECONDS + steps)


def present_code(user: User) -> str:
    return code_of(SecondFactor.objects.get(user=user).secret)


def set_up(user: User) -> list[str]:
    """Set up with the previous code, so that the current one is left."""
    secret = new_app_secret()
    return set_app(user=user, secret=secret, code=code_of(secret, steps=-1), now=utc_now())


def ask(member: Membership, *, days: int) -> None:
    member.workspace.second_factor_from = utc_now() + dt.timedelta(days=days)
    member.workspace.save()


def show_it(client: Client) -> None:
    session = client.session
    session[SECOND_FACTOR] = PASSED
    session.save()


def deeds(member: Membership) -> list[str]:
    entries = AuditEntry.objects.filter(actor=f"user:{member.user_id}", workspace=member.workspace_id)
    return list(entries.order_by("pk").values_list("action", flat=True))


def doors() -> set[str]:
    """Return a URL of every page and button of the back office, with rows that do not exist."""
    found = (route for route, _ in routes(get_resolver()) if route.startswith("admin/"))
    named = {re.sub(r"<[^>]+>", "1", route) for route in found if "(" not in route}
    return {f"/{route}" for route in named} - {"/admin/login/", "/admin/logout/", "/admin/jsi18n/"}


def is_sent_to_sign_in(answer: Any) -> bool:
    return answer.status_code == 302 and answer["Location"].startswith("/admin/login/")


class TestACode:
    def test_is_that_of_the_standard(self) -> None:
        """RFC 6238, appendix B, for SHA-1: the last six of its eight digits."""
        secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"

        assert [code_at(secret, seconds // 30) for seconds in (59, 1111111109, 20000000000)] == [
            "287082",
            "081804",
            "353130",
        ]

    def test_of_another_minute_sets_nothing_up(self, member: Membership) -> None:
        secret = new_app_secret()

        with pytest.raises(Invalid):
            set_app(user=member.user, secret=secret, code=code_of(secret), now=utc_now() + dt.timedelta(minutes=5))

        assert not has_second_factor(member.user)

    @pytest.mark.parametrize(("steps", "is_accepted"), [(-2, False), (-1, True), (0, True), (1, False)])
    def test_counts_in_its_half_minute_and_the_next(self, member: Membership, steps: int, is_accepted: bool) -> None:
        """For a person who is typing when it changes. A code that the app does not show yet is refused."""
        secret = new_app_secret()
        now = utc_now()
        code = code_at(secret, int(now.timestamp()) // STEP_SECONDS + steps)

        try:
            set_app(user=member.user, secret=secret, code=code, now=now)
        except Invalid:
            assert not is_accepted
        assert has_second_factor(member.user) is is_accepted

    def test_and_its_secret_are_not_readable_in_the_database(self, member: Membership) -> None:
        codes = set_up(member.user)
        factor = SecondFactor.objects.get()

        stored = SecondFactor.objects.extra(select={"raw": "secret"}).values_list("raw", flat=True).get()

        assert factor.secret not in str(stored)
        assert not set(codes) & set(factor.recovery_digests)


class TestSigningIn:
    def test_goes_on_with_the_code_of_the_app(self, member: Membership) -> None:
        set_up(member.user)
        client = sign_in(member.user, then=LEARNERS)

        answer = client.post(PAGE, {"code": present_code(member.user)})

        assert (answer.status_code, answer["Location"]) == (302, LEARNERS)
        assert client.session[SECOND_FACTOR] == PASSED
        assert client.get(LEARNERS).status_code == 200

    @pytest.mark.sqlite
    def test_takes_a_code_once(self, member: Membership) -> None:
        codes = set_up(member.user)
        used = [present_code(member.user), codes[0]]

        answers = [[sign_in(member.user).post(PAGE, {"code": code}).status_code for _ in range(2)] for code in used]

        assert answers == [[302, 422], [302, 422]]
        assert len(SecondFactor.objects.get().recovery_digests) == 9

    def test_is_as_it_was_for_those_without_a_factor(self, member: Membership) -> None:
        client = sign_in(member.user)

        assert client.get(LEARNERS).status_code == 200

    def test_makes_those_wait_who_guess(self, member: Membership, time_machine: Any) -> None:
        time_machine.move_to(utc_now(), tick=False)  # the first pause lasts a second
        set_up(member.user)
        client = sign_in(member.user)

        answers = [client.post(PAGE, {"code": "wrong"}) for _ in range(6)]
        fresh = sign_in(member.user).post(PAGE, {"code": present_code(member.user)})

        assert [answer.status_code for answer in [*answers, fresh]] == [422] * 5 + [429] * 2
        assert int(fresh["Retry-After"]) > 0

    def test_from_a_known_browser_waits_for_no_stranger(self, member: Membership) -> None:
        owners = sign_in(member.user)  # this browser is remembered
        set_up(member.user)
        stranger = sign_in(member.user)
        for _ in range(6):
            stranger.post(PAGE, {"code": "wrong"})

        sign_in(member.user, owners)
        answer = owners.post(PAGE, {"code": present_code(member.user)})

        assert answer.status_code == 302
        assert owners.session[SECOND_FACTOR] == PASSED


class TestAWorkspaceThatAsksForIt:
    def test_waits_until_its_day(self, member: Membership) -> None:
        ask(member, days=1)

        assert get_staff_access(member.user, has_second_factor=False).may(Power.VIEW, member.workspace_id)

    @pytest.mark.sqlite
    def test_shows_nothing_without_it_and_touches_no_other(self, member: Membership) -> None:
        ask(member, days=-1)
        other = MembershipFactory(user=member.user, role=Role.VIEWER)

        without, with_it = (get_staff_access(member.user, has_second_factor=has) for has in (False, True))

        assert not without.may(Power.VIEW, member.workspace_id)
        assert without.may(Power.VIEW, other.workspace_id)
        assert with_it.may(Power.MANAGE, member.workspace_id)

    @pytest.mark.parametrize("is_shown", [False, True])
    @pytest.mark.parametrize("days", [None, 1, -1])
    def test_keeps_out_those_without(self, member: Membership, days: int | None, is_shown: bool) -> None:
        client = sign_in(member.user)
        if days is not None:
            ask(member, days=days)
        if is_shown:
            show_it(client)

        assert is_sent_to_sign_in(client.get(LEARNERS)) is (days == -1 and not is_shown)

    @pytest.mark.walk
    @pytest.mark.parametrize("has_one", [False, True])
    def test_shuts_every_door_of_the_back_office(self, member: Membership, has_one: bool) -> None:
        if has_one:
            set_up(member.user)
        client = sign_in(member.user)
        ask(member, days=-1)

        open_doors = {door for door in doors() if not is_sent_to_sign_in(client.get(door))}

        assert len(doors()) > 300
        assert open_doors == set()

    def test_leads_to_setting_one_up(self, member: Membership) -> None:
        ask(member, days=-1)
        client = sign_in(member.user)

        shown = client.get(PAGE, follow=True)
        secret = shown.context["secret"].replace(" ", "")
        done = client.post(APP, {"code": code_of(secret), "password": PASSWORD})

        assert shown.redirect_chain == [(APP, 302)]
        assert "Your organization asks for a second factor." in shown.content.decode()
        assert len(done.context["codes"]) == 10
        assert client.get(LEARNERS).status_code == 200

    def test_tells_of_its_day_at_every_sign_in_until_then(self, member: Membership) -> None:
        ask(member, days=1)

        page = sign_in(member.user).get("/admin/")

        assert "shows nothing to people without a second factor. <a" in page.content.decode()

    @pytest.mark.parametrize(("needed", "is_shut"), [(True, True), (False, False)])
    def test_is_the_platform_too_if_set_so(self, needed: bool, is_shut: bool, settings: Any) -> None:
        settings.SUPERUSERS_NEED_SECOND_FACTOR = needed
        client = Client()
        client.force_login(StaffFactory(is_superuser=True), backend=SIGNED_IN_BY_PASSWORD)

        assert is_sent_to_sign_in(client.get(LEARNERS)) is is_shut
        assert client.get("/metrics").status_code == (404 if is_shut else 200)


class TestChangingIt:
    def test_wants_the_password_again(self, member: Membership) -> None:
        client = sign_in(member.user)
        secret = client.get(APP).context["secret"].replace(" ", "")

        answer = client.post(APP, {"code": code_of(secret), "password": "somebody else's"})

        assert answer.status_code == 422
        assert "This is not the password of your staff account." in answer.content.decode()
        assert not has_second_factor(member.user)

    def test_signs_out_every_other_browser_and_is_written_down(self, member: Membership) -> None:
        here, there = sign_in(member.user), sign_in(member.user)
        secret = here.get(APP).context["secret"].replace(" ", "")

        here.post(APP, {"code": code_of(secret), "password": PASSWORD})

        assert [is_sent_to_sign_in(client.get(LEARNERS)) for client in (here, there)] == [False, True]
        assert deeds(member) == ["Set up an authenticator app"]

    @pytest.mark.parametrize("way", ["codes", "off"])
    def test_needs_the_second_factor_first(self, member: Membership, way: str) -> None:
        codes = set_up(member.user)
        client = sign_in(member.user)

        early = client.post(f"{PAGE}/{way}", {"password": PASSWORD})
        client.post(PAGE, {"code": codes[0]})
        wrong = client.post(f"{PAGE}/{way}", {"password": "somebody else's"})
        before = has_second_factor(member.user), len(SecondFactor.objects.get().recovery_digests)
        client.post(f"{PAGE}/{way}", {"password": PASSWORD})

        assert (early["Location"], wrong.status_code, before) == ("/admin/login/", 422, (True, 9))
        assert has_second_factor(member.user) is (way == "codes")
        assert deeds(member)[0] == "Signed in with a recovery code"
        assert len(deeds(member)) == 2


class TestALostOne:
    def reset(self, by: Role, member: Membership) -> int:
        client = Client()
        client.force_login(MembershipFactory(workspace=member.workspace, role=by).user, backend=SIGNED_IN_BY_PASSWORD)
        address = reverse("admin:accounts_membership_reset_second_factor", args=[member.pk])
        return client.post(address, {"note": "Lost the phone"}).status_code

    def test_is_reset_by_an_owner_who_says_why(self, member: Membership) -> None:
        codes = set_up(member.user)
        thief = sign_in(member.user)
        thief.post(PAGE, {"code": codes[0]})

        assert self.reset(Role.OWNER, member) == 302
        assert not has_second_factor(member.user)
        assert is_sent_to_sign_in(thief.get(LEARNERS))
        assert mail.outbox[-1].to == [member.user.email]
        assert "second factor" in mail.outbox[-1].subject

    def test_is_reset_by_nobody_else(self, member: Membership) -> None:
        set_up(member.user)

        assert self.reset(Role.ADMIN, member) == 403
        assert has_second_factor(member.user)

    def test_is_not_one_organizations_to_take_from_another(self, member: Membership) -> None:
        set_up(member.user)
        MembershipFactory(user=member.user)

        self.reset(Role.OWNER, member)

        assert has_second_factor(member.user)
        assert mail.outbox == []


class TestThePages:
    def test_are_for_those_who_knew_the_password(self, member: Membership) -> None:
        by_code = Client()
        by_code.force_login(member.user, backend="allauth.account.auth_backends.AuthenticationBackend")

        answers = [
            by_code.get(page) for page in (PAGE, APP, "/accounts/staff/passkeys/new", "/accounts/staff/sign-ins")
        ]

        assert [answer["Location"] for answer in answers] == ["/admin/login/"] * 4
