"""What always holds in the outbox."""

from collections.abc import Iterator

from django.db.models import Count, Max, Min

from core.invariants import Breach, Extent, Invariant

from .models import OutboxEvent


def sequences_have_no_gaps(extent: Extent) -> Iterator[Breach]:
    """The events of an aggregate count 1, 2, 3 …"""
    aggregates = (
        extent.of(OutboxEvent.objects.order_by())
        .values("aggregate")
        .annotate(first=Min("sequence"), last=Max("sequence"), count=Count("sequence", distinct=True), rows=Count("id"))
    )
    for found in aggregates.iterator():
        if (found["first"], found["last"], found["rows"]) != (1, found["count"], found["count"]):
            yield Breach(
                found["aggregate"], f"{found['rows']} events are numbered from {found['first']} to {found['last']}"
            )


INVARIANTS: tuple[Invariant, ...] = (sequences_have_no_gaps,)
