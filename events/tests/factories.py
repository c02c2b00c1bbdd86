"""Events for tests: a fact with no app behind it, published the way every fact is."""

import datetime as dt
from dataclasses import dataclass, field
from typing import Any, ClassVar

from django.db import transaction

from accounts.models import Workspace
from core.clock import utc_now
from events.event import DomainEvent
from events.models import OutboxEvent, WebhookDelivery, WebhookEndpoint
from events.publishing import publish
from events.webhooks.endpoints import create_endpoint
from events.webhooks.queueing import fan_out


@dataclass(frozen=True, slots=True, kw_only=True)
class ThingHappened(DomainEvent):
    occurred_at: dt.datetime = field(default_factory=utc_now)
    thing: str = "1"
    body: dict[str, Any] = field(default_factory=dict)

    type: ClassVar[str] = "thing.happened"
    personal: ClassVar[frozenset[str]] = frozenset({"email"})

    @property
    def aggregate(self) -> str:
        return f"thing:{self.thing}"

    def payload(self) -> dict[str, Any]:
        return self.body


@dataclass(frozen=True, slots=True, kw_only=True)
class ThingMade(ThingHappened):
    type: ClassVar[str] = "thing.made"
    starts_aggregate: ClassVar[bool] = True


def happen(*, workspace: Workspace, times: int = 1, thing: str = "1", body: dict[str, Any] | None = None) -> list[int]:
    """Publish ThingHappened, each in its own transaction; return the ids of the outbox rows."""
    for _ in range(times):
        with transaction.atomic():
            publish(ThingHappened(workspace_id=workspace.pk, thing=thing, body=body or {}))
    return list(OutboxEvent.objects.order_by("id").values_list("pk", flat=True))


def listen(workspace: Workspace, *, now: dt.datetime, url: str = "", **fields: Any) -> WebhookEndpoint:
    """Return an endpoint that receives everything that happens from `now` on."""
    fields.setdefault("event_types", ["*"])
    url = url or "https://receiver.example.test/hooks"
    return create_endpoint(workspace_id=workspace.pk, url=url, now=now, **fields)


def tell(workspace: Workspace, *things: str, now: dt.datetime, **body: Any) -> list[WebhookDelivery]:
    """Publish ThingHappened for each of these, and create its deliveries; return the new ones, in order."""
    known = list(WebhookDelivery.objects.order_by("pk").values_list("pk", flat=True))
    for thing in things:
        with transaction.atomic():
            publish(ThingHappened(workspace_id=workspace.pk, occurred_at=now, thing=thing, body=body))
    fan_out(now=now)
    return list(WebhookDelivery.objects.exclude(pk__in=known).order_by("pk"))
