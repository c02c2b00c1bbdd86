"""The only way to call a system whose URL somebody typed: a partner's, and anything else configured by its URL.

Such a URL may be wrong, slow, hostile, or one of ours. So only HTTPS is allowed. The name is resolved once, within the
deadline; all its addresses must be public, and the connection goes to the address that was checked. There are no
redirects; the whole answer has a deadline and a size limit; and no transaction may be open. Only with the sandbox on
may a URL use plain HTTP or point to us.
"""

import contextlib
import ipaddress
import json
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpx
from django.conf import settings

from .network import forbid_open_transaction
from .numbers import parse_whole_number
from .resolving import look_up

LOOKUP_SECONDS = 3.0
CONNECT_SECONDS = 3.0
MAX_BYTES = 1_000_000
# Both embed an IPv4 address, to which the connection finally goes (RFC 6052, RFC 3056).
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_GIVEN_OUT = ipaddress.ip_network("2000::/3")
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class NotSent(Exception):
    """Nothing reached the other side: the address is refused or unknown, or does not accept connections."""


class NoAnswer(Exception):
    """The request may have arrived and its outcome is unknown: the answer is late, broken off, or too large."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the other side answered, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the decoded body. Raises ValueError if it is not JSON."""
        try:
            return json.loads(self.body)
        except RecursionError as error:
            raise ValueError("nested too deep") from error

    def retry_after(self, *, longest: float) -> float:
        """Return for how many seconds the other side asks not to be called, `longest` at most. A date is ignored: our
        own pause will do."""
        return min(float(parse_whole_number(self.headers.get("retry-after", "")) or 0), longest)


def ask(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    body: Any = None,
    params: Mapping[str, str] | None = None,
    seconds: float,
    read_at_most: int | None = None,
) -> Answer:
    """Send one request, `body` as JSON (bytes as they are), and read its answer within `seconds`. With `read_at_most`,
    read only that many bytes, for callers that need the status alone. Raises NotSent, NoAnswer."""
    forbid_open_transaction()
    deadline = time.monotonic() + seconds
    target = _parse(url, params)
    for address in _resolve(target, deadline):
        try:
            return _ask(method, target, address, headers, body, deadline, read_at_most)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            continue  # nothing was sent: the name may have another address that works
        except httpx.HTTPError as error:
            raise NoAnswer(f"{target.host} gave no answer ({type(error).__name__}).") from error
    raise NotSent(f"{target.host} does not take connections.")


def fault_of_address(url: str) -> str:
    """Return why an address can never be called, whatever its name resolves to; "" if it may be. This is for early
    feedback to the person typing it, since the name is resolved again for each call."""
    try:
        target = _parse(url, None)
        with contextlib.suppress(OSError, UnicodeError):  # it is a name, not one of the spellings of an address
            _check_public(target, socket.getaddrinfo(target.host, None, flags=socket.AI_NUMERICHOST))
    except NotSent as fault:
        return str(fault)
    return ""


def _ask(
    method: str,
    target: httpx.URL,
    address: _Address,
    headers: Mapping[str, str],
    body: Any,
    deadline: float,
    read_at_most: int | None,
) -> Answer:
    left = max(deadline - time.monotonic(), 0.01)
    timeout = httpx.Timeout(left, connect=min(CONNECT_SECONDS, left))
    sent = {"content": body} if isinstance(body, bytes) else {"json": body}
    with (
        _Cut(left) as cut,
        httpx.Client(verify=_trust(), timeout=timeout, trust_env=False, follow_redirects=False) as client,
        client.stream(
            method,
            target.copy_with(host=str(address)),
            headers={**headers, "Host": target.netloc.decode("ascii"), "Accept-Encoding": "identity"},
            extensions={"sni_hostname": target.host, "trace": cut.watch},
            **sent,
        ) as response,
    ):
        return Answer(response.status_code, response.headers, _read(response, deadline, read_at_most))


class _Cut:
    """Closes the connection when the time is up. Timeouts bound each wait for the other side, so a server that sends a
    byte now and then would never exceed them."""

    def __init__(self, seconds: float) -> None:
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._close)
        self._timer.daemon = True

    def __enter__(self) -> "_Cut":
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        if self._socket is not None:
            self._socket.close()

    def watch(self, event: str, details: Mapping[str, Any]) -> None:
        """Watch for the connection: httpx reports each step of a request."""
        if event == "connection.connect_tcp.complete":
            # A second handle: TLS takes over the first one, in a handshake that may also take long.
            self._socket = details["return_value"].get_extra_info("socket").dup()

    def _close(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


def _parse(url: str, params: Mapping[str, str] | None) -> httpx.URL:
    try:
        target = httpx.URL(url)
        target = target.copy_merge_params(params) if params else target
    except (httpx.InvalidURL, ValueError) as error:
        raise NotSent("This is not a valid address.") from error
    schemes = ("https", "http") if settings.SANDBOX else ("https",)
    if target.scheme not in schemes or not target.host or target.userinfo:
        raise NotSent(f"The address must begin with {' or '.join(schemes)} and must not contain a user name.")
    return target


def _resolve(target: httpx.URL, deadline: float) -> list[_Address]:
    """Return the addresses that the name resolves to. Raises NotSent if one of them is not public."""
    port = target.port or (443 if target.scheme == "https" else 80)
    seconds = min(LOOKUP_SECONDS, max(deadline - time.monotonic(), 0.0))
    try:
        found = look_up(target.host, port, seconds=seconds)
    except TimeoutError as error:
        raise NotSent(f"The address of {target.host} could not be looked up in time.") from error
    except (OSError, UnicodeError) as error:
        raise NotSent(f"There is no address for {target.host}.") from error
    return _check_public(target, found)


def _check_public(target: httpx.URL, found: list[Any]) -> list[_Address]:
    addresses = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    if not settings.SANDBOX and not all(is_public(address) for address in addresses):
        raise NotSent(f"{target.host} is not a public address.")
    return addresses


def is_public(address: _Address) -> bool:
    """Return whether the address belongs to somebody on the internet, and not to a network that only we can see."""
    if isinstance(address, ipaddress.IPv6Address):
        carried = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            carried = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if carried is not None:
            return is_public(carried)
        # Addresses outside this range were never assigned (RFC 4291), but may lead to our own networks by an old or
        # local rule: ::127.0.0.1, fec0::1, 64:ff9b:1::1.
        if address not in _GIVEN_OUT:
            return False
    return address.is_global and not address.is_multicast


def _read(response: httpx.Response, deadline: float, at_most: int | None) -> bytes:
    body = b""
    for chunk in response.iter_raw():
        body += chunk
        if at_most is not None and len(body) >= at_most:
            return body[:at_most]
        if len(body) > MAX_BYTES:
            raise NoAnswer(f"The answer has more than {MAX_BYTES:,} bytes.")
        if time.monotonic() > deadline:
            raise NoAnswer("The answer took too long.")
    if time.monotonic() > deadline:  # we cut it off
        raise NoAnswer("The answer took too long.")
    return body


@cache
def _trust() -> ssl.SSLContext:
    """Return the authorities that certificates are checked against; reading them takes longer than most answers."""
    return httpx.create_ssl_context(trust_env=False)
