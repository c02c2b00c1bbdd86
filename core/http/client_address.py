"""Where a request comes from: the one answer that rate limits, sign-in and logs go by.

`X-Forwarded-For` is a list to which every proxy appends the address it was called from. Whatever stands left of what
our own proxies appended was written by the caller and says nothing. TRUSTED_PROXIES proxies are ours, so the caller is
the entry that many places from the right; without any, the header is not looked at.
"""

import ipaddress

from django.conf import settings
from django.http import HttpRequest
from rest_framework.request import Request

UNKNOWN = "unknown"  # a peer without an address, such as a Unix socket
# Somebody who has one IPv6 address has the whole network around it, and may use another address each time.
IPV6_PREFIX = 64
RANGES = {4: 24, 6: 48}

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def client_address(request: HttpRequest | Request) -> str:
    """The caller's address. Where the header is shorter than our proxies would make it, or holds no address where it
    counts, the peer's address is the answer: the request took another way in."""
    address = _forwarded(request) or _parse(request.META.get("REMOTE_ADDR", ""))
    return str(address) if address else UNKNOWN


def client_network(request: HttpRequest | Request) -> str:
    """Whom a limit counts: the caller's IPv4 address, or the /64 network of their IPv6 address."""
    address = _forwarded(request) or _parse(request.META.get("REMOTE_ADDR", ""))
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, IPV6_PREFIX), strict=False))
    return str(address) if address else UNKNOWN


def client_range(request: HttpRequest | Request) -> str:
    """About where the caller is, for people to read: 256 IPv4 addresses, or the /48 network of their IPv6 address."""
    address = _forwarded(request) or _parse(request.META.get("REMOTE_ADDR", ""))
    if address is None:
        return UNKNOWN
    return str(ipaddress.ip_network((address, RANGES[address.version]), strict=False))


def is_from_this_machine(request: HttpRequest | Request) -> bool:
    """Whether the caller is a program on this machine that speaks to us directly, not through a proxy."""
    peer = _parse(request.META.get("REMOTE_ADDR", ""))
    forwarded = any(name in request.META for name in ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_VIA"))
    return peer is not None and peer.is_loopback and not forwarded


def _forwarded(request: HttpRequest | Request) -> _Address | None:
    proxies: int = settings.TRUSTED_PROXIES
    entries = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    return _parse(entries[-proxies]) if 0 < proxies <= len(entries) else None


def _parse(text: str) -> _Address | None:
    """The address in one entry: some proxies write a port after it, and brackets around IPv6."""
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
