import pytest

from core.http import throttling

from .factories import WorkspaceFactory, api_key_text

pytestmark = pytest.mark.django_db


class TestWhoeverIsTurnedAwayAtTheDoor:
    @pytest.fixture(autouse=True)
    def _three_a_minute(self, settings):
        settings.API_ANONYMOUS_RATE_LIMIT = 3
        throttling._packets.clear()

    @pytest.mark.parametrize(
        "headers",
        [{}, {"Authorization": "Bearer guessed"}, {"X-API-Key": "ek_" + "0" * 46}],
        ids=["no key", "a wrong key", "a wrong key in the other header"],
    )
    def test_is_counted_and_told_to_wait(self, client, headers):
        answers = [client.get("/api/decisions", headers=headers) for _ in range(4)]

        assert [answer.status_code for answer in answers] == [401, 401, 401, 429]
        assert answers[3].json()["code"] == "throttled"
        assert 1 <= int(answers[3]["Retry-After"]) <= 61

    def test_is_counted_for_keys_without_the_scope_too(self, client):
        text = api_key_text(workspace=WorkspaceFactory(), scopes=["districts:read"])

        answers = [client.get("/api/decisions", headers={"X-API-Key": text}).status_code for _ in range(4)]

        assert answers == [403, 403, 403, 429]

    def test_does_not_stop_a_right_key_from_the_same_address(self, client):
        text = api_key_text(workspace=WorkspaceFactory())
        for _ in range(4):
            client.get("/api/decisions", headers={"X-API-Key": "guessed"})

        assert client.get("/api/decisions", headers={"X-API-Key": text}).status_code == 200


class TestPlainHTTP:
    @pytest.fixture(autouse=True)
    def _served_by_https(self, settings):
        settings.SECURE_SSL_REDIRECT = True
        settings.SECURE_REDIRECT_EXEMPT = [r"^api/"]

    def test_is_refused_to_programs_and_not_redirected(self, client):
        text = api_key_text(workspace=WorkspaceFactory())

        refused = client.get("/api/decisions", headers={"X-API-Key": text})
        answered = client.get("/api/decisions", headers={"X-API-Key": text}, secure=True)

        assert (refused.status_code, refused.json()["code"]) == (403, "https_required")
        assert answered.status_code == 200

    def test_is_redirected_for_people(self, client):
        assert client.get("/courses")["Location"] == "https://testserver/courses"
