"""Calling systems whose URL somebody typed: what is refused, and how an answer may fail."""

import ipaddress
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.db import transaction
from django.test import override_settings

from core import outbound
from core.network import NetworkInsideTransaction
from core.outbound import NoAnswer, NotSent, ask, is_public


class Other:
    """A system on the loopback interface that answers as told, and records its requests."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self.status = 200
        self.headers: dict[str, str] = {}
        self.body = b"{}"
        self.length: int | None = None
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        other = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                other.asked.append((self.command, self.path, headers, body))
                self.send_response(other.status)
                for name, value in other.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(other.body) if other.length is None else other.length))
                self.end_headers()
                self.wfile.write(other.body)

            do_GET = do_POST

            def log_message(self, *args: Any) -> None:
                """Log nothing."""

        return Handler


@pytest.fixture
def other() -> Iterator[Other]:
    system = Other()
    yield system
    system.close()


def send(url: str, method: str = "GET", seconds: float = 5, **more: Any) -> outbound.Answer:
    return ask(method, url, headers={"Authorization": "Bearer k"}, seconds=seconds, **more)


def stands_for(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Make every name resolve to these addresses."""

    def resolve(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        named = [host] if host[0].isdigit() else addresses
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in named]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


class TestAnAnswer:
    def test_is_what_the_other_side_says(self, other: Other) -> None:
        other.status, other.headers, other.body = 422, {"Retry-After": "7"}, b'{"error": "no"}'

        answer = send(f"http://localhost:{other.port}/enrollments", "POST", body={"a": 1}, params={"x": "y z"})

        assert (answer.status, answer.headers["retry-after"], answer.json()) == (422, "7", {"error": "no"})
        ((method, path, headers, body),) = other.asked
        assert (method, path, body) == ("POST", "/enrollments?x=y+z", b'{"a":1}')
        assert (headers["host"], headers["authorization"]) == (f"localhost:{other.port}", "Bearer k")

    def test_of_a_redirect_is_the_redirect(self, other: Other) -> None:
        other.status, other.headers = 302, {"Location": f"http://127.0.0.1:{other.port}/elsewhere"}

        assert send(f"http://127.0.0.1:{other.port}/").status == 302
        assert len(other.asked) == 1

    def test_that_is_too_large_is_none(self, other: Other, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(outbound, "MAX_BYTES", 10)
        other.body = b"x" * 11

        with pytest.raises(NoAnswer, match="more than 10 bytes"):
            send(f"http://127.0.0.1:{other.port}/")

    def test_that_breaks_off_is_none(self, other: Other) -> None:
        other.length = 1000

        with pytest.raises(NoAnswer):
            send(f"http://127.0.0.1:{other.port}/", seconds=0.5)

    def test_that_is_no_json_says_so(self, other: Other) -> None:
        other.body = b"<html>"

        with pytest.raises(ValueError, match="Expecting value"):
            send(f"http://127.0.0.1:{other.port}/").json()


class TestWhatIsNotSent:
    def test_goes_to_no_closed_port(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]

        with pytest.raises(NotSent, match="does not take connections"):
            send(f"http://127.0.0.1:{port}/")

    @pytest.mark.parametrize(
        "url", ["", "lms", "ftp://lms.test/", "https://", "https://user:secret@lms.test/", "http://["]
    )
    def test_goes_to_no_address_that_is_none(self, url: str) -> None:
        with pytest.raises(NotSent):
            send(url)

    @override_settings(SANDBOX=False)
    def test_goes_nowhere_without_encryption(self, other: Other) -> None:
        with pytest.raises(NotSent, match="begin with https"):
            send(f"http://127.0.0.1:{other.port}/")

        assert other.asked == []

    @override_settings(SANDBOX=False)
    @pytest.mark.parametrize("addresses", [("127.0.0.1",), ("93.184.216.34", "10.0.0.7"), ("169.254.169.254",)])
    def test_goes_to_no_name_that_stands_for_one_of_ours(
        self, monkeypatch: pytest.MonkeyPatch, addresses: tuple[str, ...]
    ) -> None:
        stands_for(monkeypatch, *addresses)

        with pytest.raises(NotSent, match="not a public address"):
            send("https://lms.example.test/")

    def test_goes_to_the_address_that_was_looked_at(self, other: Other, monkeypatch: pytest.MonkeyPatch) -> None:
        """The name is not resolved again: by then it might stand for something else."""
        stands_for(monkeypatch, "127.0.0.1")

        assert send(f"http://lms.example.test:{other.port}/").status == 200
        assert other.asked[0][2]["host"] == f"lms.example.test:{other.port}"

    @pytest.mark.django_db(transaction=True)
    def test_goes_nowhere_while_a_transaction_is_open(self, other: Other) -> None:
        with transaction.atomic(), pytest.raises(NetworkInsideTransaction):
            send(f"http://127.0.0.1:{other.port}/")

        assert other.asked == []


HOSTILE = [
    *("127.0.0.1", "127.1", "127.0.1", "2130706433", "017700000001", "0x7f000001", "0x7f.1", "0177.0.0.1"),
    *("localhost", "127.0.0.1.", "127。0。0。1", "①②⑦.⓪.⓪.①", "127.127.127.127", "0.0.0.0", "0", "0x0"),
    *("[::1]", "[0:0:0:0:0:0:0:1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]"),
    *("169.254.169.254", "2852039166", "0xa9fea9fe", "[::ffff:169.254.169.254]", "[fe80::1]", "[fd00:ec2::254]"),
    *("10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "[fc00::1]", "[fec0::1]", "[64:ff9b::7f00:1]"),
    *("[2002:7f00:1::]", "[64:ff9b:1::7f00:1]", "224.0.0.1", "255.255.255.255", "[ff02::1]"),
]


class TestAnAddressOfOurs:
    @override_settings(SANDBOX=False)
    @pytest.mark.parametrize("host", HOSTILE)
    def test_is_not_asked_however_it_is_spelled(self, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
        def connect(*args: Any, **_: Any) -> Any:
            raise AssertionError(f"it was connected to: {args}")

        monkeypatch.setattr(socket, "create_connection", connect)

        with pytest.raises(NotSent):
            send(f"https://{host}/")

    @override_settings(SANDBOX=False)
    @pytest.mark.parametrize("host", ["0x7f.1", "[::127.0.0.1]", "[::ffff:10.0.0.1]", "localhost."])
    def test_is_refused_where_it_is_typed_unless_it_is_a_name(self, host: str) -> None:
        fault = outbound.fault_of_address(f"https://{host}/")

        assert fault == ("" if host == "localhost." else f"{host.strip('[]')} is not a public address.")


class TestAnAnswerThatTrickles:
    def test_is_cut_off_in_time(self) -> None:
        """A byte now and then prevents every timeout of a single wait."""
        server = socket.create_server(("127.0.0.1", 0))
        is_over = threading.Event()

        def trickle() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                try:
                    connection.sendall(b"HTTP/1.1 200 OK\r\n")
                    while not is_over.wait(0.05):
                        connection.sendall(b"X-Wait: 1\r\n")
                except OSError:
                    """Cut off, as it should be."""

        threading.Thread(target=trickle, daemon=True).start()
        # So that a client that waits forever ends with an interrupted answer, and a different message.
        threading.Timer(5, is_over.set).start()
        try:
            with pytest.raises(NoAnswer):
                send(f"http://127.0.0.1:{server.getsockname()[1]}/", seconds=0.3)
            assert not is_over.is_set()
        finally:
            is_over.set()
            server.close()

    def test_is_read_as_far_as_it_matters(self, other: Other) -> None:
        other.body = b"x" * 100_000

        answer = send(f"http://127.0.0.1:{other.port}/", read_at_most=64_000)

        assert (answer.status, len(answer.body)) == (200, 64_000)


class TestAPublicAddress:
    @pytest.mark.parametrize(
        "address", ["93.184.216.34", "2606:2800:220:1::1", "64:ff9b::5db8:d822", "2002:5db8:d822::1"]
    )
    def test_is_one_of_the_internet(self, address: str) -> None:
        assert is_public(ipaddress.ip_address(address))

    @pytest.mark.parametrize(
        "address",
        [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "::1",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::1",
        ],
    )
    def test_is_none_that_only_we_can_see(self, address: str) -> None:
        assert not is_public(ipaddress.ip_address(address))
