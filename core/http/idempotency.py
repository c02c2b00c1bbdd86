"""`Idempotency-Key`: the same request sent twice has one effect and one answer.

The claim, the effects, and the stored answer commit together, so a crash leaves either all of them or none. A request
that must call a vendor midway keeps its claim across two transactions. During the call the key is in flight (409); if
the request fails, the same request may continue at once, and if its process dies, after `LEASE` seconds.

Only a limited number of a caller's keys is stored at a time (`IDEMPOTENCY_KEYS_KEPT`); past that, a new key is refused
with 429, and known ones are still answered.
"""

import datetime as dt
import hashlib
import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import wraps
from typing import Any

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.models import Min
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.encoders import JSONEncoder

from ..clock import utc_now
from ..errors import DomainError, Invalid
from ..models import IdempotencyRecord
from ..partitions import ANSWERS, drop_parts
from ..rows import insert_unless_present
from .parsing import StrictJSONParser

log = structlog.get_logger(__name__)

LEASE = dt.timedelta(seconds=60)
KEEP = dt.timedelta(hours=24)
MAX_KEY_LENGTH = 255
# Printable characters as they arrive in a header (a server decodes its bytes as Latin-1), without spaces at the ends.
_SHOWN = r"!-~\u00A1-\u00AC\u00AE-\u00FF"
KEY_PATTERN = f"[{_SHOWN}]([ {_SHOWN}]*[{_SHOWN}])?"
BITE = 1_000
# After using this fraction of the remaining room, a process counts a caller's keys again. That many processes can't
# fill the room together without each of them counting in between.
ROOM_PART = 20
CALLERS_REMEMBERED = 10_000


class RequestInFlight(DomainError):
    code = "idempotency_key_in_flight"
    title = "A request with this Idempotency-Key is still being answered"
    retry_after = 1


class KeyReused(Invalid):
    code = "idempotency_key_reused"
    title = "This Idempotency-Key was used with another request"


