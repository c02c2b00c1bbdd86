from celery import shared_task

from core.clock import utc_now

from .gateways.port import StreamUnavailable
from .relay import relay_due_events

BATCH = 500
BATCHES = 20


@shared_task
def relay_events() -> int:
    """Sweep: hand on what is due, a bounded number of batches at a time; the next run continues where this one
    stops."""
    relayed = 0
    for _ in range(BATCHES):
        try:
            batch = relay_due_events(limit=BATCH, now=utc_now())
        except StreamUnavailable:
            break  # noted by the relay; the events wait for a later run
        relayed += batch
        if batch < BATCH:
            break
    return relayed
