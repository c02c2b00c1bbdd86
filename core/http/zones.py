"""The time zone a visitor reads times in, as their browser has told us."""

import functools
from zoneinfo import ZoneInfo, available_timezones

from django.http import HttpRequest

# Kept by zone.js, so that what we render is in the visitor's own time; by HTTPS under a name no other host can set.
ZONE_COOKIES = ("__Host-tz", "tz")


def zone_of(request: HttpRequest) -> ZoneInfo | None:
    """The zone of the visitor's browser; None before it has told us, or if there is no such zone."""
    name = next((request.COOKIES[cookie] for cookie in ZONE_COOKIES if cookie in request.COOKIES), "")
    return ZoneInfo(name) if name in _known_zones() else None


@functools.cache
def _known_zones() -> frozenset[str]:
    return frozenset(available_timezones())
