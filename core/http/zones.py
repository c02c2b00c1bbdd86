"""The time zone a visitor reads times in, as reported by their browser."""

import functools
from zoneinfo import ZoneInfo, available_timezones

from django.http import HttpRequest

# Set by zone.js, so that what we render is in the visitor's own time; over HTTPS, its name is one that no other host
# can set.
ZONE_COOKIES = ("__Host-tz", "tz")


def zone_of(request: HttpRequest) -> ZoneInfo | None:
    """Return the zone of the visitor's browser; None until it has reported one, or if there is no such zone."""
    name = next((request.COOKIES[cookie] for cookie in ZONE_COOKIES if cookie in request.COOKIES), "")
    return ZoneInfo(name) if name in _known_zones() else None


@functools.cache
def _known_zones() -> frozenset[str]:
    return frozenset(available_timezones())
