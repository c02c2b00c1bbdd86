import threading
from typing import Any

import httpx
import pytest
import stripe

from sandbox.testing import SandboxProcess, wait_until

KEY = {"Idempotency-Key": "key-1"}


class TestAnIdempotencyKey:
    def test_replays_the_first_answer(self, http: httpx.Client, form: dict[str, str]) -> None:
        first = http.post("/v1/checkout/sessions", data=form, headers=KEY)
        again = http.post("/v1/checkout/sessions", data=dict(reversed(form.items())), headers=KEY)

        assert again.status_code == 200
        assert again.text == first.text
        assert again.headers["idempotent-replayed"] == "true"
        assert again.headers["request-id"] != first.headers["request-id"]
        assert len(http.get("/v1/checkout/sessions").json()["data"]) == 1

    @pytest.mark.parametrize(
        ("path", "changes"),
        [("/v1/checkout/sessions", {"line_items[0][quantity]": "2"}), ("/v1/products", {})],
    )
    def test_refuses_another_request(
        self, http: httpx.Client, form: dict[str, str], path: str, changes: dict[str, str]
    ) -> None:
        http.post("/v1/checkout/sessions", data=form, headers=KEY)

        answer = http.post(path, data={**form, **changes}, headers=KEY)

        assert answer.status_code == 400
        assert answer.json()["error"]["type"] == "idempotency_error"
        assert len(http.get("/v1/checkout/sessions").json()["data"]) == 1

    def test_of_another_request_reaches_the_client_as_its_own_kind(
        self, client: stripe.StripeClient, params: dict[str, Any]
    ) -> None:
        client.v1.checkout.sessions.create(params, {"idempotency_key": "key-1"})

        with pytest.raises(stripe.IdempotencyError):
            client.v1.checkout.sessions.create({**params, "submit_type": "pay"}, {"idempotency_key": "key-1"})

    def test_in_flight_is_a_conflict(self, sandbox: SandboxProcess, http: httpx.Client, form: dict[str, str]) -> None:
        sandbox.faults(latency_ms={"value": 1_000, "times": 1})
        first: list[httpx.Response] = []
        slow = threading.Thread(target=lambda: first.append(http.post("/v1/checkout/sessions", data=form, headers=KEY)))
        slow.start()
        wait_until(lambda: sandbox.faults() == [])  # the slow one has used up its fault, and holds the key

        conflict = http.post("/v1/checkout/sessions", data=form, headers=KEY)
        slow.join(10)

        assert conflict.status_code == 409
        assert conflict.json()["error"]["code"] == "idempotency_key_in_use"
        assert first[0].status_code == 200
        assert len(http.get("/v1/checkout/sessions").json()["data"]) == 1

    def test_does_not_keep_a_refusal_of_parameters(self, http: httpx.Client, form: dict[str, str]) -> None:
        refused = http.post("/v1/checkout/sessions", data={**form, "mode": "x"}, headers=KEY)

        corrected = http.post("/v1/checkout/sessions", data=form, headers=KEY)

        assert (refused.status_code, corrected.status_code) == (400, 200)

    def test_keeps_a_refusal_of_the_operation(
        self, sandbox: SandboxProcess, http: httpx.Client, form: dict[str, str]
    ) -> None:
        session = http.post("/v1/checkout/sessions", data=form).json()
        sandbox.pay(session["url"])
        expire = f"/v1/checkout/sessions/{session['id']}/expire"

        answers = [http.post(expire, headers=KEY) for _ in range(2)]

        assert [answer.status_code for answer in answers] == [400, 400]
        assert [answer.headers.get("idempotent-replayed") for answer in answers] == [None, "true"]

    @pytest.mark.parametrize(("knob", "status"), [("rate_limit", 429), ("server_error", 500)])
    def test_does_not_keep_what_was_never_executed(
        self, sandbox: SandboxProcess, http: httpx.Client, form: dict[str, str], knob: str, status: int
    ) -> None:
        sandbox.faults(**{knob: {"times": 1}})

        answers = [http.post("/v1/checkout/sessions", data=form, headers=KEY) for _ in range(2)]

        assert [answer.status_code for answer in answers] == [status, 200]
        assert "idempotent-replayed" not in answers[1].headers
        assert len(http.get("/v1/checkout/sessions").json()["data"]) == 1

    def test_is_forgotten_after_a_day(self, sandbox: SandboxProcess, http: httpx.Client, form: dict[str, str]) -> None:
        first = http.post("/v1/checkout/sessions", data=form, headers=KEY).json()
        sandbox.advance_clock(seconds=86_401)

        second = http.post("/v1/checkout/sessions", data=form, headers=KEY).json()

        assert second["id"] != first["id"]

    def test_too_long_is_refused(self, http: httpx.Client, form: dict[str, str]) -> None:
        answer = http.post("/v1/checkout/sessions", data=form, headers={"Idempotency-Key": "x" * 256})

        assert answer.status_code == 400
        assert answer.json()["error"]["type"] == "idempotency_error"
