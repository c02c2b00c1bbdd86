"""Rate limits by a counter per caller and minute: one cache operation a request, however high the limit."""

import time

from django.conf import settings
from django.core.cache import cache
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

WINDOW_SECONDS = 60


class PrincipalRateThrottle(BaseThrottle):
    """API_RATE_LIMIT requests a minute for each key or user, API_ANONYMOUS_RATE_LIMIT for each address without one."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        window, self._elapsed = divmod(time.time(), WINDOW_SECONDS)
        known = request.user is not None
        caller = str(request.user) if known else f"address:{self.get_ident(request)}"
        limit = settings.API_RATE_LIMIT if known else settings.API_ANONYMOUS_RATE_LIMIT
        key = f"rate:{caller}:{int(window)}"
        cache.add(key, 0, timeout=2 * WINDOW_SECONDS)
        try:
            return cache.incr(key) <= limit
        except ValueError:  # evicted between the two operations
            return True

    def wait(self) -> float:
        return WINDOW_SECONDS - self._elapsed
