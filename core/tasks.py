from celery import shared_task

from . import counters
from .clock import utc_now
from .http import idempotency


@shared_task
def forget_old_answers() -> int:
    """Sweep: delete the answers kept for Idempotency-Keys that nobody may repeat any longer."""
    return idempotency.forget_old_answers(now=utc_now())


@shared_task
def forget_old_counters() -> int:
    """Sweep: delete the counters of limits whose time is over."""
    return counters.forget_old_counters(now=utc_now())
