"""Rate limits by a counter per caller and minute, shared by all processes through the cache.

A process takes its caller's numbers from the counter in packets of 1/PACKETS of the limit, so that a busy caller costs
one cache operation every few dozen requests. Nobody gets more than the limit; somebody whose requests are spread over
many processes may be refused that many packets early.
"""

import time
from typing import TYPE_CHECKING

import structlog
from django.conf import settings
from django.core.cache import cache
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

if TYPE_CHECKING:  # rest_framework.views imports the classes of the settings, this module's among them
    from rest_framework.views import APIView

log = structlog.get_logger(__name__)

WINDOW_SECONDS = 60
PACKETS = 200
CALLERS_REMEMBERED = 10_000


class PrincipalRateThrottle(BaseThrottle):
    """API_RATE_LIMIT requests a minute for each key or user, API_ANONYMOUS_RATE_LIMIT for each address without one."""

    def allow_request(self, request: Request, view: "APIView") -> bool:
        window, self._elapsed = divmod(time.time(), WINDOW_SECONDS)
        known = request.user is not None
        caller = str(request.user) if known else f"address:{self.get_ident(request)}"
        limit = int(settings.API_RATE_LIMIT if known else settings.API_ANONYMOUS_RATE_LIMIT)
        try:
            return _next_number(caller, int(window), max(1, limit // PACKETS)) <= limit
        except RedisError as error:
            # Losing the counter must not lose enrollments: limits are off until the cache is back.
            log.warning("rate_limit_unavailable", error=type(error).__name__)
            return True

    def wait(self) -> float:
        return WINDOW_SECONDS - self._elapsed


# caller -> the minute, and the first and last number of the packet that are still to be given out
_packets: dict[str, tuple[int, int, int]] = {}


def _next_number(caller: str, window: int, packet: int) -> int:
    """A number for this request: each is given out once in its minute, in all processes together."""
    minute, first, last = _packets.get(caller, (0, 0, 0))
    if minute != window or first > last:
        last = _count(f"rate:{caller}:{window}", packet)
        first = last - packet + 1
        if len(_packets) >= CALLERS_REMEMBERED:
            _packets.clear()
    _packets[caller] = (window, first + 1, last)
    return first


def _count(key: str, more: int) -> int:
    """Count `more` under the key; the number so far, these included."""
    try:
        return cache.incr(key, more)
    except ValueError:  # the first of its minute
        return more if cache.add(key, more, timeout=2 * WINDOW_SECONDS) else cache.incr(key, more)
