"""Sending in the background: each task takes ids, calls one use case and may run twice or be lost."""

from celery import shared_task

from . import sending


@shared_task
def send_notification(notification_id: int) -> None:
    sending.send_notification(notification_id=notification_id)


@shared_task
def send_due_notifications() -> None:
    sending.send_due_notifications()
