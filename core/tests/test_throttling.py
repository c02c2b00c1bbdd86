import pytest
from django.core.cache import cache
from redis.exceptions import ConnectionError as RedisConnectionError

from core.http import throttling

pytestmark = pytest.mark.urls("core.tests.sample_api")


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

    @pytest.mark.parametrize("proxies", [0, 1])
    def test_counts_one_caller_whatever_they_write_into_the_header(self, client, settings, proxies):
        settings.TRUSTED_PROXIES = proxies
        theirs = ", 198.51.100.7" if proxies else ""

        answers = [
            client.get("/api/echo", headers={"X-Forwarded-For": f"203.0.113.{number}{theirs}"}).status_code
            for number in range(4)
        ]

        assert answers == [200, 200, 200, 429]

    def test_counts_two_callers_behind_our_proxy_apart(self, client, settings):
        settings.TRUSTED_PROXIES = 1
        for _ in range(4):
            client.get("/api/echo", headers={"X-Forwarded-For": "203.0.113.9"})

        assert client.get("/api/echo", headers={"X-Forwarded-For": "203.0.113.8"}).status_code == 200

    def test_counts_the_addresses_of_one_ipv6_network_together(self, client):
        answers = [client.get("/api/echo", REMOTE_ADDR=f"2001:db8::{number}").status_code for number in range(1, 5)]

        assert answers == [200, 200, 200, 429]

    @pytest.mark.django_db
    def test_is_shared_by_processes_without_a_shared_cache(self, client, settings):
        settings.COUNT_IN_CACHE = False
        answers = []
        for _ in range(4):
            throttling._packets.clear()  # like a process that has not seen this caller
            cache.clear()
            answers.append(client.get("/api/echo").status_code)

        assert answers == [200, 200, 200, 429]

    def test_asks_the_shared_counter_once_for_many_requests(self, client, settings, monkeypatch):
        settings.API_ANONYMOUS_RATE_LIMIT = 600
        client.get("/api/echo")
        asked = []
        shared = cache.incr
        monkeypatch.setattr("core.counters.cache.incr", lambda *args: asked.append(args) or shared(*args))

        answers = [client.get("/api/echo").status_code for _ in range(600)]

        assert answers == [200] * 599 + [429]
        assert len(asked) == 200

    @pytest.mark.django_db
    def test_goes_on_while_the_cache_is_gone(self, client, monkeypatch):
        def gone(*args, **kwargs):
            raise RedisConnectionError("refused")

        monkeypatch.setattr("core.counters.cache.incr", gone)

        assert [client.get("/api/echo").status_code for _ in range(4)] == [200, 200, 200, 429]
