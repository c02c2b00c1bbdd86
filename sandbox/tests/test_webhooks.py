import threading
import time
from collections.abc import Callable

import httpx
import pytest
import stripe

from sandbox.testing import SandboxProcess, wait_until
from sandbox.tests.conftest import Receiver

pytestmark = pytest.mark.walk

Create = Callable[..., stripe.checkout.Session]
PAID = ["payment_intent.created", "payment_intent.succeeded", "charge.succeeded", "checkout.session.completed"]


@pytest.fixture
def pay(sandbox: SandboxProcess, receiver: Receiver, create: Create) -> Callable[[], stripe.checkout.Session]:
    """Pay a new session; its events go to the receiver."""

    def paid() -> stripe.checkout.Session:
        session = create()
        sandbox.pay(session.url)
        return session

    return paid


class TestADelivery:
    def test_carries_a_signature_that_the_library_accepts(self, sandbox, receiver: Receiver, pay) -> None:
        session = pay()
        receiver.wait_for(4)

        headers, body = receiver.requests[-1]
        event = stripe.Webhook.construct_event(body, headers["stripe-signature"], sandbox.secret)

        assert event.type == "checkout.session.completed"
        assert event.data.object.id == session.id
        assert event.pending_webhooks == 1
        assert headers["content-type"] == "application/json; charset=utf-8"

    def test_is_refused_under_another_secret(self, receiver: Receiver, pay) -> None:
        pay()
        receiver.wait_for(4)
        headers, body = receiver.requests[0]

        with pytest.raises(stripe.SignatureVerificationError):
            stripe.Webhook.construct_event(body, headers["stripe-signature"], "whsec_other")

    def test_comes_in_the_order_of_the_events(self, sandbox: SandboxProcess, receiver: Receiver, pay) -> None:
        pay()

        deliveries = sandbox.wait_for_deliveries()

        assert receiver.types == PAID
        assert {(d["state"], d["status"], d["answer"], d["attempts"]) for d in deliveries} == {
            ("delivered", 200, "seen", 1)
        }

    def test_is_signed_in_real_time_whatever_the_clock_says(self, sandbox, receiver: Receiver, pay) -> None:
        sandbox.advance_clock(seconds=86_400)
        pay()
        receiver.wait_for(1)

        headers, body = receiver.requests[0]

        event = stripe.Webhook.construct_event(body, headers["stripe-signature"], sandbox.secret)
        assert event.created > time.time() + 86_000

    def test_is_tried_again_until_it_is_answered_well(self, sandbox, receiver: Receiver, pay) -> None:
        receiver.answers = [500, 302]

        pay()
        deliveries = sandbox.wait_for_deliveries()

        assert sorted(receiver.types) == sorted([*PAID, *PAID[:2]])
        assert sorted(d["attempts"] for d in deliveries) == [1, 1, 2, 2]

    def test_is_given_up_after_ten_attempts(self, create: Create) -> None:
        refusing = Receiver()
        refusing.answers = [500] * 20
        with SandboxProcess(webhook_url=refusing.url, retry_seconds=0.002) as sandbox:
            client = stripe.StripeClient(sandbox.api_key, base_addresses={"api": sandbox.url})
            session = client.v1.checkout.sessions.create(_params())
            client.v1.checkout.sessions.expire(session.id)

            wait_until(lambda: sandbox.deliveries()[0]["state"] == "failed", seconds=20)

            assert sandbox.deliveries()[0]["attempts"] == len(refusing.requests) == 10
        refusing.close()

    def test_survives_a_restart(self) -> None:
        with SandboxProcess(webhook_url="http://127.0.0.1:9/", retry_seconds=0.3) as sandbox:
            client = stripe.StripeClient(sandbox.api_key, base_addresses={"api": sandbox.url})
            session = client.v1.checkout.sessions.create(_params())
            client.v1.checkout.sessions.expire(session.id)
            wait_until(lambda: sandbox.deliveries()[0]["attempts"] >= 1)
            receiver = Receiver()

            sandbox.stop()
            sandbox.start()
            sandbox.send_webhooks_to(receiver.url)
            receiver.wait_for(1)

            assert receiver.types == ["checkout.session.expired"]
            receiver.close()

    def test_can_be_asked_for_again(self, sandbox: SandboxProcess, receiver: Receiver, pay) -> None:
        pay()
        sandbox.wait_for_deliveries()
        event = receiver.events[0]["id"]

        sandbox.redeliver(event)
        sandbox.wait_for_deliveries()

        assert [e["id"] for e in receiver.events].count(event) == 2

    def test_does_not_exist_without_an_endpoint(self, sandbox: SandboxProcess, create: Create, client) -> None:
        sandbox.pay(create().url)

        assert sandbox.deliveries() == []
        assert len(client.v1.events.list().data) == 4


