"""Events are kept for 30 days, and older ones as long as they are needed."""

import datetime as dt
from typing import Any

import pytest
from django.db import transaction

from accounts.models import Workspace
from accounts.tests.factories import WorkspaceFactory, bearer
from core.invariants import Extent
from events.feed import read_feed
from events.invariants import INVARIANTS
from events.models import OutboxEvent, WebhookDelivery, WebhookEndpoint
from events.publishing import publish
from events.retention import KEPT_FOR, forget_old_deliveries, forget_old_events
from events.states import DeliveryStatus, DisabledReason, RelayStatus
from events.webhooks.endpoints import delete_endpoint, disable_endpoint

from .factories import ThingHappened, listen, tell
from .receiving import NOON, SECOND

pytestmark = pytest.mark.django_db

LATER = NOON + KEPT_FOR + SECOND


@pytest.fixture
def workspace() -> Workspace:
    made: Workspace = WorkspaceFactory()
    return made


def happened(workspace: Workspace, *things: str, at: dt.datetime = NOON) -> None:
    for thing in things:
        with transaction.atomic():
            publish(ThingHappened(workspace_id=workspace.pk, occurred_at=at, thing=thing))
    OutboxEvent.objects.update(relay_status=RelayStatus.RELAYED)


def kept() -> list[str]:
    rows = OutboxEvent.objects.order_by("pk").values_list("aggregate", "sequence")
    return [f"{aggregate.removeprefix('thing:')}{sequence}" for aggregate, sequence in rows]


class TestOldEvents:
    def test_go_but_for_the_newest_of_each_aggregate(self, workspace: Workspace) -> None:
        happened(workspace, "a", "a", "b", "a")
        happened(workspace, "a", "c", "c", at=NOON + 2 * SECOND)

        forgotten = forget_old_events(limit=10, now=LATER)

        assert forgotten == 2
        assert kept() == ["b1", "a3", "a4", "c1", "c2"]
        assert [list(invariant(Extent(now=LATER))) for invariant in INVARIANTS] == [[], [], []]

    def test_whose_newest_is_gone_as_well_are_a_breach(self, workspace: Workspace) -> None:
        """Negative control: the doctor still reports what is missing."""
        happened(workspace, "a", "a", "a")
        happened(workspace, "a", "a", at=NOON + 2 * SECOND)
        forget_old_events(limit=10, now=LATER)
        OutboxEvent.objects.filter(sequence__in=(3, 4)).delete()

        assert [breach.row for breach in INVARIANTS[0](Extent(now=LATER))] == ["thing:a"]

    def test_go_a_few_at_a_time(self, workspace: Workspace) -> None:
        happened(workspace, *"aaaa")

        assert [forget_old_events(limit=2, now=LATER) for _ in range(3)] == [2, 1, 0]

    def test_stay_while_the_relay_has_not_handed_them_on(self, workspace: Workspace) -> None:
        happened(workspace, "a", "a")
        OutboxEvent.objects.update(relay_status=RelayStatus.DEAD)

        assert forget_old_events(limit=9, now=LATER) == 0

    @pytest.mark.sqlite
    def test_stay_while_an_endpoint_that_is_on_waits_for_them(self, workspace: Workspace) -> None:
        endpoint = listen(workspace, now=NOON)
        tell(workspace, "a", "a", now=NOON)
        OutboxEvent.objects.update(relay_status=RelayStatus.RELAYED)

        waited = forget_old_events(limit=9, now=LATER)
        disable_endpoint(endpoint_id=endpoint.pk, reason=DisabledReason.GONE, now=LATER)
        forgotten = forget_old_events(limit=9, now=LATER)

        assert (waited, forgotten) == (0, 1)
        assert WebhookDelivery.objects.get().sequence == 2

    def test_are_missed_by_a_reader_who_is_told_so(self, workspace: Workspace, client: Any) -> None:
        happened(workspace, *"aaabb")
        read_feed(workspace_id=workspace.pk, after=0, limit=9)
        forget_old_events(limit=9, now=LATER)

        headers = bearer(workspace=workspace)
        behind, fresh, ahead = (client.get(f"/api/events?after={after}", headers=headers) for after in (1, 0, 4))

        assert (behind.status_code, behind.json()["code"]) == (410, "events_forgotten")
        assert [event["aggregate"] for event in fresh.json()["data"]] == ["thing:a", "thing:b"]
        assert [event["sequence"] for event in ahead.json()["data"]] == [2]


class TestOldDeliveries:
    def test_go_once_they_are_done(self, workspace: Workspace) -> None:
        listen(workspace, now=NOON)
        first, second = tell(workspace, "a", "b", now=NOON)
        WebhookDelivery.objects.filter(pk=first.pk).update(status=DeliveryStatus.FAILED)

        assert forget_old_deliveries(limit=10, now=LATER) == 1
        assert WebhookDelivery.objects.get() == second

    @pytest.mark.sqlite
    def test_of_a_deleted_endpoint_go_with_it(self, workspace: Workspace) -> None:
        endpoint = listen(workspace, now=NOON)
        tell(workspace, "a", "b", now=NOON)
        delete_endpoint(endpoint_id=endpoint.pk, now=NOON)

        forgotten = [forget_old_deliveries(limit=10, now=NOON) for _ in range(2)]

        assert forgotten == [2, 0]
        assert not WebhookEndpoint.objects.exists()
