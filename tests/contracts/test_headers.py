"""The headers that every answer has, whatever the request."""

import pytest
from django.test import Client

pytestmark = pytest.mark.django_db

ADDRESSES = [
    "/",
    "/courses",
    "/admin/login/",
    "/admin/",
    "/api/decisions",
    "/api/nothing",
    "/healthz",
    "/nothing",
    "/metrics",
]


@pytest.mark.parametrize("address", ADDRESSES)
class TestAnAnswer:
    def test_forbids_guessing_embedding_and_telling_others_where_it_was(self, client: Client, address: str) -> None:
        told = client.get(address).headers

        assert told["X-Content-Type-Options"] == "nosniff"
        assert told["Referrer-Policy"] == "same-origin"
        assert told["Cross-Origin-Opener-Policy"] == "same-origin"
        assert "frame-ancestors 'none'" in told["Content-Security-Policy"]
        assert "Access-Control-Allow-Origin" not in told

    def test_does_not_echo_the_request(self, client: Client, address: str) -> None:
        answer = client.generic("TRACE", address, headers={"X-Canary": "seen"})

        assert answer.status_code >= 300
        assert b"seen" not in answer.content
