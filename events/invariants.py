"""What always holds in the outbox."""

from collections.abc import Iterator

from django.db.models import Count, Max, Min

from core.invariants import Breach, Extent, Invariant

from .models import OutboxEvent


def sequences_have_no_gaps(extent: Extent) -> Iterator[Breach]:
    """The events of an aggregate count 1, 2, 3 …"""
    aggregates = (
        extent.of(OutboxEvent.objects.all())
        .values("aggregate")
        .annotate(
            first=Min("sequence"), last=Max("sequence"), numbers=Count("sequence", distinct=True), rows=Count("id")
        )
    )
    for found in aggregates.iterator():
        first, last, numbers, rows = (found[name] for name in ("first", "last", "numbers", "rows"))
        if (first, last, numbers) != (1, rows, rows):
            fact = f"{rows} events have {numbers} different numbers, from {first} to {last}"
            yield Breach(found["aggregate"], fact)


INVARIANTS: tuple[Invariant, ...] = (sequences_have_no_gaps,)
