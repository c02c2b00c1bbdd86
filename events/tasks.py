import datetime as dt

from celery import shared_task

from core.clock import utc_now
from core.work import in_batches

from .gateways.port import StreamUnavailable
from .relay import relay_due_events
from .retention import forget_old_deliveries
from .retention import forget_old_events as forget
from .webhooks.queueing import fan_out
from .webhooks.sending import start_sending

BATCH = 500
BATCHES = 20


@shared_task
def relay_events() -> int:
    """Sweep: hand on due events, a bounded number of batches at a time; the next run continues where this one stops."""
    return in_batches(_relay, size=BATCH, at_most=BATCHES)


def _relay(*, limit: int, now: dt.datetime) -> int:
    try:
        return relay_due_events(limit=limit, now=now)
    except StreamUnavailable:
        return 0  # logged by the relay; the events wait for a later run


@shared_task
def deliver_webhooks() -> int:
    """Sweep: create the deliveries of new events, and make senders send what is due."""
    for _ in range(BATCHES):
        if not fan_out(now=utc_now()):
            break
    return start_sending()


@shared_task
def forget_old_events() -> int:
    """Sweep: delete expired events and deliveries, a bounded number of batches at a time."""
    return in_batches(forget, size=BATCH, at_most=BATCHES) + in_batches(
        forget_old_deliveries, size=BATCH, at_most=BATCHES
    )
