"""Integrators that receive events: one that accepts everything, one that is down, and one that has gone.

The sandbox plays their programs (`/receivers/<slug>`). Nothing is sent while the demo loads; afterwards the worker
sends the events of the last few days.
"""

import datetime as dt
from typing import Final

from django.conf import settings

from accounts.models import Workspace
from events.models import WebhookEndpoint
from events.webhooks.endpoints import create_endpoint
from events.webhooks.queueing import ping, replay

REPLAYED = dt.timedelta(days=3)
# By the last part of the address: what it is, which events it receives, and how it answers.
RECEIVERS: Final = {
    "data-warehouse": ("Data warehouse, for the yearly report", ("enrollment.*", "seat.*"), "accepts"),
    "crm": ("Customer relations", ("enrollment.*",), "down"),
    "old-portal": ("The portal of last year", ("*",), "gone"),
}


def add_endpoints(workspace: Workspace, *, now: dt.datetime) -> None:
    """Add the endpoints; each is tested with a ping, and the last few days are replayed for it."""
    for slug, (description, event_types, _mode) in RECEIVERS.items():
        endpoint = create_endpoint(
            workspace_id=workspace.pk,
            url=f"{settings.SANDBOX_URL}/receivers/{slug}/events",
            event_types=event_types,
            description=description,
            now=now,
        )
        ping(endpoint_id=endpoint.pk, now=now)
        replay(endpoint_id=endpoint.pk, since=now - REPLAYED, until=now, now=now)


def receivers_of(workspace: Workspace) -> dict[str, dict[str, str]]:
    """Return what the sandbox has to know about each receiver: the secret, and how it answers."""
    endpoints = WebhookEndpoint.objects.filter(workspace=workspace).order_by("pk")
    slugs = {endpoint.url.rstrip("/").split("/")[-2]: endpoint for endpoint in endpoints}
    return {
        slug: {"secret": endpoint.secret, "mode": RECEIVERS[slug][2]}
        for slug, endpoint in slugs.items()
        if slug in RECEIVERS
    }
