"""What a browser's address bar shows after opening a mailed link, for every page that such a link opens."""

import re
from collections.abc import Callable

import pytest
from django.contrib.auth.tokens import default_token_generator
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import ResolverMatch, reverse

from accounts.models import Workspace
from accounts.states import Role
from accounts.tests.factories import StaffFactory, WorkspaceFactory
from backoffice.tests.test_invitations import invite
from core.http.mailed_links import opened_by_link
from enrollments.allocations.contact import stop_url
from enrollments.models import Application, District
from enrollments.tests.applicants import fill_in, instance_with_form, mailed_link, press
from enrollments.tests.factories import seats

pytestmark = pytest.mark.django_db

CLEAN = re.compile(r"/~[0-9a-f]{32}$")


def of_an_application() -> str:
    fill_in(instance_with_form())
    return mailed_link()


def of_a_district() -> str:
    workspace: Workspace = WorkspaceFactory()
    seats(workspace, total=1)
    return "/districts/emails/" + stop_url(District.objects.get()).rpartition("/")[2]


def of_a_staff_invitation() -> str:
    return reverse("staff-invitation", args=[invite(WorkspaceFactory(), role=Role.ADMIN)])


def of_a_new_password() -> str:
    user = StaffFactory()
    return reverse("staff-password", args=[user.pk, default_token_generator.make_token(user)])


LINKS = (of_an_application, of_a_district, of_a_staff_invitation, of_a_new_password)


class TestALinkThatOpensSomething:
    @pytest.mark.parametrize("make", LINKS, ids=lambda make: make.__name__)
    def test_leads_to_an_address_that_opens_nothing_elsewhere(self, make: Callable[[], str]) -> None:
        link = make()
        browser = Client()

        moved = browser.get(link)

        clean = moved["Location"]
        assert (moved.status_code, clean[: clean.rindex("/")]) == (302, link[: link.rindex("/")])
        assert CLEAN.search(clean)
        assert browser.get(clean).status_code == 200
        assert Client().get(clean).status_code in (404, 410)

    def test_keeps_its_secret_from_scripts_and_other_sites(self) -> None:
        browser = Client()

        browser.get(of_an_application())

        (cookie,) = (each for name, each in browser.cookies.items() if name.startswith("link-"))
        assert (cookie["httponly"], cookie["samesite"], cookie["max-age"]) == (True, "Lax", 86400)

    def test_is_acted_upon_at_the_clean_address(self) -> None:
        browser = Client()
        clean = browser.get(of_an_application())["Location"]

        press(clean, "discard_for_good", client=browser)

        assert not Application.objects.exists()

    def test_stays_apart_from_another_one_in_the_same_browser(self) -> None:
        browser = Client()
        first = browser.get(of_a_district())["Location"]
        second = browser.get(of_a_new_password())["Location"]

        assert [browser.get(address).status_code for address in (first, second)] == [200, 200]

    @pytest.mark.parametrize("status", [404, 410, 422])
    def test_is_answered_as_it_is_where_it_opens_nothing(self, status: int) -> None:
        @opened_by_link
        def view(request: HttpRequest, token: str) -> HttpResponse:
            return HttpResponse(token, status=status)

        request = RequestFactory().get("/x/secret")
        request.resolver_match = ResolverMatch(view, (), {"token": "secret"}, "application")

        answer = view(request, token="secret")

        assert (answer.status_code, answer.cookies) == (status, {})
