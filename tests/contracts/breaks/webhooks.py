"""Breaches of the webhook invariants, and near misses."""

import datetime as dt

from core.clock import utc_now
from events.models import OutboxEvent, WebhookDelivery, WebhookEndpoint
from events.states import DisabledReason
from events.tests.factories import listen
from events.webhooks.endpoints import disable_endpoint
from events.webhooks.queueing import fan_out, ping

from .world import World, breaks, spares

HOUR = dt.timedelta(hours=1)


@breaks("events.new_events_reach_the_endpoints")
def an_event_that_no_sweep_told(world: World) -> str:
    return f"webhook endpoint {_with_an_old_event(world).pk}"


@spares("events.new_events_reach_the_endpoints")
def an_event_that_was_told(world: World) -> None:
    _with_an_old_event(world)
    while fan_out(now=utc_now()):
        pass


@breaks("events.due_webhooks_are_sent")
def a_delivery_that_nobody_sends(world: World) -> str:
    return f"webhook delivery {_overdue(world).pk}"


@spares("events.due_webhooks_are_sent")
def a_delivery_to_an_endpoint_that_is_off(world: World) -> None:
    delivery = _overdue(world)
    disable_endpoint(endpoint_id=delivery.endpoint_id, reason=DisabledReason.BY_HAND, now=utc_now())


def _with_an_old_event(world: World) -> WebhookEndpoint:
    endpoint = listen(world.cohort.instance.workspace, now=utc_now() - 2 * HOUR)
    event = OutboxEvent.objects.filter(workspace=endpoint.workspace).order_by("pk")[0]
    OutboxEvent.objects.filter(pk=event.pk).update(occurred_at=utc_now() - HOUR)
    return endpoint


def _overdue(world: World) -> WebhookDelivery:
    now = utc_now()
    delivery = ping(endpoint_id=listen(world.cohort.instance.workspace, now=now).pk, now=now)
    WebhookDelivery.objects.update(next_attempt_at=now - HOUR)
    WebhookEndpoint.objects.update(next_attempt_at=now - HOUR)
    return delivery
