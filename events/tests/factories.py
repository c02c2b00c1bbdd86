"""Events for tests: a fact with no app behind it, published the way every fact is."""

import datetime as dt
from dataclasses import dataclass, field
from typing import Any, ClassVar

from django.db import transaction

from accounts.models import Workspace
from core.clock import utc_now
from events.event import DomainEvent
from events.models import OutboxEvent
from events.publishing import publish


@dataclass(frozen=True, slots=True, kw_only=True)
class ThingHappened(DomainEvent):
    occurred_at: dt.datetime = field(default_factory=utc_now)
    thing: str = "1"
    body: dict[str, Any] = field(default_factory=dict)

    type: ClassVar[str] = "thing.happened"

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
    """Publish ThingHappened, each in a transaction of its own; the ids of the outbox rows."""
    for _ in range(times):
        with transaction.atomic():
            publish(ThingHappened(workspace_id=workspace.pk, thing=thing, body=body or {}))
    return list(OutboxEvent.objects.order_by("id").values_list("pk", flat=True))
