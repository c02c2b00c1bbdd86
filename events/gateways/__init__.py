"""Where relayed events go: a Redis Stream when REDIS_URL is set, the log otherwise."""

from functools import cache

from django.conf import settings

from .log import LogStream
from .port import EventStream
from .redis_stream import RedisStream


def event_stream() -> EventStream:
    """Return the stream this process hands events to."""
    return _connected(settings.REDIS_URL) if settings.REDIS_URL else LogStream()


@cache
def _connected(url: str) -> RedisStream:
    """Return one client, with its connections, per process and URL."""
    return RedisStream(url=url, name=settings.EVENT_STREAM, max_length=settings.EVENT_STREAM_MAX_LENGTH)
