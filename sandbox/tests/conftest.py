import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
import stripe

from sandbox.testing import SandboxProcess, wait_until


class Receiver:
    """A webhook endpoint: stores what it receives and responds with the statuses in `answers`, then with 200."""

    def __init__(self) -> None:
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        self.barrier: threading.Barrier | None = None
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}/webhooks"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.requests]

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.events]

    def wait_for(self, count: int, *, seconds: float = 60.0) -> None:
        wait_until(lambda: len(self.requests) >= count, seconds=seconds)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if receiver.barrier is not None:
                    receiver.barrier.wait(5)
                receiver.requests.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(receiver.answers.pop(0) if receiver.answers else 200)
                self.end_headers()
                self.wfile.write(b"seen")

            def log_message(self, *args: Any) -> None:
                """Suppress logging."""

        return Handler


@pytest.fixture(scope="session")
def process() -> Iterator[SandboxProcess]:
    with SandboxProcess(retry_seconds=0.05) as running:
        yield running


@pytest.fixture
def sandbox(process: SandboxProcess) -> SandboxProcess:
    process.reset()
    return process


@pytest.fixture
def receiver(sandbox: SandboxProcess) -> Iterator[Receiver]:
    endpoint = Receiver()
    sandbox.send_webhooks_to(endpoint.url)
    yield endpoint
    sandbox.send_webhooks_to("")
    endpoint.close()


@pytest.fixture
def client(sandbox: SandboxProcess) -> stripe.StripeClient:
    """Return the client that production uses, without its own retries."""
    return stripe.StripeClient(sandbox.api_key, base_addresses={"api": sandbox.url}, max_network_retries=0)


@pytest.fixture
def http(sandbox: SandboxProcess) -> Iterator[httpx.Client]:
    """Return plain HTTP with the key, for what the library hides."""
    headers = {"Authorization": f"Bearer {sandbox.api_key}"}
    with httpx.Client(base_url=sandbox.url, headers=headers, timeout=10, trust_env=False) as plain:
        yield plain


@pytest.fixture
def params() -> dict[str, Any]:
    """Return what the product sends to open a checkout."""
    return {
        "mode": "payment",
        "line_items": [
            {
                "price_data": {"currency": "usd", "unit_amount": 4900, "product_data": {"name": "Algebra I"}},
                "quantity": 1,
            }
        ],
        "success_url": "https://school.test/done?session={CHECKOUT_SESSION_ID}",
        "cancel_url": "https://school.test/cancelled",
        "client_reference_id": "decision-1",
        "customer_email": "parent@school.test",
        "metadata": {"decision": "1"},
        "payment_intent_data": {"metadata": {"checkout": "7"}},
    }


@pytest.fixture
def create(client: stripe.StripeClient, params: dict[str, Any]) -> Callable[..., stripe.checkout.Session]:
    return lambda **changes: client.v1.checkout.sessions.create({**params, **changes})


@pytest.fixture
def form() -> dict[str, str]:
    """Return the minimum for a session, in the wire encoding."""
    return {
        "mode": "payment",
        "line_items[0][price_data][currency]": "usd",
        "line_items[0][price_data][unit_amount]": "4900",
        "line_items[0][price_data][product_data][name]": "Algebra I",
        "line_items[0][quantity]": "1",
        "success_url": "https://school.test/done",
    }
