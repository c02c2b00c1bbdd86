"""Numbers that all processes count together, each for a limited time: every limit of the platform relies on them.

They live in the cache if Redis serves it, otherwise in the database: with a cache per process, everybody would have the
limit once per process. Counters that guard a password are always in the database, because Redis may be gone.
"""

import datetime as dt

import structlog
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from redis.exceptions import RedisError

from .clock import utc_now
from .models import SharedCounter
from .statements import fetch_rows

log = structlog.get_logger(__name__)

BITE = 1_000


def count(key: str, *, seconds: int, more: int = 1) -> int:
    """Add `more` to the key's count; return the total since the start of the current `seconds`, `more` included."""
    if settings.COUNT_IN_CACHE:
        try:
            return _count_in_cache(key, seconds=seconds, more=more)
        except RedisError as error:
            log.warning("counters_moved_to_the_database", error=type(error).__name__)
    return count_in_database(key, seconds=seconds, more=more)[0]


def count_in_database(key: str, *, seconds: int, more: int = 1) -> tuple[int, int]:
    """Do the same in the database whatever the settings; return the number and in how many seconds it starts again.

    A single statement counts, so no two callers get the same number.
    """
    now = utc_now()
    table = connection.ops.quote_name(SharedCounter._meta.db_table)
    name = connection.ops.quote_name
    value = name("value")
    ends = name("ends_at")
    column = name("key")
    sql = f"""
        INSERT INTO {table} ({column}, {value}, {ends}) VALUES (%s, %s, %s)
        ON CONFLICT ({column}) DO UPDATE SET
            {value} = CASE WHEN {table}.{ends} <= %s THEN excluded.{value} ELSE {table}.{value} + excluded.{value} END,
            {ends} = CASE WHEN {table}.{ends} <= %s THEN excluded.{ends} ELSE {table}.{ends} END
        RETURNING {value}, {ends}
    """  # noqa: S608  (names of the model's, no values)
    adapt = SharedCounter._meta.get_field("ends_at").get_db_prep_value
    present = adapt(now, connection)
    params = [key, more, adapt(now + dt.timedelta(seconds=seconds), connection), present, present]
    ((number, ends_at),) = fetch_rows(sql, params)
    return number, max(1, round((_moment(ends_at) - now).total_seconds()))


def forget_old_counters(*, now: dt.datetime) -> int:
    """Delete expired counters in small batches; return how many were deleted."""
    deleted = 0
    bite = 1
    while bite:
        keys = list(SharedCounter.objects.filter(ends_at__lte=now).values_list("pk", flat=True)[:BITE])
        bite = SharedCounter.objects.filter(pk__in=keys, ends_at__lte=now).delete()[0] if keys else 0
        deleted += bite
    return deleted


def _count_in_cache(key: str, *, seconds: int, more: int) -> int:
    try:
        return cache.incr(key, more)
    except ValueError:  # the first in its period
        return more if cache.add(key, more, timeout=seconds) else cache.incr(key, more)


def _moment(value: dt.datetime | str) -> dt.datetime:
    """Return a moment as the database returned it: SQLite knows only text."""
    moment = dt.datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
