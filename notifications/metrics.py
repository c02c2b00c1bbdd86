"""Metrics about mails."""

from core.metrics import Work

from .models import Notification
from .states import NotificationStatus

WORK = (
    Work(
        "emails",
        lambda now: Notification.objects.filter(status=NotificationStatus.PENDING),
        lambda: Notification.objects.filter(status=NotificationStatus.DEAD),
    ),
)
