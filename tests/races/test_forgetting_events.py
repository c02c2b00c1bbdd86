"""The sweep that forgets old events and deliveries, while others number, replay, or redeliver them."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

from accounts.models import Workspace
from accounts.tests.factories import WorkspaceFactory
from events import retention
from events.feed import number_new_events, read_feed
from events.models import OutboxEvent, WebhookDelivery
from events.publishing import publish
from events.retention import KEPT_FOR, forget_old_deliveries, forget_old_events
from events.states import DeliveryStatus, RelayStatus
from events.tests.factories import ThingHappened, listen, tell
from events.tests.receiving import NOON, SECOND
from events.webhooks import queueing
from events.webhooks.queueing import redeliver_failed, replay
from operations.doctor import examine
from tests.processes import BOTH_COME, KEPT_OUT, Failure, Meeting, at_once

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

LATER = NOON + KEPT_FOR + SECOND


@pytest.fixture
def workspace() -> Workspace:
    made: Workspace = WorkspaceFactory()
    return made


def happened(workspace: Workspace, *things: str) -> None:
    for thing in things:
        with transaction.atomic():
            publish(ThingHappened(workspace_id=workspace.pk, occurred_at=NOON, thing=thing))
    OutboxEvent.objects.update(relay_status=RelayStatus.RELAYED)


def before(statement: str, meet: Callable[[None], None], call: Callable[[], int]) -> int:
    """Make the call, which meets the other one before it executes the first statement that contains this."""
    met: list[str] = []

    def execute_after_meeting(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if not met and statement in sql:
            met.append(sql)
            meet(None)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(execute_after_meeting):
        return call()


class TestForgettingWhileTheFeedIsNumbered:
    def test_waits_for_it(self, workspace: Workspace) -> None:
        assert self.do_both(workspace, Meeting(lambda _: None, patience=KEPT_OUT)) in ([2, 4], [2, 3])
        assert examine(now=LATER) == {}

    def test_would_deadlock_if_it_locked_the_events_first(
        self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Control."""
        monkeypatch.setattr(retention, "_lock_feeds", lambda workspace_ids: None)

        answers = self.do_both(workspace, Meeting(lambda _: None))

        assert ["deadlock detected" in each.message for each in answers if isinstance(each, Failure)] == [True]

    def do_both(self, workspace: Workspace, meet: Meeting) -> list[object]:
        """Forget an event that has a position and one that has none, while the latter gets its position."""
        happened(workspace, "a", "a")
        read_feed(workspace_id=workspace.pk, after=0, limit=9)
        happened(workspace, "b", "b")
        return at_once(
            lambda: before('UPDATE "events_eventfeed"', meet, lambda: forget_old_events(limit=9, now=LATER)),
            lambda: before("FOR NO KEY UPDATE", meet, lambda: number_new_events(workspace.pk)),
        )


class TestForgettingWhileEventsAreReplayed:
    def test_leaves_them(self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.do_both(workspace, monkeypatch) == [0, 2]
        assert WebhookDelivery.objects.count() == 2

    def test_without_the_lock_would_break_the_replay(
        self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Control."""
        monkeypatch.setattr(queueing, "_held", lambda events: events)

        forgotten, replayed = self.do_both(workspace, monkeypatch)

        assert (forgotten, replayed.kind) == (1, "IntegrityError")

    def do_both(self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
        """Forget an old event after its new delivery was inserted, and before that is committed."""
        happened(workspace, "a", "a")
        endpoint = listen(workspace, now=LATER)
        insert = queueing._insert
        inserted, forgotten = (Meeting(lambda answer: answer) for _ in range(2))
        monkeypatch.setattr(queueing, "_insert", lambda *rows: forgotten(inserted(insert(*rows))))

        def forget() -> int:
            inserted(None)
            return int(forgotten(forget_old_events(limit=9, now=LATER)))

        return at_once(forget, lambda: replay(endpoint_id=endpoint.pk, since=NOON, until=NOON + SECOND, now=LATER))


class TestForgettingWhileDeliveriesAreSentAgain:
    def test_leaves_or_forgets_them(self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
        forgotten, redelivered = self.do_both(workspace, monkeypatch, retention._lock_free, patience=KEPT_OUT)

        assert forgotten + redelivered == 1
        assert list(WebhookDelivery.objects.values_list("status", flat=True)) == ["pending"] * redelivered

    def test_without_the_lock_would_forget_what_is_to_be_sent(
        self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Control."""

        def look(deliveries: Any, limit: int) -> list[int]:
            return list(deliveries.values_list("pk", flat=True)[:limit])

        assert self.do_both(workspace, monkeypatch, look, patience=BOTH_COME) == [1, 1]
        assert not WebhookDelivery.objects.exists()

    def do_both(
        self,
        workspace: Workspace,
        monkeypatch: pytest.MonkeyPatch,
        find: Callable[..., list[int]],
        *,
        patience: float,
    ) -> list[Any]:
        """Send a given-up delivery again after the sweep has found it."""
        endpoint = listen(workspace, now=NOON)
        tell(workspace, "a", now=NOON)
        WebhookDelivery.objects.update(status=DeliveryStatus.FAILED)
        looked, sent = Meeting(lambda: None, once=True), Meeting(lambda: None, patience=patience, once=True)

        def find_and_wait(deliveries: Any, limit: int) -> list[int]:
            found = find(deliveries, limit)
            looked()
            sent()
            return found

        def send() -> int:
            looked()
            count = redeliver_failed(endpoint_id=endpoint.pk, now=LATER)
            sent()
            return count

        monkeypatch.setattr(retention, "_lock_free", find_and_wait)
        return at_once(lambda: forget_old_deliveries(limit=9, now=LATER), send)
