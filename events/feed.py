"""A workspace's events in one order that never changes, for clients that pull them.

Ids are assigned before transactions commit, so a reader that continues after the highest id it has seen misses whatever
commits later with a lower one. Events are therefore numbered on request: all events that are committed by then and have
no position get the next ones, in id order, under a lock on the workspace's feed. Events that commit later come later,
and the order within an aggregate never changes. A workspace that never reads its feed pays nothing. See
docs/decisions/0066.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection, transaction

from core.errors import DomainError

from .models import EventFeed, OutboxEvent

# How many events are numbered per request, and how many positions are searched for those of a type.
BATCH = 1_000
LOOKED_THROUGH = 10_000
_NUMBER = """
    UPDATE events_outboxevent SET position = %s + numbered.place
    FROM (
        SELECT id AS event_id, row_number() OVER (ORDER BY id) AS place FROM events_outboxevent
        WHERE workspace_id = %s AND position IS NULL AND id <= %s
    ) AS numbered
    WHERE events_outboxevent.id = numbered.event_id
"""


class EventsForgotten(DomainError):
    status = 410
    code = "events_forgotten"
    title = "Some events after this position are older than 30 days and no longer kept"


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Events in order, and the position up to which all have been returned."""

    events: Sequence[OutboxEvent]
    next: int


def read_feed(*, workspace_id: int, after: int, limit: int, types: Sequence[str] = ()) -> FeedPage:
    """Return up to `limit` events of the workspace after a position, of these types if any are named.

    No event will ever appear at or before `next`, however transactions commit. Raises EventsForgotten for a reader who
    was away for so long that some are gone; 0 starts with the oldest one kept.
    """
    last = number_new_events(workspace_id)
    forgotten = EventFeed.objects.values_list("forgotten_position", flat=True).get(workspace=workspace_id)
    if 0 < after < forgotten:
        raise EventsForgotten("Read the present state from the API, then begin again with after=0.")
    begins = after or _before_the_first(workspace_id)
    reach = min(last, begins + LOOKED_THROUGH)
    rows = OutboxEvent.objects.filter(workspace=workspace_id, position__gt=after, position__lte=reach)
    if types:
        rows = rows.filter(type__in=types)
    found = list(rows.order_by("position")[:limit])
    told = found[-1].position if len(found) == limit else max(after, reach)
    return FeedPage(found, told or after)


def _before_the_first(workspace_id: int) -> int:
    """Return the last position before the oldest event kept."""
    rows = OutboxEvent.objects.filter(workspace=workspace_id, position__isnull=False).order_by("position")
    first = rows.values_list("position", flat=True).first()
    return first - 1 if first else 0


@transaction.atomic
def number_new_events(workspace_id: int) -> int:
    """Assign positions to events that have none; return the last one assigned. Concurrent callers wait, and then see
    what the other one has numbered."""
    fresh = OutboxEvent.objects.filter(workspace=workspace_id, position__isnull=True).order_by("pk")
    feed, _ = EventFeed.objects.get_or_create(workspace_id=workspace_id)
    if not fresh.exists():
        return feed.last_position
    feed = EventFeed.objects.select_for_update().get(pk=feed.pk)
    # In the order in which the relay also locks them.
    found = list(fresh.select_for_update(no_key=True).values_list("pk", flat=True)[:BATCH])
    if found:
        with connection.cursor() as cursor:
            cursor.execute(_NUMBER, [feed.last_position, workspace_id, found[-1]])
            feed.last_position += cursor.rowcount
        feed.save(update_fields=["last_position"])
    return feed.last_position
