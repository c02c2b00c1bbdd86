"""What integrators were told about an object."""

from backoffice.display import admin_url, badge
from backoffice.stories import Happening

from ..models import WebhookDelivery


def tell_delivery(row: WebhookDelivery) -> Happening:
    event = row.event
    return Happening(
        title=f"Webhook: {event.type if event else 'ping'}",
        icon="send",
        badge=badge(row.status, row.get_status_display()),
        note=row.last_error,
        url=admin_url(row),
    )
