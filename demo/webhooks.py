"""Integrators who are told of events: one that takes everything, one that is down, and one that has gone.

The sandbox has their programs (`/receivers/<slug>`). Nothing is sent while the demo loads: the worker does it
afterwards, of what happened in the last days.
"""

import datetime as dt
from typing import Final

from django.conf import settings

from accounts.models import Workspace
from events.models import WebhookEndpoint
from events.webhooks.endpoints import create_endpoint
from events.webhooks.queueing import ping, replay

REPLAYED = dt.timedelta(days=3)
# By the last part of the address: what it is, which events it takes, and how it answers.
RECEIVERS: Final = {
    "data-warehouse": ("Data warehouse, for the yearly report", ("enrollment.*", "seat.*"), "accepts"),
    "crm": ("Customer relations", ("enrollment.*",), "down"),
    "old-portal": ("The portal of last year", ("*",), "gone"),
}


def add_endpoints(workspace: Workspace, *, now: dt.datetime) -> None:
    """Each is asked by a ping, and has the last days replayed."""
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
    """What the sandbox has to know of each: the secret, and how it answers."""
    endpoints = WebhookEndpoint.objects.filter(workspace=workspace).order_by("pk")
    slugs = {endpoint.url.rstrip("/").split("/")[-2]: endpoint for endpoint in endpoints}
    return {
        slug: {"secret": endpoint.secret, "mode": RECEIVERS[slug][2]}
        for slug, endpoint in slugs.items()
        if slug in RECEIVERS
    }
