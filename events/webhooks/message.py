"""A webhook's message: `{type, timestamp, data}`, and nothing about people."""

import json
from typing import Any, Final

from core.clock import utc_text

from ..event import event_types
from ..models import OutboxEvent, WebhookDelivery

PING: Final = "ping"


def message_id(delivery: WebhookDelivery) -> str:
    """Return the event's id, the same on every send, so that the receiver recognizes a repetition."""
    return delivery.event.cuid if delivery.event else delivery.cuid


def message_body(delivery: WebhookDelivery) -> str:
    """Return the JSON text that is signed and sent."""
    event = delivery.event
    told: dict[str, Any] = {
        "type": event.type if event else PING,
        "timestamp": utc_text(event.occurred_at if event else delivery.created_at),
        "data": public_data(event) if event else {"endpointId": delivery.endpoint.cuid},
    }
    return json.dumps(told, separators=(",", ":"))


def public_data(event: OutboxEvent) -> dict[str, Any]:
    """Return the payload without personal data: a receiver that may read that fetches it."""
    stated = event_types().get(event.type)
    personal = stated.personal if stated else frozenset()
    return {key: value for key, value in event.payload.items() if key not in personal}
