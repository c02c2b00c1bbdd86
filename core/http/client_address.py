"""Where a request comes from: rate limits, sign-in, and logs all use this one answer.

`X-Forwarded-For` is a list to which every proxy appends the address that called it. Everything to the left of what our
own proxies appended was written by the caller and proves nothing. With TRUSTED_PROXIES proxies of ours, the caller is
that many entries from the right; with none, the header is ignored.
"""

import ipaddress

from django.conf import settings
from django.http import HttpRequest
from rest_framework.request import Request

UNKNOWN = "unknown"  # a peer without an address, such as a Unix socket
# The holder of one IPv6 address has the whole network around it, and may use another address each time.
IPV6_PREFIX = 64
RANGES = {4: 24, 6: 48}

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def client_address(request: HttpRequest | Request) -> str:
    """Return the caller's address. If the header is shorter than our proxies would make it, or holds no address at that
    position, return the peer's address: the request took another way in."""
    address = _forwarded(request) or _parse(request.META.get("REMOTE_ADDR", ""))
    return str(address) if address else UNKNOWN


def client_network(request: HttpRequest | Request) -> str:
    """Return what a limit counts: the caller's IPv4 address, or the /64 network of their IPv6 address."""
    address = _forwarded(request) or _parse(request.META.get("REMOTE_ADDR", ""))
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, IPV6_PREFIX), strict=False))
    return str(address) if address else UNKNOWN


def client_range(request: HttpRequest | Request) -> str:
    """Return roughly where the caller is, for people to read: 256 IPv4 addresses, or the /48 network of IPv6."""
    address = _forwarded(request) or _parse(request.META.get("REMOTE_ADDR", ""))
    if address is None:
        return UNKNOWN
    return str(ipaddress.ip_network((address, RANGES[address.version]), strict=False))


def is_from_this_machine(request: HttpRequest | Request) -> bool:
    """Return whether the caller is a program on this machine that talks to us directly, not through a proxy."""
    peer = _parse(request.META.get("REMOTE_ADDR", ""))
    forwarded = any(name in request.META for name in ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_VIA"))
    return peer is not None and peer.is_loopback and not forwarded


def _forwarded(request: HttpRequest | Request) -> _Address | None:
    proxies: int = settings.TRUSTED_PROXIES
    entries = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    return _parse(entries[-proxies]) if 0 < proxies <= len(entries) else None


def _parse(text: str) -> _Address | None:
    """Parse one entry: some proxies append a port, and put brackets around IPv6."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
