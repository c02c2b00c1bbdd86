"""Events and their deliveries are kept for 30 days.

The newest of the old events of each aggregate stays: the next one counts on from it, and it lets the doctor see that
none was lost. An event also stays while the relay has not handed it on, or an enabled endpoint still waits for it. The
feed says what it has deleted. See docs/decisions/0088-events-are-kept-for-30-days.md.
"""

import datetime as dt
from typing import Final

import structlog
from django.db import transaction
from django.db.models import Exists, Max, OuterRef

from .models import EventFeed, OutboxEvent, WebhookDelivery, WebhookEndpoint
from .states import DeliveryStatus, RelayStatus

log = structlog.get_logger(__name__)

KEPT_FOR: Final = dt.timedelta(days=30)


@transaction.atomic
def forget_old_events(*, limit: int, now: dt.datetime) -> int:
    """Delete up to `limit` events that nobody needs any more, with their deliveries; return how many."""
    old = now - KEPT_FOR
    newer = OutboxEvent.objects.filter(
        aggregate=OuterRef("aggregate"), sequence__gt=OuterRef("sequence"), occurred_at__lt=old
    )
    waiting = WebhookDelivery.objects.filter(
        event=OuterRef("pk"), status=DeliveryStatus.PENDING, endpoint__disabled_at=None
    )
    done = OutboxEvent.objects.filter(occurred_at__lt=old, relay_status=RelayStatus.RELAYED)
    rows = done.filter(Exists(newer)).exclude(Exists(waiting)).order_by("pk")
    found = list(rows.select_for_update(skip_locked=True, of=("self",)).values_list("pk", flat=True)[:limit])
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


@transaction.atomic
def forget_old_deliveries(*, limit: int, now: dt.datetime) -> int:
    """Delete up to `limit` deliveries that are old and done, or belong to deleted endpoints; return how many. A deleted
    endpoint's row goes with its last delivery."""
    done = WebhookDelivery.objects.exclude(status=DeliveryStatus.PENDING).filter(created_at__lt=now - KEPT_FOR)
    orphaned = WebhookDelivery.objects.filter(endpoint__deleted_at__isnull=False)
    found = [
        pk for rows in (done, orphaned) for pk in rows.order_by("pk").values_list("pk", flat=True)[: limit // 2 or 1]
    ]
    WebhookDelivery.objects.filter(pk__in=found).delete()
    if not found:
        left = WebhookDelivery.objects.filter(endpoint=OuterRef("pk"))
        WebhookEndpoint.objects.filter(deleted_at__isnull=False).exclude(Exists(left)).delete()
    return len(found)