class TooManyKeys(DomainError):
    """A caller's keys are kept for 24 hours, in a limited number. Requests with keys in use are still answered."""

    status = 429
    code = "too_many_idempotency_keys"
    title = "Too many Idempotency-Keys are kept for this caller"

    def __init__(self, detail: str, *, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__(detail)


class AlreadyAnswered(Exception):
    """A stored answer exists and replaces running the request again."""

    def __init__(self, status: int, body: Any) -> None:
        self.status = status
        self.body = body
        super().__init__(f"answered {status}")


class TellOnce(Response):
    """An answer that contains a secret, shown once and never stored: a repeated request gets null in its place."""

    def __init__(self, data: Any, *, once: str, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self.kept = {**data, once: None}


@dataclass(slots=True)
class Claim:
    """The right to answer one key. Without a key, every method does nothing."""

    scope: str
    key: str | None
    fingerprint: str
    record_id: int | None = None

    def take(self, now: dt.datetime) -> None:
        """Take the key, inside the caller's transaction. Raises AlreadyAnswered, RequestInFlight, KeyReused, or
        TooManyKeys, for each of which the transaction has to be rolled back."""
        if self.key is None:
            return
        fresh = IdempotencyRecord(
            scope=self.scope, key=self.key, fingerprint=self.fingerprint, locked_until=now + LEASE, created_at=now
        )
        if insert_unless_present(fresh):
            _refuse_too_many(self.scope, now)
            self.record_id = fresh.pk
            return
        record = IdempotencyRecord.objects.select_for_update().filter(scope=self.scope, key=self.key).first()
        if record is None:  # released between the two statements
            raise RequestInFlight("Repeat this request.")
        self._continue(record, now)
        self.record_id = record.pk

    def _continue(self, record: IdempotencyRecord, now: dt.datetime) -> None:
        expired = record.created_at < now - KEEP
        if record.fingerprint != self.fingerprint and not expired:
            raise KeyReused("Use a new Idempotency-Key for a different request, or repeat the first one unchanged.")
        if record.is_answered() and not expired:
            raise AlreadyAnswered(record.response_status or 200, record.response_body)
        if record.is_in_flight(now):
            raise RequestInFlight("Wait for the first request to be answered, then repeat this one.")
        IdempotencyRecord.objects.filter(pk=record.pk).update(
            fingerprint=self.fingerprint,
            locked_until=now + LEASE,
            response_status=None,
            response_body=None,
            created_at=now,
        )

    def store(self, status: int, body: Any) -> None:
        """Store the answer, in the same transaction as the effects it reports."""
        if self.record_id is not None:
            stored = (status, connection.ops.adapt_json_value(body, JSONEncoder), self.record_id)
            with connection.cursor() as cursor:  # as text: it runs while a hot row is locked
                cursor.execute(
                    "UPDATE core_idempotencyrecord SET response_status = %s, response_body = %s WHERE id = %s", stored
                )

    def release(self) -> None:
        """Release the key after a failure, so that the same request may be retried at once."""
        if self.record_id is not None:
            IdempotencyRecord.objects.filter(pk=self.record_id, response_status=None).delete()

    @contextmanager
    def released_on_failure(self) -> Iterator[None]:
        """Release the key if the block, in which no transaction is open, raises. If the database is what failed, and
        still does, the key stays in flight until its lease is over."""
        try:
            yield
        except Exception:
            if not connection.in_atomic_block:  # as in tests, whose transaction would end with it
                connection.close_if_unusable_or_obsolete()
            with suppress(DatabaseError, InterfaceError):
                self.release()
            raise


# caller and their limit -> how many more keys this process stores for them before it counts again
_uncounted: dict[tuple[str, int], int] = {}


def _refuse_too_many(scope: str, now: dt.datetime) -> None:
    """Refuse the key that was just stored if it exceeds the caller's limit. Raises TooManyKeys."""
    limits: dict[str, int] = settings.IDEMPOTENCY_KEYS_KEPT
    limit = limits.get(scope.partition(":")[0], min(limits.values()))
    left = _uncounted.get((scope, limit), 0)
    if left > 0:
        _uncounted[scope, limit] = left - 1
        return
    kept = IdempotencyRecord.objects.filter(scope=scope, created_at__gte=now - KEEP)
    room = limit - kept.order_by()[: limit + 1].count()
    if room < 0:
        oldest = kept.aggregate(oldest=Min("created_at"))["oldest"]
        wait = max(1, math.ceil((oldest + KEEP - now).total_seconds()))
        log.warning("idempotency_keys_used_up", caller=scope, limit=limit)
        raise TooManyKeys(
            f"{limit:,} keys are kept for you at a time, each for 24 hours. Repeat requests with the key they had, "
            f"send this one without a key, or wait: the oldest key is forgotten in {wait:,} seconds.",
            retry_after=wait,
        )
    if len(_uncounted) >= CALLERS_REMEMBERED:
        _uncounted.clear()
    _uncounted[scope, limit] = room // ROOM_PART


def forget_old_answers(*, now: dt.datetime) -> int:
    """Delete records older than `KEEP`, in small batches, and return how many were deleted. If the table is
    partitioned, drop whole days and return how many."""
    if ANSWERS.is_done():
        return len(drop_parts(ANSWERS, before=now - KEEP))
    deleted = 0
    bite = 1
    while bite:
        old = IdempotencyRecord.objects.filter(created_at__lt=now - KEEP).order_by("created_at", "pk")
        ids = list(old.values_list("pk", flat=True)[:BITE])
        bite, _ = IdempotencyRecord.objects.filter(pk__in=ids).delete() if ids else (0, {})
        deleted += bite
    return deleted


def claim_for(request: Request) -> Claim:
    """Return the claim for a request's Idempotency-Key header. It is the caller's alone, whatever keys others choose.

    Raises Invalid for an unusable key.
    """
    key = request.headers.get("Idempotency-Key")
    if key is not None and (len(key) > MAX_KEY_LENGTH or not re.fullmatch(KEY_PATTERN, key)):
        raise Invalid(f"Idempotency-Key must be 1 to {MAX_KEY_LENGTH} printable characters.")
    digest = hashlib.sha256(_told_by(request)).hexdigest() if key else ""
    return Claim(scope=str(request.user), key=key, fingerprint=digest)


def _told_by(request: Request) -> bytes:
    """Return what makes two requests the same; a file sent as the body is represented by its digest."""
    line = f"{request.method} {request.path_info}\n".encode()
    if request.parser_context["view"].parser_classes[0].media_type == StrictJSONParser.media_type:
        return line + request.body
    return line + f"{request.query_params.urlencode()}\n{getattr(request.data, 'digest', '')}".encode()


def replay(answer: AlreadyAnswered) -> Response:
    """Return the stored answer, marked as a replay."""
    return Response(answer.body, status=answer.status, headers={"Idempotent-Replayed": "true"})


def idempotent(handler: Callable[..., Response]) -> Callable[..., Response]:
    """Make a view's POST or PUT idempotent when it needs no vendor: claim, effects, and answer in one transaction.

    A refusal raised by the handler rolls everything back, the claim included: nothing happened, so nothing is stored.
    """

    @wraps(handler)
    def wrapped(view: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        claim = claim_for(request)
        try:
            with transaction.atomic():
                claim.take(utc_now())
                response = handler(view, request, *args, **kwargs)
                claim.store(response.status_code, getattr(response, "kept", response.data))
                return response
        except AlreadyAnswered as answer:
            return replay(answer)

    wrapped.takes_keys = True  # type: ignore[attr-defined]  # for the OpenAPI document
    return wrapped
