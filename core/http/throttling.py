"""API rate limits by one counter per caller and minute, shared by all processes.

A process takes its caller's numbers from the counter in packets, a small part of the limit each, so that a busy caller
costs one operation every few dozen requests. Nobody gets more than the limit; a caller whose requests are spread over
many processes may be refused that many packets early.
"""

import time
from typing import TYPE_CHECKING

from django.conf import settings
from django.http import HttpRequest
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from ..counters import count
from .client_address import client_network

if TYPE_CHECKING:  # rest_framework.views imports the classes named in the settings, including this module's
    from rest_framework.views import APIView

WINDOW_SECONDS = 60
# How many packets make up a limit: where a database counts instead of a cache, each count costs more.
PACKETS_IN_CACHE = 200
PACKETS_IN_DATABASE = 20
CALLERS_REMEMBERED = 10_000


class PrincipalRateThrottle(BaseThrottle):
    """API_RATE_LIMIT requests a minute for each key or user, API_ANONYMOUS_RATE_LIMIT for each address without one."""

    _wait: float | None = None

    def allow_request(self, request: Request, view: "APIView") -> bool:
        if request.user is None:
            self._wait = wait_of_stranger(request)
        else:
            self._wait = _seconds_to_wait(str(request.user), settings.API_RATE_LIMIT)
        return self._wait is None

    def wait(self) -> float | None:
        return self._wait


def count_further(request: Request, *, operations: int) -> None:
    """Count what a request asks for beyond the one unit already counted for it. Raises Throttled."""
    for _ in range(operations):
        if (wait := _seconds_to_wait(str(request.user), settings.API_RATE_LIMIT)) is not None:
            raise Throttled(wait)


def wait_of_stranger(request: HttpRequest | Request) -> float | None:
    """Count an unidentified caller's request under their address; return the seconds to wait if it is one too many.

    A caller who is refused at the door (no key, a wrong one, one without the scope) never reaches the throttle. The
    error handler counts them here, so that trying keys has a limit too.
    """
    return _seconds_to_wait(f"address:{client_network(request)}", settings.API_ANONYMOUS_RATE_LIMIT)


def _seconds_to_wait(caller: str, limit: int) -> float | None:
    window, elapsed = divmod(time.time(), WINDOW_SECONDS)
    packets = PACKETS_IN_CACHE if settings.COUNT_IN_CACHE else PACKETS_IN_DATABASE
    number = _next_number(caller, int(window), max(1, limit // packets))
    return None if number <= limit else WINDOW_SECONDS - elapsed


# caller -> the minute, and the first and last number of the packet that are still available
_packets: dict[str, tuple[int, int, int]] = {}


def _next_number(caller: str, window: int, packet: int) -> int:
    """Return a number for this request: each is used once in its minute across all processes."""
    minute, first, last = _packets.get(caller, (0, 0, 0))
    if minute != window or first > last:
        last = count(f"rate:{caller}:{window}", seconds=2 * WINDOW_SECONDS, more=packet)
        first = last - packet + 1
        if len(_packets) >= CALLERS_REMEMBERED:
            _packets.clear()
    _packets[caller] = (window, first + 1, last)
    return first
