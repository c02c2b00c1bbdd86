"""Webhooks over the network: a receiver in a separate process, a slow one, and URLs that are never called."""

import datetime as dt
import ipaddress
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from accounts.models import Workspace
from accounts.tests.factories import WorkspaceFactory
from core.clock import utc_now
from core.signing import new_signing_secret, signed_headers
from events.models import OutboxEvent, WebhookAttempt, WebhookDelivery, WebhookEndpoint
from events.states import DeliveryStatus
from events.webhooks import delivering, sending
from events.webhooks.delivering import deliver_next
from events.webhooks.endpoints import rotate_secret

from .factories import listen, tell
from .receiving import Receiver

HOUR = dt.timedelta(hours=1)


class ReceiverProcess:
    def __init__(self, secret: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("receiver.py"), secret], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self._out = self._process.stdout
        self.url = f"http://127.0.0.1:{int(self._out.readline())}/"

    def heard(self) -> list[str]:
        """Return the id of the next message, and its type, or why it was refused."""
        return list(json.loads(self._out.readline()))

    def close(self) -> None:
        self._process.kill()
        self._process.wait(10)
        self._out.close()


@pytest.fixture
def workspace(settings: Any) -> Workspace:
    settings.SANDBOX = True
    made: Workspace = WorkspaceFactory()
    return made


