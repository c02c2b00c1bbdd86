"""Names that are resolved within a deadline, or not at all."""

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from core import outbound, resolving
from core.outbound import NotSent
from core.resolving import look_up

FOUND = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", 443))]


class NameServer:
    """Answers once it is allowed to, and counts its queries."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.may_answer = threading.Event()

    def getaddrinfo(self, host: str, port: int, **_: Any) -> list[Any]:
        self.asked.append(host)
        self.may_answer.wait(20)
        if host == "unknown.test":
            raise socket.gaierror("Name or service not known")
        return FOUND


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    made = NameServer()
    monkeypatch.setattr(socket, "getaddrinfo", made.getaddrinfo)
    monkeypatch.setattr(resolving, "_lookups", {})
    yield made
    made.may_answer.set()
    for thread in threading.enumerate():
        if thread.name == "lookup":
            thread.join(20)


class TestAName:
    def test_is_looked_up(self, server: NameServer) -> None:
        server.may_answer.set()

        assert look_up("lms.test", 443, seconds=10) == FOUND

    def test_that_is_unknown_says_so_as_ever(self, server: NameServer) -> None:
        server.may_answer.set()

        with pytest.raises(socket.gaierror):
            look_up("unknown.test", 443, seconds=10)

    def test_whose_server_is_silent_is_given_up(self, server: NameServer) -> None:
        with pytest.raises(TimeoutError):
            look_up("lms.test", 443, seconds=0.01)

    def test_that_is_being_looked_up_is_not_asked_for_again(self, server: NameServer) -> None:
        for _ in range(3):
            with pytest.raises(TimeoutError):
                look_up("lms.test", 443, seconds=0.01)

        assert server.asked == ["lms.test"]

    def test_is_refused_while_too_many_are_looked_up(self, server: NameServer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(resolving, "MOST_AT_ONCE", 1)
        with pytest.raises(TimeoutError):
            look_up("silent.test", 443, seconds=0.01)

        with pytest.raises(TimeoutError, match="Too many names"):
            look_up("lms.test", 443, seconds=10)

        assert server.asked == ["silent.test"]

    def test_that_takes_too_long_is_not_sent_to(self, server: NameServer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(outbound, "LOOKUP_SECONDS", 0.01)

        with pytest.raises(NotSent, match=r"lms\.test could not be looked up in time"):
            outbound.ask("GET", "https://lms.test/", headers={}, seconds=10)
