"""Text that no database stores is refused at the door, however it arrives."""

from typing import Any

import pytest
from django.contrib import admin
from django.test import Client, RequestFactory
from django.urls import reverse

from accounts.models import Learner, Workspace
from accounts.states import Role
from accounts.tests.factories import WorkspaceFactory, bearer
from backoffice.tests.staff_client import StaffClient
from core.http.storable import StorableTextMiddleware
from enrollment_project.wsgi import application
from enrollments.models import EnrollmentDecision
from enrollments.tests.factories import InstanceFactory, seats

LISTED = list(admin.site._registry)
pytestmark = pytest.mark.django_db


@pytest.fixture
def workspace() -> Workspace:
    return WorkspaceFactory()


@pytest.fixture
def owner(workspace: Workspace) -> StaffClient:
    return StaffClient(workspace=workspace, role=Role.OWNER)


def served(method: str, address: str, body: bytes, content_type: str) -> tuple[int, str]:
    """Return the status and content type that a server would send: Django's test client makes requests differently."""
    environ = RequestFactory().generic(method, address, body, content_type="text/plain").environ
    request = application.request_class(environ | {"CONTENT_TYPE": content_type})

    answer = application.get_response(request)

    return answer.status_code, answer["Content-Type"]


class TestNul:
    @pytest.mark.parametrize("address", ["/calendar/%00.ics", "/courses/%00", "/static/%00", "/api/decisions/%00"])
    def test_in_an_address_is_not_found(self, client: Client, address: str) -> None:
        assert client.get(address).status_code == 404

    @pytest.mark.parametrize(
        "query",
        ["status__exact=%00", "q=%00", "%00=1", "q=a%00b", "workspace__id__exact=%00", "_changelist_filters=%00"],
    )
    def test_in_the_query_of_a_list_is_a_bad_request(self, owner: StaffClient, query: str) -> None:
        answer = owner.get(f"{reverse('admin:accounts_stafftask_changelist')}?{query}")

        assert answer.status_code == 400
        assert "We could not read that request" in answer.content.decode()

    def test_in_a_search_of_the_back_office_is_a_bad_request(self, owner: StaffClient) -> None:
        assert owner.get(reverse("admin:search"), {"s": "a\x00"}).status_code == 400

    def test_in_a_form_is_a_bad_request_and_changes_nothing(self, owner: StaffClient, workspace: Workspace) -> None:
        form = {"workspace": workspace.pk, "first_name": "Ja\x00ne", "last_name": "Doe", "email": "jane@school.test"}

        answer = owner.post(reverse("admin:accounts_learner_add"), form)

        assert answer.status_code == 400
        assert not Learner.objects.exists()

    def test_in_a_urlencoded_form_is_a_bad_request(self, client: Client) -> None:
        answer = client.post(
            "/accounts/login/code/", "email=a%00%40b.test", content_type="application/x-www-form-urlencoded"
        )

        assert answer.status_code == 400

    @pytest.mark.parametrize("address", ["/my/enrollments", "/courses", "/admin/"])
    @pytest.mark.parametrize("name", ["sessionid", "tz", "csrftoken"])
    def test_in_a_cookie_is_a_bad_request(self, client: Client, name: str, address: str) -> None:
        """A cookie's quoted value spells NUL in three digits, which no server refuses for us."""
        assert client.get(address, headers={"Cookie": f'{name}="a\\000b"'}).status_code == 400

    def test_in_a_header_of_the_api_is_refused_by_its_name(self, client: Client, workspace: Workspace) -> None:
        answer = client.post(
            "/api/districts/seats",
            {"tenant_id": 1, "total_seats": 1},
            content_type="application/json",
            headers=bearer(workspace=workspace) | {"Idempotency-Key": "a\x00"},
        )

        assert (answer.status_code, answer["Content-Type"]) == (422, "application/problem+json")

    def test_in_a_query_of_the_api_is_refused_by_its_name(self, client: Client, workspace: Workspace) -> None:
        answer = client.get("/api/decisions?guardian_id=a%00", headers=bearer(workspace=workspace))

        assert answer.status_code == 422
        assert [error["field"] for error in answer.json()["errors"]] == ["guardian_id"]


