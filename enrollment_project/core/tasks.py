from celery import shared_task

from . import idempotency


@shared_task
def forget_old_answers() -> int:
    """Sweep: delete the answers kept for Idempotency-Keys that nobody may repeat any more."""
    return idempotency.forget_old_answers()