@pytest.mark.django_db
class TestAReceiverOfItsOwnProcess:
    def test_accepts_ours_and_refuses_what_was_changed_or_is_stale(
        self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = utc_now()
        endpoint = listen(workspace, now=now - HOUR)
        receiver = ReceiverProcess(endpoint.secret)
        WebhookEndpoint.objects.update(url=receiver.url)
        verdicts = []

        def send(at: dt.datetime) -> None:
            (delivery,) = tell(workspace, "a", now=now, n=1)
            WebhookDelivery.objects.update(next_attempt_at=at)
            WebhookEndpoint.objects.update(next_attempt_at=at)
            deliver_next(endpoint_id=endpoint.pk, now=at)
            event_id, verdict = receiver.heard()
            status = WebhookDelivery.objects.get(pk=delivery.pk).status
            verdicts.append((verdict, status, event_id == OutboxEvent.objects.latest("pk").cuid))
            WebhookDelivery.objects.update(status=DeliveryStatus.FAILED, delivered_at=None)

        try:
            send(now)
            rotate_secret(endpoint_id=endpoint.pk, now=now)  # the receiver still has the previous one
            send(now)
            send(now - 0.2 * HOUR)
            signed = signed_headers
            monkeypatch.setattr(
                delivering, "signed_headers", lambda *, body, **more: signed(body=body.replace("1", "2"), **more)
            )
            send(now)
        finally:
            receiver.close()

        assert verdicts == [
            ("thing.happened", DeliveryStatus.DELIVERED, True),
            ("thing.happened", DeliveryStatus.DELIVERED, True),
            ("Message timestamp too old", DeliveryStatus.PENDING, True),
            ("No matching signature found", DeliveryStatus.PENDING, True),
        ]

    def test_refuses_what_another_secret_signed(self, workspace: Workspace) -> None:
        now = utc_now()
        receiver = ReceiverProcess(new_signing_secret())
        try:
            endpoint = listen(workspace, now=now, url=receiver.url)
            tell(workspace, "a", now=now)
            deliver_next(endpoint_id=endpoint.pk, now=now)
            _, verdict = receiver.heard()
        finally:
            receiver.close()

        assert verdict == "No matching signature found"
        assert WebhookAttempt.objects.get().status == 401


class Slow:
    """A receiver that answers once it is allowed to."""

    def __init__(self) -> None:
        self.asked, self.may_answer = threading.Event(), threading.Event()
        slow = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                slow.asked.set()
                slow.may_answer.wait(10)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                """Log nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    def close(self) -> None:
        self.may_answer.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def slow() -> Iterator[Slow]:
    made = Slow()
    yield made
    made.close()


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
class TestASlowReceiver:
    def test_delays_no_other(self, workspace: Workspace, slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
        """The quick one receives everything while the slow one has not answered its first message."""
        now = utc_now()
        quick = Slow()
        quick.may_answer.set()
        listen(workspace, now=now, url=slow.url)
        other = listen(workspace, now=now, url=quick.url)
        tell(workspace, *"abcdefghij", now=now)
        told = threading.Event()
        deliver_to = sending.deliver_to

        def deliver(*, endpoint_id: int, at_once: int) -> int:
            tried = deliver_to(endpoint_id=endpoint_id, at_once=at_once)
            if endpoint_id == other.pk:
                told.set()
            return tried

        monkeypatch.setattr(sending, "deliver_to", deliver)

        started = sending.start_sending()

        assert slow.asked.wait(10)
        assert told.wait(20)
        assert started == 2
        delivered = WebhookDelivery.objects.filter(status=DeliveryStatus.DELIVERED)
        assert list(delivered.values_list("endpoint", flat=True).distinct().order_by("endpoint")) == [other.pk]
        assert delivered.count() == 10
        slow.may_answer.set()
        quick.close()
        sending.wait_until_idle()

    def test_holds_none_of_the_senders_of_quick_ones(
        self, workspace: Workspace, slow: Slow, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """There is one sender of each kind: the slow endpoint occupies the other."""
        now = utc_now()
        monkeypatch.setattr(sending, "_pool", ThreadPoolExecutor(1))
        monkeypatch.setattr(sending, "_pool_of_slow", ThreadPoolExecutor(1))
        monkeypatch.setattr(sending, "_quick_from", {})
        quick = Slow()
        quick.may_answer.set()
        known = listen(workspace, now=now, url=quick.url)
        tell(workspace, "a", now=now)
        sending.start_sending()  # shows that it is quick
        sending.wait_until_idle()
        listen(workspace, now=now, url=slow.url)
        tell(workspace, *"bcd", now=now)

        sending.start_sending()

        assert slow.asked.wait(10)
        sending._pool.shutdown()  # waits for the quick one's turn, not for the slow one
        delivered = WebhookDelivery.objects.filter(status=DeliveryStatus.DELIVERED)
        assert list(delivered.values_list("endpoint", flat=True)) == [known.pk] * 4
        slow.may_answer.set()
        quick.close()
        sending.wait_until_idle()


@pytest.mark.django_db
class TestAnEndpoint:
    @pytest.fixture(autouse=True)
    def nothing_is_known(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sending, "_quick_from", {})

    def test_that_lets_a_message_wait_counts_as_slow_for_a_while(
        self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, receiver: Receiver
    ) -> None:
        monkeypatch.setattr(sending, "SLOW_SECONDS", 0.0)
        endpoint = listen(workspace, now=utc_now())
        tell(workspace, *"abc", now=utc_now())

        assert sending.deliver_to(endpoint_id=endpoint.pk) == 1
        assert not sending.is_quick(endpoint.pk)

    def test_that_is_quick_counts_as_quick_at_once(self, workspace: Workspace, receiver: Receiver) -> None:
        endpoint = listen(workspace, now=utc_now())
        tell(workspace, *"abc", now=utc_now())

        assert sending.deliver_to(endpoint_id=endpoint.pk) == 3
        assert sending.is_quick(endpoint.pk)


@pytest.mark.django_db
class TestAnAddressOfOurs:
    @pytest.fixture(autouse=True)
    def nothing_is_connected_to(self, workspace: Workspace, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        settings.SANDBOX = False

        def connect(*args: Any, **kwargs: Any) -> Any:
            raise AssertionError(f"it was connected to: {args}")

        monkeypatch.setattr(socket, "create_connection", connect)

    def _send(self, workspace: Workspace, url: str, stands_for: str = "") -> WebhookAttempt:
        now = utc_now()
        endpoint = listen(workspace, now=now)
        WebhookEndpoint.objects.update(url=url)
        tell(workspace, "a", now=now)
        with pytest.MonkeyPatch.context() as patched:
            if stands_for:
                family = socket.AF_INET if ipaddress.ip_address(stands_for).version == 4 else socket.AF_INET6
                found = [(family, socket.SOCK_STREAM, 6, "", (stands_for, 443))]
                patched.setattr(socket, "getaddrinfo", lambda *_, **__: found)
            deliver_next(endpoint_id=endpoint.pk, now=now)
        return WebhookAttempt.objects.get()

    @pytest.mark.parametrize("host", ["127.0.0.1", "0x7f.1", "[::ffff:169.254.169.254]", "localhost"])
    def test_is_not_asked_however_it_is_spelled(self, workspace: Workspace, host: str) -> None:
        """The other spellings: core/tests/test_outbound.py."""
        tried = self._send(workspace, f"https://{host}/")

        assert tried.status is None
        assert tried.error.endswith("is not a public address.")

    @pytest.mark.parametrize("address", ["169.254.169.254", "10.1.2.3", "fd00:ec2::254"])
    def test_is_not_asked_by_a_name_that_stands_for_it_by_now(self, workspace: Workspace, address: str) -> None:
        """Whatever the name stood for when the endpoint was created: it is looked up once for each message."""
        tried = self._send(workspace, "https://metadata.google.internal/", stands_for=address)

        assert tried.error == "metadata.google.internal is not a public address."

    def test_is_not_asked_without_encryption(self, workspace: Workspace) -> None:
        assert "begin with https" in self._send(workspace, "http://receiver.example.test/").error

    def test_is_asked_where_it_is_public(self, workspace: Workspace) -> None:
        """Negative control: the guard of this test notices a connection."""
        with pytest.raises(AssertionError, match="it was connected to"):
            self._send(workspace, "https://93.184.215.14/")
