"""Hands the outbox on, at least once.

Rows are claimed by their state, never by "id greater than the last one": ids are assigned before transactions commit,
so such a cursor loses the events of every transaction slower than its neighbors. A claim is a lease committed before
the handover; a relay that dies in between leaves the rows due again, and consumers drop duplicates by id.
"""

import dataclasses
import datetime as dt
from typing import Any

import structlog
from django.db import transaction
from django.db.models import Count, QuerySet

from core import retries
from core.errors import DomainError, NotFound
from core.text import fit

from .gateways import event_stream
from .gateways.port import EventStream, RelayedEvent, StreamUnavailable
from .models import OutboxEvent
from .states import RelayStatus

log = structlog.get_logger(__name__)

RETRY = retries.Retry(first_pause_seconds=2.0, longest_pause_seconds=900.0, lease=dt.timedelta(seconds=60), attempts=12)
# While the stream is down, nothing is wrong with the events: they wait a little and are never given up.
OUTAGE = dataclasses.replace(RETRY, first_pause_seconds=15.0, longest_pause_seconds=15.0)


class EventNotDead(DomainError):
    code = "event_not_dead"
    title = "Only a dead event can be replayed"


def relay_due_events(*, limit: int = 500, stream: EventStream | None = None, now: dt.datetime) -> int:
    """Hand on up to `limit` events that are due, oldest first; return how many the stream accepted.

    Refused ones are tried twelve times with growing pauses, then given up as `dead`, where staff see them. Raises
    StreamUnavailable when the stream does not answer; the events then stay pending.
    """
    waiting = OutboxEvent.objects.filter(relay_status=RelayStatus.PENDING).select_related("workspace")
    claimed = retries.claim_batch(waiting, now=now, lease=RETRY.lease, limit=limit)
    if not claimed:
        return 0
    try:
        refusals = (stream or event_stream()).append([_relayed_event(row) for row in claimed])
    except StreamUnavailable as outage:
        _postpone_all(claimed, now, outage.detail)
        log.warning("event_stream_unavailable", waiting=len(claimed), error=outage.detail)
        raise
    refused = {row.pk: refusal for row, refusal in zip(claimed, refusals, strict=True) if refusal}
    taken = [row.pk for row in claimed if row.pk not in refused]
    _change(OutboxEvent.objects.filter(pk__in=taken), relay_status=RelayStatus.RELAYED, relayed_at=now, last_error="")
    for row in claimed:
        if row.pk in refused:
            _put_off(row, refused[row.pk], now)
    return len(taken)


def due_events_by_type(*, now: dt.datetime) -> dict[str, int]:
    """Return what a relay would hand on now: how many events of each type."""
    due = retries.due(OutboxEvent.objects.filter(relay_status=RelayStatus.PENDING), now=now)
    return dict(due.order_by("type").values_list("type").annotate(Count("pk")))


def replay_event(*, event_id: int, now: dt.datetime) -> OutboxEvent:
    """Let a dead event be relayed again, with all its attempts. Raises NotFound and EventNotDead."""
    revived = _revive(OutboxEvent.objects.filter(pk=event_id), now)
    event = OutboxEvent.objects.filter(pk=event_id).first()
    if event is None:
        raise NotFound("There is no such event.")
    if not revived:
        raise EventNotDead(f"Event {event_id} is {event.relay_status}.")
    return event


def replay_dead_events(*, now: dt.datetime) -> int:
    """Let every dead event be relayed again; return how many there were."""
    return _revive(OutboxEvent.objects.all(), now)


def _revive(events: QuerySet[OutboxEvent], now: dt.datetime) -> int:
    dead = events.filter(relay_status=RelayStatus.DEAD)
    return _change(dead, relay_status=RelayStatus.PENDING, attempts=0, next_attempt_at=now)


def _relayed_event(row: OutboxEvent) -> RelayedEvent:
    return RelayedEvent(
        id=row.cuid,
        type=row.type,
        aggregate=row.aggregate,
        sequence=row.sequence,
        workspace=row.workspace.slug,
        occurred_at=row.occurred_at,
        payload=row.payload,
    )


def _postpone_all(rows: list[OutboxEvent], now: dt.datetime, error: str) -> None:
    waiting = OutboxEvent.objects.filter(pk__in=[row.pk for row in rows], relay_status=RelayStatus.PENDING)
    pause_ends_at = OUTAGE.next_attempt_at(attempts=1, now=now)
    _change(waiting, next_attempt_at=pause_ends_at, last_error=fit(OutboxEvent, "last_error", error))


@transaction.atomic
def _change(events: QuerySet[OutboxEvent], **changes: Any) -> int:
    """Change these events, locked in the order in which the feed locks them to number them; return how many."""
    keys = list(events.order_by("pk").select_for_update(no_key=True).values_list("pk", flat=True))
    return OutboxEvent.objects.filter(pk__among=keys).update(**changes)


def _put_off(row: OutboxEvent, refusal: str, now: dt.datetime) -> None:
    attempts = row.attempts + 1
    dead = RETRY.is_used_up(attempts)
    recorded = retries.record_failure(
        OutboxEvent.objects.filter(pk=row.pk, relay_status=RelayStatus.PENDING),
        retry=RETRY,
        attempts=attempts,
        error=refusal,
        now=now,
        relay_status=RelayStatus.DEAD if dead else RelayStatus.PENDING,
    )
    if recorded and dead:
        log.error("event_dead", id=row.cuid, type=row.type, aggregate=row.aggregate, attempts=attempts)
