import re

import pytest
from django.test import Client
from django.urls import get_resolver

from accounts.tests.factories import UserFactory, WorkspaceFactory, bearer
from tests.contracts.routes import routes

pytestmark = pytest.mark.django_db

# Every route, with placeholders for its parameters: a refusal is as personal as any other answer.
ADDRESSES = sorted(
    {
        "/" + re.sub(r"<[^>]+>", "1", route)
        for route, _ in routes(get_resolver())
        if not route.startswith("admin/") and "(?P" not in route
    }
    | {"/admin/", "/admin/login/", "/nowhere", "/api/nowhere"}
)
PUBLIC = {
    "/health",
    "/healthz",
    "/readyz",
    "/api/schema",
    "/api/course-programs/browse",
    "/api/course-programs/1",
    "/api/course-programs/1/cohorts",
    "/api/course-programs/1/cohorts/1/sessions",
    "/api/course-programs/1/sessions",
    "/api/course-programs/1/cohorts/1/enroll",
    "/api/course-programs/1/cohorts/1/waitlist",
    "/api/docs",
}


def is_private(client: Client, address: str, **headers: str) -> bool:
    answer = client.get(address, headers=headers)
    kept = answer.get("Cache-Control", "")
    varies = {name.strip() for name in answer["Vary"].split(",")}
    assert varies >= {"Cookie", "Authorization", "X-API-Key"}
    return "private" in kept and "no-store" in kept


class TestAnAnswer:
    @pytest.mark.parametrize("address", ADDRESSES)
    def test_is_kept_by_no_cache_for_somebody_signed_in(self, client: Client, address: str) -> None:
        client.force_login(UserFactory(), backend="allauth.account.auth_backends.AuthenticationBackend")

        assert is_private(client, address)

    def test_is_kept_by_no_cache_for_a_key(self, client: Client) -> None:
        headers = bearer(workspace=WorkspaceFactory())

        assert all(is_private(client, address, **headers) for address in ADDRESSES if address.startswith("/api/"))

    def test_may_be_kept_only_where_it_is_everybodys(self) -> None:
        public = {address for address in ADDRESSES if not is_private(Client(), address)}

        assert public <= PUBLIC

    def test_to_something_sent_is_kept_by_no_cache(self, client: Client) -> None:
        answer = client.post("/accounts/login/code/", {"email": "parent@example.test"})

        assert "no-store" in answer["Cache-Control"]


class TestAFileOfOurPages:
    def test_may_be_kept_by_every_cache(self, client: Client) -> None:
        client.force_login(UserFactory(), backend="allauth.account.auth_backends.AuthenticationBackend")

        answer = client.get("/static/css/tokens.css")

        assert answer.status_code == 200
        assert "public" in answer["Cache-Control"]
        assert "Cookie" not in answer.get("Vary", "")
        assert "Content-Security-Policy" in answer
