"""Events and their deliveries are kept for 30 days.

The newest of the old events of each aggregate stays: the next one counts on from it, and it lets the doctor see that
none was lost. An event also stays while the relay has not handed it on, or an enabled endpoint still waits for it. The
feed says what it has deleted. See docs/decisions/0088-events-are-kept-for-30-days.md.
"""

import datetime as dt
from typing import Final

import structlog
from django.db import transaction
from django.db.models import Exists, Max, OuterRef, QuerySet

from .models import EventFeed, OutboxEvent, WebhookDelivery, WebhookEndpoint
from .states import DeliveryStatus, RelayStatus

log = structlog.get_logger(__name__)

KEPT_FOR: Final = dt.timedelta(days=30)


@transaction.atomic
def forget_old_events(*, limit: int, now: dt.datetime) -> int:
    """Delete up to `limit` events that nobody needs any more, with their deliveries; return how many. Those that
    another transaction has locked are left for the next run."""
    old = now - KEPT_FOR
    newer = OutboxEvent.objects.filter(
        aggregate=OuterRef("aggregate"), sequence__gt=OuterRef("sequence"), occurred_at__lt=old
    )
    waiting = WebhookDelivery.objects.filter(
        event=OuterRef("pk"), status=DeliveryStatus.PENDING, endpoint__disabled_at=None
    )
    done = OutboxEvent.objects.filter(occurred_at__lt=old, relay_status=RelayStatus.RELAYED)
    rows = done.filter(Exists(newer)).exclude(Exists(waiting)).order_by("pk")
    workspaces = dict(rows.values_list("pk", "workspace")[:limit])
    _lock_feeds(set(workspaces.values()))
    free = rows.filter(pk__in=workspaces).select_for_update(skip_locked=True, of=("self",))
    found = _without_those_waited_for(list(free.values_list("pk", flat=True)))
    if not found:
        return 0
    gone = OutboxEvent.objects.filter(pk__in=found)
    for workspace_id, position in gone.order_by().values_list("workspace").annotate(Max("position")):
        feeds = EventFeed.objects.filter(workspace=workspace_id, forgotten_position__lt=position or 0)
        feeds.update(forgotten_position=position or 0)
    WebhookDelivery.objects.filter(event__in=found).delete()
    gone.delete()
    log.info("events_forgotten", count=len(found))
    return len(found)


def _lock_feeds(workspace_ids: set[int]) -> None:
    """Lock them before their events, as numbering does."""
    feeds = EventFeed.objects.filter(workspace__in=workspace_ids).order_by("pk")
    list(feeds.select_for_update(no_key=True).values_list("pk", flat=True))


def _without_those_waited_for(event_ids: list[int]) -> list[int]:
    """Return those of these events whose deliveries are done and free, and lock those deliveries."""
    deliveries = WebhookDelivery.objects.filter(event__in=event_ids).order_by("pk")
    done = deliveries.exclude(status=DeliveryStatus.PENDING, endpoint__disabled_at=None)
    free = list(done.select_for_update(skip_locked=True, of=("self",)).values_list("pk", flat=True))
    waited_for = set(deliveries.exclude(pk__in=free).values_list("event", flat=True))
    return [event_id for event_id in event_ids if event_id not in waited_for]


@transaction.atomic
def forget_old_deliveries(*, limit: int, now: dt.datetime) -> int:
    """Delete up to `limit` deliveries that are old and done, or belong to deleted endpoints; return how many. A deleted
    endpoint's row goes with its last delivery. Those that another transaction has locked are left for the next run."""
    done = WebhookDelivery.objects.exclude(status=DeliveryStatus.PENDING).filter(created_at__lt=now - KEPT_FOR)
    orphaned = WebhookDelivery.objects.filter(endpoint__deleted_at__isnull=False)
    found = [pk for rows in (done, orphaned) for pk in _lock_free(rows, limit // 2 or 1)]
    WebhookDelivery.objects.filter(pk__in=found).delete()
    if not found:
        left = WebhookDelivery.objects.filter(endpoint=OuterRef("pk"))
        WebhookEndpoint.objects.filter(deleted_at__isnull=False).exclude(Exists(left)).delete()
    return len(found)


def _lock_free(deliveries: QuerySet[WebhookDelivery], limit: int) -> list[int]:
    free = deliveries.order_by("pk").select_for_update(skip_locked=True, of=("self",))
    return list(free.values_list("pk", flat=True)[:limit])
