"""Metrics about events on their way out."""

from core.metrics import Figure, Work, count_by

from .models import OutboxEvent, WebhookDelivery, WebhookEndpoint
from .states import DeliveryStatus, RelayStatus

WORK = (
    Work(
        "outbox",
        lambda now: OutboxEvent.objects.filter(relay_status=RelayStatus.PENDING),
        lambda: OutboxEvent.objects.filter(relay_status=RelayStatus.DEAD),
        since="occurred_at",
    ),
    Work(
        "webhook_deliveries",
        lambda now: WebhookDelivery.objects.filter(status=DeliveryStatus.PENDING),
        lambda: WebhookDelivery.objects.filter(status=DeliveryStatus.FAILED),
    ),
)
FIGURES = (
    Figure(
        "webhook_endpoints_disabled",
        "Endpoints that get no webhooks, by why.",
        ("reason",),
        lambda now: count_by(WebhookEndpoint.objects.kept().exclude(disabled_at=None), "disabled_reason"),
    ),
)
