import pytest
from django.core.cache import cache
from redis.exceptions import ConnectionError as RedisConnectionError

from enrollment_project.core import throttling

pytestmark = [pytest.mark.urls("enrollment_project.core.tests.sample_api"), pytest.mark.sqlite]


class TestTheRateLimit:
    @pytest.fixture(autouse=True)
    def _three_a_minute(self, settings, time_machine):
        settings.API_ANONYMOUS_RATE_LIMIT = 3
        cache.clear()
        throttling._packets.clear()
        self.time = time_machine
        self.time.move_to("2026-09-01T12:00:40Z", tick=False)

    def test_refuses_the_one_too_many_and_says_when_to_come_back(self, client):
        answers = [client.get("/api/echo").status_code for _ in range(3)]

        refused = client.get("/api/echo")

        assert answers == [200, 200, 200]
        assert refused.status_code == 429
        assert refused["Retry-After"] == "21"
        assert refused["Content-Type"] == "application/problem+json"
        assert refused.json()["code"] == "throttled"

    def test_starts_anew_each_minute(self, client):
        for _ in range(4):
            client.get("/api/echo")

        self.time.move_to("2026-09-01T12:01:00Z", tick=False)

        assert client.get("/api/echo").status_code == 200

    def test_counts_each_address_apart(self, client):
        for _ in range(4):
            client.get("/api/echo")

        assert client.get("/api/echo", REMOTE_ADDR="10.0.0.9").status_code == 200

    def test_asks_the_shared_counter_once_for_many_requests(self, client, settings, monkeypatch):
        settings.API_ANONYMOUS_RATE_LIMIT = 600
        client.get("/api/echo")
        asked = []
        shared = cache.incr
        monkeypatch.setattr(
            "enrollment_project.core.throttling.cache.incr", lambda *args: asked.append(args) or shared(*args)
        )

        answers = [client.get("/api/echo").status_code for _ in range(600)]

        assert answers == [200] * 599 + [429]
        assert len(asked) == 200

    def test_is_off_while_the_cache_is_gone(self, client, monkeypatch):
        def gone(*args, **kwargs):
            raise RedisConnectionError("refused")

        monkeypatch.setattr("enrollment_project.core.throttling.cache.incr", gone)

        assert [client.get("/api/echo").status_code for _ in range(5)] == [200] * 5
