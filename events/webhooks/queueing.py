"""Makes deliveries due: those of new events, from the feed; repeated ones, one or all failed; and replayed ranges.

A delivery is a row, one for each endpoint and event, so a repeated request sends it at most once more.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Final

import structlog
from celery import signature
from django.db import transaction
from django.db.models import Prefetch, Q, QuerySet

from core.errors import invalid_field
from core.ids import new_cuid
from core.work import nudge

from ..feed import number_new_events
from ..models import OutboxEvent, WebhookAttempt, WebhookDelivery, WebhookEndpoint
from ..states import DeliveryStatus
from .choosing import check_types, of_types
from .endpoints import LEASE, lock_endpoint
from .errors import DeliveryNotFound, EndpointDisabled

log = structlog.get_logger(__name__)

GIVEN_UP_AFTER: Final = dt.timedelta(days=3)
BATCH = 1_000
REPLAYED_AT_ONCE = 10_000


# --- New events -------------------------------------------------------------------------------------------------------


def fan_out(*, limit: int = BATCH, now: dt.datetime) -> int:
    """Create the deliveries of up to `limit` new positions for each endpoint that has not received them. Return how
    many positions were processed: while there are any, there may be more."""
    done = 0
    listening = WebhookEndpoint.objects.listening()
    for workspace_id in list(listening.order_by("workspace").values_list("workspace", flat=True).distinct()):
        last = number_new_events(workspace_id)
        behind = listening.filter(workspace=workspace_id, position__lt=last).order_by("pk")
        for endpoint_id in list(behind.values_list("pk", flat=True)):
            done += _fan_out_to(endpoint_id, last, limit, now)
    return done


@transaction.atomic
def _fan_out_to(endpoint_id: int, last: int, limit: int, now: dt.datetime) -> int:
    """Commit the deliveries and the endpoint's position together, under the endpoint's lock."""
    rows = WebhookEndpoint.objects.listening().select_for_update(skip_locked=True)
    endpoint = rows.filter(pk=endpoint_id, position__lt=last).first()
    if endpoint is None:
        return 0
    reach = min(last, endpoint.position + limit)
    events = OutboxEvent.objects.filter(
        of_types(endpoint.event_types),
        workspace=endpoint.workspace_id,
        position__gt=endpoint.position,
        position__lte=reach,
        occurred_at__gte=endpoint.listens_since,
    )
    _insert(endpoint.pk, events, now)
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(position=reach)
    return reach - endpoint.position


def _insert(endpoint_id: int, events: QuerySet[OutboxEvent], now: dt.datetime) -> None:
    found = events.order_by("position", "pk").values_list("pk", "aggregate", "sequence")
    WebhookDelivery.objects.bulk_create(
        [
            WebhookDelivery(
                cuid=new_cuid(),
                endpoint_id=endpoint_id,
                event_id=event_id,
                aggregate=aggregate,
                sequence=sequence,
                next_attempt_at=now,
                give_up_at=now + GIVEN_UP_AFTER,
                created_at=now,
            )
            for event_id, aggregate, sequence in found
        ],
        ignore_conflicts=True,
        batch_size=500,
    )


# --- Repeated deliveries ----------------------------------------------------------------------------------------------


def list_deliveries(*, endpoint_id: int, status: str | None = None) -> QuerySet[WebhookDelivery]:
    """Return an endpoint's deliveries, newest first, each with its event and its tries."""
    rows = WebhookDelivery.objects.filter(endpoint=endpoint_id, **({"status": status} if status else {}))
    return _with_tries(rows).order_by("-pk")


def get_delivery(*, workspace_id: int, cuid: str) -> WebhookDelivery:
    """Return the delivery. Raises DeliveryNotFound."""
    rows = WebhookDelivery.objects.filter(endpoint__workspace=workspace_id, endpoint__deleted_at=None, cuid=cuid)
    delivery = _with_tries(rows).first()
    if delivery is None:
        raise DeliveryNotFound
    return delivery


def _with_tries(rows: QuerySet[WebhookDelivery]) -> QuerySet[WebhookDelivery]:
    tries = Prefetch("tries", WebhookAttempt.objects.order_by("pk"))
    return rows.select_related("event").prefetch_related(tries)


@transaction.atomic
def ping(*, endpoint_id: int, now: dt.datetime) -> WebhookDelivery:
    """Send a test message to see whether it arrives. Raises EndpointNotFound, EndpointDisabled."""
    endpoint = _enabled(endpoint_id)
    made = WebhookDelivery.objects.create(
        endpoint=endpoint,
        aggregate=f"ping:{new_cuid()}",
        sequence=0,
        next_attempt_at=now,
        give_up_at=now,  # a ping asks how things are now
        created_at=now,
    )
    _ring(endpoint, now)
    return made


