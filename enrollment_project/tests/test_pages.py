import re

import pytest
from django.db import OperationalError
from django.test import Client, RequestFactory
from django.urls import reverse
from pytest_django import Settings

from accounts.tests.factories import StaffFactory, UserFactory
from enrollment_project.pages import server_error


class TestTheFrontPage:
    def test_offers_a_visitor_to_sign_in(self, client: Client) -> None:
        page = client.get("/").content.decode()

        assert reverse("account_request_login_code") in page
        assert "See my enrollments" not in page

    @pytest.mark.django_db
    def test_leads_a_family_to_its_enrollments(self, client: Client) -> None:
        client.force_login(UserFactory(), backend="django.contrib.auth.backends.ModelBackend")

        page = client.get("/").content.decode()

        assert "See my enrollments" in page
        assert page.count(reverse("admin:index")) == 2

    @pytest.mark.django_db
    def test_leads_staff_to_the_back_office_from_its_header(self, client: Client) -> None:
        client.force_login(StaffFactory(), backend="django.contrib.auth.backends.ModelBackend")

        assert client.get("/").content.decode().count(reverse("admin:index")) == 3

    def test_warns_of_the_sandbox_only_there(self, client: Client, settings: Settings) -> None:
        in_sandbox = client.get("/").content.decode()
        settings.SANDBOX = False
        outside = client.get("/").content.decode()

        assert "no real money moves" in in_sandbox
        assert "no real money moves" not in outside
        assert "dev/mailbox" not in outside

    def test_has_no_inline_script_or_style(self, client: Client) -> None:
        page = client.get("/").content.decode()

        assert "<style" not in page
        assert "style=" not in page
        assert re.findall(r"<script(?![^>]* src=)", page) == []


class TestWhatWentWrong:
    def test_is_a_page_for_people(self, client: Client) -> None:
        answer = client.get("/no/such/page")

        assert answer.status_code == 404
        assert "There is nothing here" in answer.content.decode()

    def test_is_a_problem_document_for_the_api(self, client: Client) -> None:
        answer = client.get("/api/no/such/path")

        assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")
        assert answer.json()["code"] == "not_found"

    def test_includes_a_form_without_its_token(self) -> None:
        answer = Client(enforce_csrf_checks=True).post("/accounts/logout/")

        assert answer.status_code == 403
        assert "You can't see this page" in answer.content.decode()

    def test_may_be_anything_so_its_page_needs_nothing(self, rf: RequestFactory) -> None:
        request = rf.get("/")
        request.request_id = "r3quest"  # type: ignore[attr-defined]

        answer = server_error(request)

        assert answer.status_code == 500
        assert "r3quest" in answer.content.decode()

    @pytest.mark.parametrize("path", ["/courses", "/api/graphql"])
    def test_of_a_database_that_is_busy_says_when_to_come_back(self, rf: RequestFactory, path: str) -> None:
        try:
            raise OperationalError("canceling statement due to lock timeout")
        except OperationalError:
            answer = server_error(rf.get(path))

        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")

    def test_on_our_side_is_a_problem_document_for_the_api(self, rf: RequestFactory) -> None:
        answer = server_error(rf.get("/api/enroll"))

        assert (answer.status_code, answer.headers["Content-Type"]) == (500, "application/problem+json")
