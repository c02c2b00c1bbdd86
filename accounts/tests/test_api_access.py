import pytest

from .factories import WorkspaceFactory, api_key_text

pytestmark = [pytest.mark.urls("accounts.tests.sample_api"), pytest.mark.django_db]


class TestAKeyOnARequest:
    @pytest.mark.parametrize(
        "headers",
        [
            {"Authorization": "Bearer {key}"},
            {"Authorization": "bearer   {key} "},
            {"X-API-Key": "{key}"},
            {"X-API-Key": " {key} "},
            {"Authorization": "Bearer {key}", "X-API-Key": "{key}"},
            {"Authorization": "Basic dXNlcjpwYXNz", "X-API-Key": "{key}"},
        ],
    )
    def test_is_taken_from_either_header(self, client, headers):
        workspace = WorkspaceFactory()
        key = api_key_text(workspace=workspace)

        response = client.get("/api/scoped", headers={name: text.format(key=key) for name, text in headers.items()})

        assert response.status_code == 200
        assert response.json()["workspace"] == workspace.pk

    @pytest.mark.parametrize(
        ("headers", "code"),
        [
            ({}, "not_authenticated"),
            ({"Authorization": "Basic dXNlcjpwYXNz"}, "not_authenticated"),
            ({"Authorization": "Bearer"}, "authentication_failed"),
            ({"Authorization": "Bearer ek_nonsense"}, "authentication_failed"),
            ({"X-API-Key": ""}, "authentication_failed"),
            ({"X-API-Key": "ek_" + "0" * 46}, "authentication_failed"),
            ({"Authorization": "Bearer ek_a", "X-API-Key": "ek_b"}, "authentication_failed"),
        ],
    )
    def test_is_needed_and_must_work(self, client, headers, code):
        response = client.get("/api/scoped", headers=headers)

        assert response.status_code == 401
        assert response["WWW-Authenticate"] == 'Bearer realm="api"'
        assert response["Content-Type"] == "application/problem+json"
        assert response.json()["code"] == code

    def test_never_appears_in_the_answer(self, client):
        response = client.get("/api/scoped", headers={"X-API-Key": "ek_" + "z" * 46})

        assert "zzzz" not in response.content.decode()


class TestAScope:
    def call(self, client, method, path, *scopes):
        key = api_key_text(workspace=WorkspaceFactory(), scopes=scopes)
        return client.generic(method, path, headers={"X-API-Key": key})

    def test_opens_its_own_method_only(self, client):
        assert self.call(client, "GET", "/api/scoped", "decisions:read").status_code == 200
        assert self.call(client, "HEAD", "/api/scoped", "decisions:read").status_code == 200
        assert self.call(client, "POST", "/api/scoped", "decisions:write").status_code == 200
        assert self.call(client, "GET", "/api/scoped", "decisions:write").status_code == 403
        assert self.call(client, "POST", "/api/scoped", "decisions:read").status_code == 403

    def test_is_named_when_missing(self, client):
        response = self.call(client, "POST", "/api/scoped", "decisions:read", "districts:write")

        assert response.json()["code"] == "scope_missing"
        assert response.json()["detail"] == "The API key lacks the scope decisions:write."

    def test_that_a_view_forgot_to_declare_is_had_by_nobody(self, client):
        key = api_key_text(workspace=WorkspaceFactory())

        response = client.get("/api/forgetful", headers={"X-API-Key": key})

        assert response.status_code == 403
        assert b"secret" not in response.content

    @pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS"])
    def test_matters_not_for_a_method_nobody_answers(self, client, method):
        response = self.call(client, method, "/api/scoped", "decisions:read")

        assert response.status_code == 405
        assert response["Content-Type"] == "application/problem+json"