@transaction.atomic
def redeliver(*, delivery_id: int, now: dt.datetime) -> WebhookDelivery:
    """Send a delivery again with all its tries; if pending, now. Raises DeliveryNotFound, EndpointDisabled."""
    delivery = WebhookDelivery.objects.filter(pk=delivery_id).first()
    if delivery is None:
        raise DeliveryNotFound
    endpoint = _enabled(delivery.endpoint_id)
    if not _make_due(WebhookDelivery.objects.filter(pk=delivery_id), now):
        raise DeliveryNotFound  # a sweep has forgotten it meanwhile
    _ring(endpoint, now)
    delivery.refresh_from_db()
    return delivery


def is_given_up(path: str = "") -> Q:
    """Return what `redeliver_failed` sends again, of the deliveries at the end of `path`. Pings are left out, since a
    ping matters only in its moment.
    """
    return Q(**{f"{path}status": DeliveryStatus.FAILED, f"{path}event__isnull": False})


@transaction.atomic
def redeliver_failed(*, endpoint_id: int, now: dt.datetime) -> int:
    """Send all given-up deliveries once more; return how many. Raises EndpointNotFound, EndpointDisabled."""
    endpoint = _enabled(endpoint_id)
    failed = WebhookDelivery.objects.filter(is_given_up(), endpoint=endpoint)
    count = _make_due(failed, now)
    _ring(endpoint, now)
    log.info("webhooks_redelivered", endpoint=endpoint.pk, count=count)
    return count


@transaction.atomic
def replay(
    *,
    endpoint_id: int,
    since: dt.datetime,
    until: dt.datetime,
    types: Sequence[str] = (),
    dry_run: bool = False,
    now: dt.datetime,
) -> int:
    """Send what happened from `since` to before `until`, of the types the endpoint listens to (or of those `types`),
    whether it was sent before or not; return how many. With `dry_run`, only count. Raises EndpointNotFound,
    EndpointDisabled, Invalid."""
    if since >= until:
        raise invalid_field("until", "before_since", "Give a time after since.")
    endpoint = _enabled(endpoint_id)
    events = OutboxEvent.objects.filter(
        of_types(check_types(types) if types else endpoint.event_types),
        workspace=endpoint.workspace_id,
        occurred_at__gte=since,
        occurred_at__lt=until,
    )
    found = events if dry_run else _held(events)
    event_ids = list(found.order_by("pk").values_list("pk", flat=True)[: REPLAYED_AT_ONCE + 1])
    if len(event_ids) > REPLAYED_AT_ONCE:
        raise invalid_field(
            "since", "too_many", f"There are more than {REPLAYED_AT_ONCE:,} events in this range. Replay parts of it."
        )
    if dry_run:
        return len(event_ids)
    for first in range(0, len(event_ids), BATCH):
        part = event_ids[first : first + BATCH]
        _insert(endpoint.pk, OutboxEvent.objects.filter(pk__in=part), now)
        _make_due(WebhookDelivery.objects.filter(endpoint=endpoint, event__in=part), now)
    _ring(endpoint, now)
    log.info("webhooks_replayed", endpoint=endpoint.pk, count=len(event_ids))
    return len(event_ids)


def _held(events: QuerySet[OutboxEvent]) -> QuerySet[OutboxEvent]:
    """Lock these events, so that no sweep forgets them before their deliveries are committed."""
    return events.select_for_update(no_key=True)


def _make_due(deliveries: QuerySet[WebhookDelivery], now: dt.datetime) -> int:
    return deliveries.update(
        status=DeliveryStatus.PENDING,
        attempts=0,
        next_attempt_at=now,
        give_up_at=now + GIVEN_UP_AFTER,
        is_after_gap=False,
        delivered_at=None,
    )


def _enabled(endpoint_id: int) -> WebhookEndpoint:
    """Return the endpoint, locked. Raises EndpointNotFound, EndpointDisabled."""
    endpoint = lock_endpoint(endpoint_id)
    if not endpoint.is_enabled:
        raise EndpointDisabled
    return endpoint


def _ring(endpoint: WebhookEndpoint, now: dt.datetime) -> None:
    """End the endpoint's rest: a request to send again means that its receiver is believed to be up."""
    resting = WebhookEndpoint.objects.filter(pk=endpoint.pk, next_attempt_at__gt=now + LEASE)
    resting.update(next_attempt_at=now)
    nudge(signature("events.tasks.deliver_webhooks"))
