"""Invariants of the outbox."""

import datetime as dt
from collections.abc import Iterator

from django.db.models import Count, Exists, Max, Min, OuterRef, Q

from core.invariants import Breach, Extent, Invariant

from .models import OutboxEvent, WebhookDelivery, WebhookEndpoint
from .retention import KEPT_FOR
from .states import DeliveryStatus

# How long a due webhook may wait for its sweep.
PURSUED_WITHIN = dt.timedelta(minutes=15)


def sequences_have_no_gaps(extent: Extent) -> Iterator[Breach]:
    """An aggregate's events count 1, 2, 3 …; where old ones were deleted, from the newest of the old ones."""
    old = extent.now - KEPT_FOR
    newer = OutboxEvent.objects.filter(
        aggregate=OuterRef("aggregate"), sequence__gt=OuterRef("sequence"), occurred_at__lt=old
    )
    kept = OutboxEvent.objects.filter(Q(occurred_at__gte=old) | ~Exists(newer))
    aggregates = (
        extent.of(kept)
        .values("aggregate")
        .annotate(
            first=Min("sequence"),
            last=Max("sequence"),
            numbers=Count("sequence", distinct=True),
            rows=Count("id"),
            since=Min("occurred_at"),
        )
    )
    for found in aggregates.iterator():
        first, last, numbers, rows = (found[name] for name in ("first", "last", "numbers", "rows"))
        begins = first if found["since"] < old and first > 0 else 1
        if (first, last, numbers) != (begins, begins + rows - 1, rows):
            fact = f"{rows} events have {numbers} different numbers, from {first} to {last}"
            yield Breach(found["aggregate"], fact)


def new_events_reach_the_endpoints(extent: Extent) -> Iterator[Breach]:
    """Each event has a delivery for every endpoint that listens."""
    untold = OutboxEvent.objects.filter(
        Q(position=None) | Q(position__gt=OuterRef("position")),
        workspace=OuterRef("workspace"),
        occurred_at__gte=OuterRef("listens_since"),
        occurred_at__lt=extent.now - PURSUED_WITHIN,
    )
    behind = extent.of(WebhookEndpoint.objects.listening()).filter(Exists(untold))
    for pk, position in behind.values_list("pk", "position").iterator():
        yield Breach(f"webhook endpoint {pk}", f"was told of nothing after position {position}")


def due_webhooks_are_sent(extent: Extent) -> Iterator[Breach]:
    """Due deliveries of an endpoint that is enabled and not resting are tried."""
    long_ago = extent.now - PURSUED_WITHIN
    waiting = WebhookDelivery.objects.filter(status=DeliveryStatus.PENDING)
    earlier = waiting.filter(
        endpoint=OuterRef("endpoint"), aggregate=OuterRef("aggregate"), sequence__lt=OuterRef("sequence")
    )
    overdue = extent.of(waiting, "endpoint__workspace").filter(
        ~Exists(earlier),
        next_attempt_at__lt=long_ago,
        endpoint__disabled_at=None,
        endpoint__next_attempt_at__lt=long_ago,
    )
    for pk, endpoint in overdue.values_list("pk", "endpoint").iterator():
        yield Breach(f"webhook delivery {pk}", f"is overdue, and nobody sends it to endpoint {endpoint}")


INVARIANTS: tuple[Invariant, ...] = (
    sequences_have_no_gaps,
    new_events_reach_the_endpoints,
    due_webhooks_are_sent,
)
