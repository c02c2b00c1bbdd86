"""Background sending: each task receives ids, calls one use case, and may run twice or be lost."""

from celery import shared_task

from core.clock import utc_now
from core.work import in_batches, nudge_sweep

from . import sending


@shared_task
def send_notification(notification_id: int) -> None:
    """Send one email. Release 0.1.0 asks for it; this one asks for the sweep."""
    sending.send_notification(notification_id=notification_id, now=utc_now())


@shared_task
def send_due_notifications() -> None:
    """Send what is due, and ask for another run if this one had to leave some of it."""
    done = in_batches(sending.send_due_notifications, size=10, at_most=sending.SWEEP_SENDS // 10)
    if done >= sending.SWEEP_SENDS:
        nudge_sweep(send_due_notifications)
