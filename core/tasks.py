from celery import shared_task

from . import counters
from .clock import utc_now
from .http import idempotency


@shared_task
def forget_old_answers() -> int:
    """Sweep: delete the answers stored for Idempotency-Keys that can no longer be repeated."""
    return idempotency.forget_old_answers(now=utc_now())


@shared_task
def forget_old_counters() -> int:
    """Sweep: delete expired limit counters."""
    return counters.forget_old_counters(now=utc_now())
