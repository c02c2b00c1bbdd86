"""A receiver of the platform's webhooks: what it trusts, how it responds, and the page that shows it."""

import datetime as dt
import json

import httpx
import pytest
from standardwebhooks.webhooks import Webhook

from sandbox.testing import SandboxProcess

SECRET = "whsec_" + "c2VjcmV0LW9mLXRoZS1yZWNlaXZlci1oZXJlIQ=="
OTHER = "whsec_" + "YW5vdGhlci1zZWNyZXQtdGhhbi10aGF0LW9uZSE="
BODY = json.dumps({"type": "enrollment.created", "timestamp": "2026-11-28T12:00:00Z", "data": {"n": 1}})


def send(
    http: httpx.Client, *, secret: str = SECRET, minutes_ago: int = 0, signed: str = BODY, sent: str = BODY
) -> int:
    at = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=minutes_ago)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign("msg_1", at, signed),
    }
    return http.post("/receivers/crm/events", content=sent, headers=headers).status_code


@pytest.fixture(autouse=True)
def _is_set_up(sandbox: SandboxProcess) -> None:
    sandbox.receiver("crm", secret=SECRET)


class TestAReceiver:
    def test_believes_what_is_signed_with_its_secret_and_nothing_else(
        self, sandbox: SandboxProcess, http: httpx.Client
    ) -> None:
        answers = [
            send(http),
            send(http, sent=BODY.replace("1}", "2}")),
            send(http, secret=OTHER),
            send(http, minutes_ago=10),
            http.post("/receivers/crm/events", content=b"\xff").status_code,
        ]

        assert answers == [200, 401, 401, 401, 401]
        arrivals = sandbox.receiver("crm")["arrivals"]
        assert [arrival["verified"] for arrival in arrivals] == [True, False, False, False, False]
        assert [arrival["type"] for arrival in arrivals] == ["enrollment.created"] * 4 + [""]
        assert arrivals[1]["fault"] == "No matching signature found"

    @pytest.mark.parametrize(("mode", "status"), [("down", 503), ("gone", 410), ("accepts", 200)])
    def test_answers_by_its_mode(self, sandbox: SandboxProcess, http: httpx.Client, mode: str, status: int) -> None:
        http.post("/receivers/crm/change", data={"mode": mode})

        assert send(http) == status
        assert sandbox.receiver("crm")["mode"] == mode

    def test_takes_a_new_secret_on_its_page(self, http: httpx.Client) -> None:
        http.post("/receivers/crm/change", data={"secret": OTHER})

        assert (send(http, secret=OTHER), send(http)) == (200, 401)

    def test_shows_what_arrived(self, http: httpx.Client) -> None:
        send(http)
        send(http, secret=OTHER)

        page = http.get("/receivers/crm").text

        assert "1 verified" in page
        assert "1 not verified" in page
        assert "enrollment.created" in page
        assert "No matching signature found" in page

    @pytest.mark.parametrize("wrong", [{"secret": "?"}, {"mode": "asleep"}, {"secret": 7}, {"colour": "red"}])
    def test_is_set_up_as_it_can_be_or_refuses(self, http: httpx.Client, wrong: dict[str, object]) -> None:
        assert http.post("/_sandbox/receivers/crm", json=wrong).status_code == 400
        assert http.post("/receivers/crm/change", data={"secret": "", **wrong}).status_code in (303, 400)

    def test_that_nobody_set_up_is_not_there(self, http: httpx.Client) -> None:
        assert http.get("/receivers/nobody").status_code == 404
        assert http.post("/receivers/nobody/events").status_code == 404