class TestAnotherCharset:
    """Some of Python's codecs decode to lone surrogates, and some do not produce text at all."""

    @pytest.mark.parametrize("charset", ["utf-7", "base64", "rot13", "unicode_escape", "utf-16", "nonsense"])
    def test_is_a_bad_request(self, charset: str) -> None:
        body = b'--x\r\nContent-Disposition: form-data; name="email"\r\n\r\n+2AA-\r\n--x--\r\n'

        status, _ = served("POST", "/accounts/login/code/", body, f"multipart/form-data; boundary=x; charset={charset}")

        assert status == 400

    @pytest.mark.parametrize("charset", ["utf-7", "base64", "nonsense"])
    def test_is_not_supported_by_the_api(self, charset: str) -> None:
        status, content_type = served(
            "GET", "/api/decisions?guardian_id=%2B2AA-", b"", f"application/json; charset={charset}"
        )

        assert (status, content_type) == (415, "application/problem+json")

    @pytest.mark.parametrize("charset", ["utf-8", "UTF8", "us-ascii"])
    def test_that_is_utf_8_is_read(self, charset: str) -> None:
        status, _ = served("GET", "/courses?search=Zo%C3%AB", b"", f"text/html; charset={charset}")

        assert status == 200


class TestWhatIsUnusualButText:
    @pytest.mark.parametrize("text", ["%F0%9F%98%80", "%D7%A9%D7%9C", "%ff%fe", "%ED%A0%80", "%", "%zz"])
    def test_is_let_through(self, client: Client, text: str) -> None:
        assert client.get(f"/courses?search={text}").status_code == 200

    def test_reaches_the_view(self) -> None:
        """Control: the middleware alone, with nothing to refuse."""
        seen: list[Any] = []

        StorableTextMiddleware(seen.append)(RequestFactory().post("/x", {"name": "Zoë"}))

        assert [request.POST["name"] for request in seen] == ["Zoë"]


class TestTheEndsOfTime:
    @pytest.mark.parametrize(
        ("query", "count"),
        [
            ("created_after=0001-01-01T00:00:00%2B14:00", 1),
            ("created_after=0001-01-01T00:00:00Z", 1),
            ("created_before=9999-12-31T23:59:59.999999-14:00", 1),
            ("created_after=9999-12-31T23:59:59-12:00", 0),
            ("created_before=0001-01-01T00:00:00%2B00:01", 0),
        ],
    )
    def test_narrow_a_list_like_any_other_moment(
        self, client: Client, workspace: Workspace, query: str, count: int
    ) -> None:
        InstanceFactory(workspace=workspace)
        seats(workspace, total=1, tenant_id=1)
        headers = bearer(workspace=workspace)
        body = {
            "learner_profile": {"email": "jane@school.test", "first_name": "Jane", "last_name": "Doe"},
            "context": {"tenant_id": 1},
        }
        client.post("/api/enroll", body, content_type="application/json", headers=headers)
        assert EnrollmentDecision.objects.count() == 1

        answer = client.get(f"/api/decisions?{query}", headers=headers)

        assert answer.status_code == 200
        assert len(answer.json()) == count

    @pytest.mark.parametrize("value", ["0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "2027-02-30T00:00:00Z", "2027"])
    def test_beyond_the_calendar_are_refused(self, client: Client, workspace: Workspace, value: str) -> None:
        answer = client.get("/api/decisions", {"created_after": value}, headers=bearer(workspace=workspace))

        assert answer.status_code == 422
        assert [error["field"] for error in answer.json()["errors"]] == ["created_after"]


class TestAListOfTheBackOffice:
    @pytest.mark.sqlite
    @pytest.mark.parametrize("query", ["created_at__year=99999", "pk__year=99999", "created_at__year=" + "9" * 30])
    def test_says_so_when_there_is_no_such_year(self, owner: StaffClient, query: str) -> None:
        lists = [f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist" for model in LISTED]

        answers = {name: owner.get(f"{reverse(name)}?{query}") for name in lists}

        assert {name: a.status_code for name, a in answers.items() if a.status_code not in (302, 400, 403)} == {}
        assert {a["Location"] for a in answers.values() if a.status_code == 302} <= {f"{reverse(n)}?e=1" for n in lists}

    @pytest.mark.parametrize("number", ["abc", "0", "-1", "99", "1.0", "１", "9" * 30])
    def test_has_a_search_that_knows_its_pages(self, owner: StaffClient, number: str) -> None:
        answer = owner.get(reverse("admin:search"), {"s": "learner", "page": number, "extended": "1"})

        assert answer.status_code == 404

    @pytest.mark.sqlite
    def test_searches_the_first_page(self, owner: StaffClient) -> None:
        assert owner.get(reverse("admin:search"), {"s": "learner", "page": "1", "extended": "1"}).status_code == 200