class TestTheWebhookKnob:
    def test_holds_until_flushed(self, sandbox: SandboxProcess, receiver: Receiver, pay) -> None:
        sandbox.faults(webhooks="hold")

        pay()
        before = list(receiver.types)
        flushed = sandbox.flush()

        assert before == []
        assert receiver.types == PAID
        assert [d["state"] for d in flushed] == ["delivered"] * 4

    def test_flushes_backwards(self, sandbox: SandboxProcess, receiver: Receiver, pay) -> None:
        sandbox.faults(webhooks="hold")
        pay()

        sandbox.flush(reverse=True)

        assert receiver.types == PAID[::-1]

    def test_flushes_in_a_given_order(self, sandbox: SandboxProcess, receiver: Receiver, client, pay) -> None:
        sandbox.faults(webhooks="hold")
        pay()
        completed, charged, *_ = [event.id for event in client.v1.events.list()]

        sandbox.flush(order=[charged, completed])

        assert receiver.types == ["charge.succeeded", "checkout.session.completed", *PAID[:2]]

    def test_drops_some(self, sandbox: SandboxProcess, receiver: Receiver, pay) -> None:
        sandbox.faults(webhooks={"value": "drop", "type": "checkout.session.completed", "times": 1})

        pay()
        sandbox.wait_for_deliveries()

        assert receiver.types == PAID[:3]
        assert sandbox.faults() == []

    def test_duplicates_at_the_same_moment(self, sandbox: SandboxProcess, receiver: Receiver, pay) -> None:
        receiver.barrier = threading.Barrier(2)  # breaks unless both copies arrive together
        sandbox.faults(webhooks="duplicate")

        pay()
        deliveries = sandbox.wait_for_deliveries()

        assert receiver.types == [type for type in PAID for _ in range(2)]
        assert {d["attempts"] for d in deliveries} == {1}

    def test_delivers_late(self, sandbox: SandboxProcess, receiver: Receiver, pay) -> None:
        sandbox.faults(webhooks={"value": "late", "delay_ms": 600, "times": 1})

        pay()
        sandbox.wait_for_deliveries()

        assert receiver.types == [*PAID[1:], PAID[0]]

    def test_shuffles(self, sandbox: SandboxProcess, receiver: Receiver, pay) -> None:
        sandbox.faults(webhooks={"value": "shuffle", "delay_ms": 100})

        for _ in range(6):
            pay()
        sandbox.wait_for_deliveries()

        assert sorted(receiver.types) == sorted(PAID * 6)
        assert receiver.types != PAID * 6


class TestTheEndpoint:
    @pytest.mark.parametrize("url", ["ftp://x", "nowhere", 5, None])
    def test_must_be_a_web_address(self, sandbox: SandboxProcess, url: object) -> None:
        answer = httpx.post(f"{sandbox.url}/_sandbox/webhooks/endpoint", json={"url": url})

        assert answer.status_code == 400
        assert "url must" in answer.json()["error"]


def _params() -> dict:
    item = {"currency": "usd", "unit_amount": 500, "product_data": {"name": "Pen"}}
    return {
        "mode": "payment",
        "line_items": [{"price_data": item, "quantity": 1}],
        "success_url": "https://school.test/done",
    }
