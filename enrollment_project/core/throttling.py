"""Rate limits by a counter per caller and minute: one cache operation a request, however high the limit."""

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


class PrincipalRateThrottle(BaseThrottle):
    """API_RATE_LIMIT requests a minute for each key or user, API_ANONYMOUS_RATE_LIMIT for each address without one."""

    def allow_request(self, request: Request, view: "APIView") -> bool:
        window, self._elapsed = divmod(time.time(), WINDOW_SECONDS)
        known = request.user is not None
        caller = str(request.user) if known else f"address:{self.get_ident(request)}"
        limit = settings.API_RATE_LIMIT if known else settings.API_ANONYMOUS_RATE_LIMIT
        key = f"rate:{caller}:{int(window)}"
        try:
            return _count(key) <= int(limit)
        except RedisError as error:
            # Losing the counter must not lose enrollments: limits are off until the cache is back.
            log.warning("rate_limit_unavailable", error=type(error).__name__)
            return True

    def wait(self) -> float:
        return WINDOW_SECONDS - self._elapsed


def _count(key: str) -> int:
    """Count one more under the key; the number so far, this one included."""
    try:
        return cache.incr(key)
    except ValueError:  # the first of its minute
        return 1 if cache.add(key, 1, timeout=2 * WINDOW_SECONDS) else cache.incr(key)
