import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import stripe

from sandbox.testing import SandboxProcess

Create = Callable[..., stripe.checkout.Session]


class TestTheFaultKnobs:
    def test_slow_answers_down(self, sandbox: SandboxProcess, http: httpx.Client) -> None:
        sandbox.faults(latency_ms={"value": 2_000, "times": 1})

        with pytest.raises(httpx.ReadTimeout):
            http.get("/v1/events", timeout=0.5)

        assert http.get("/v1/events").status_code == 200

    def test_limit_the_rate(self, sandbox: SandboxProcess, client: stripe.StripeClient, create: Create) -> None:
        sandbox.faults(rate_limit={"retry_after": 7, "times": 1})

        with pytest.raises(stripe.RateLimitError) as refusal:
            create()

        assert refusal.value.headers["retry-after"] == "7"
        assert refusal.value.code is None or refusal.value.code == "rate_limit"
        assert refusal.value.json_body["error"]["code"] == "rate_limit"
        assert client.v1.checkout.sessions.list().data == []

    def test_fail_before_anything_is_done(self, sandbox, client: stripe.StripeClient, create: Create) -> None:
        sandbox.faults(server_error={"times": 1})

        with pytest.raises(stripe.APIError):
            create()

        assert client.v1.checkout.sessions.list().data == []
        assert create().status == "open"

    def test_lose_the_answer_but_not_the_session(
        self, sandbox: SandboxProcess, client: stripe.StripeClient, params: dict[str, Any]
    ) -> None:
        sandbox.faults(lost_answer={"value": "close", "times": 1, "method": "POST"})

        with pytest.raises(stripe.APIConnectionError):
            client.v1.checkout.sessions.create(params, {"idempotency_key": "k"})
        made = client.v1.checkout.sessions.list().data
        again = client.v1.checkout.sessions.create(params, {"idempotency_key": "k"})

        assert [session.id for session in made] == [again.id]

    def test_answer_500_for_good_after_executing(
        self, sandbox: SandboxProcess, client: stripe.StripeClient, params: dict[str, Any]
    ) -> None:
        sandbox.faults(lost_answer={"value": "500", "times": 1, "method": "POST"})

        for _ in range(2):
            with pytest.raises(stripe.APIError) as failure:
                client.v1.checkout.sessions.create(params, {"idempotency_key": "k"})
            assert failure.value.headers["stripe-should-retry"] == "false"

        assert len(client.v1.checkout.sessions.list().data) == 1

    def test_answer_later_than_anyone_waits(self, sandbox: SandboxProcess, http: httpx.Client, form) -> None:
        sandbox.faults(lost_answer={"value": "hang", "delay_ms": 1_500, "times": 1, "method": "POST"})

        with pytest.raises(httpx.ReadTimeout):
            http.post("/v1/checkout/sessions", data=form, headers={"Idempotency-Key": "k"}, timeout=0.3)
        again = http.post("/v1/checkout/sessions", data=form, headers={"Idempotency-Key": "k"})

        assert again.headers["idempotent-replayed"] == "true"
        assert len(http.get("/v1/checkout/sessions").json()["data"]) == 1

    def test_strike_only_the_path_they_are_given(self, sandbox: SandboxProcess, http: httpx.Client, form) -> None:
        sandbox.faults(server_error={"path": "/v1/refunds"})

        assert http.post("/v1/checkout/sessions", data=form).status_code == 200
        assert http.post("/v1/refunds").status_code == 500

    def test_are_shown_and_turned_off(self, sandbox: SandboxProcess, http: httpx.Client) -> None:
        in_force = sandbox.faults(latency_ms=5, rate_limit={"times": 2}, webhooks="hold")
        fewer = sandbox.faults(latency_ms=False, webhooks="normal")
        sandbox.clear_faults()

        assert in_force == [
            {"knob": "latency_ms", "value": 5, "times_left": None},
            {"knob": "rate_limit", "value": True, "retry_after": 1, "times_left": 2},
            {"knob": "webhooks", "value": "hold", "delay_ms": 500, "copies": 2, "times_left": None},
        ]
        assert [fault["knob"] for fault in fewer] == ["rate_limit"]
        assert sandbox.faults() == []

    @pytest.mark.parametrize(
        "body",
        [
            {"gravity": True},
            {"latency_ms": "slow"},
            {"latency_ms": -1},
            {"latency_ms": {"value": 5, "times": 0}},
            {"latency_ms": {"value": 5, "size": 1}},
            {"latency_ms": {"value": 5, "path": 1}},
            {"rate_limit": {"retry_after": "soon"}},
            {"webhooks": "eat"},
            {"webhooks": {"value": ["hold"]}},
            {"server_error": 2},
        ],
    )
    def test_refuse_what_they_do_not_know(self, sandbox: SandboxProcess, body: dict[str, Any]) -> None:
        sandbox.faults(refunds="pending")

        answer = httpx.post(f"{sandbox.url}/_sandbox/faults", json={"refunds": False, **body})

        assert answer.status_code == 400
        assert answer.json()["error"]
        assert [fault["knob"] for fault in sandbox.faults()] == ["refunds"]


class TestTheControlSurface:
    @pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b"[" * 100_000])
    def test_wants_a_json_object(self, sandbox: SandboxProcess, body: bytes) -> None:
        answer = httpx.post(f"{sandbox.url}/_sandbox/clock/advance", content=body)

        assert answer.status_code == 400

    @pytest.mark.parametrize("seconds", [-1, "60", None, 10**18, True, 1.5])
    def test_moves_the_clock_ahead_only(self, sandbox: SandboxProcess, seconds: object) -> None:
        answer = httpx.post(f"{sandbox.url}/_sandbox/clock/advance", json={"seconds": seconds})

        assert answer.status_code == 400
        assert abs(httpx.get(f"{sandbox.url}/_sandbox/health").json()["now"] - time.time()) < 5

    @pytest.mark.parametrize(
        ("path", "status"),
        [
            ("webhooks/redeliver", 400),
            ("refunds/settle", 400),
            ("disputes", 400),
            ("disputes/close", 400),
        ],
    )
    def test_names_what_is_missing(self, sandbox: SandboxProcess, path: str, status: int) -> None:
        answer = httpx.post(f"{sandbox.url}/_sandbox/{path}", json={})

        assert answer.status_code == status
        assert "must be" in answer.json()["error"]

    def test_forgets_everything_on_reset(self, sandbox: SandboxProcess, client, create: Create) -> None:
        sandbox.pay(create().url)
        sandbox.faults(latency_ms=1)
        sandbox.advance_clock(seconds=100)

        sandbox.reset()

        assert sandbox.ledger()["sessions"] == []
        assert sandbox.faults() == []
        assert client.v1.events.list().data == []
        assert abs(httpx.get(f"{sandbox.url}/_sandbox/health").json()["now"] - time.time()) < 5


class TestTheHomePage:
    def test_shows_sessions_deliveries_and_faults(self, sandbox: SandboxProcess, receiver, create: Create) -> None:
        sandbox.faults(webhooks={"value": "drop", "times": 9})
        sandbox.pay(create().url)

        page = httpx.get(sandbox.url)

        assert page.status_code == 200
        for shown in ("Sandbox: no money moves", "49.00 USD", "checkout.session.completed", "dropped", "times_left 5"):
            assert shown in page.text
