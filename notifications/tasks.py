"""Background sending: each task receives ids, calls one use case, and may run twice or be lost."""

from celery import shared_task

from core.clock import utc_now
from core.work import in_batches

from . import sending


@shared_task
def send_notification(notification_id: int) -> None:
    sending.send_notification(notification_id=notification_id, now=utc_now())


@shared_task
def send_due_notifications() -> None:
    in_batches(sending.send_due_notifications, size=10, at_most=sending.SWEEP_SENDS // 10)
