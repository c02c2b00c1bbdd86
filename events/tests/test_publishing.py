import datetime as dt
from collections import defaultdict
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from accounts.tests.factories import WorkspaceFactory
from events import publishing
from events.models import OutboxEvent
from events.publishing import PublishedOutsideTransaction, handles, handles_together, publish
from events.states import RelayStatus

from .factories import ThingHappened, ThingMade

NOON = dt.datetime(2026, 9, 1, 12, tzinfo=dt.UTC)


@pytest.fixture
def _own_handlers(monkeypatch):
    monkeypatch.setattr(publishing, "_handlers", defaultdict(list))
    monkeypatch.setattr(publishing, "_joint_handlers", defaultdict(list))


@pytest.mark.django_db
class TestPublishing:
    def test_writes_the_fact_to_the_outbox(self):
        workspace = WorkspaceFactory()

        publish(ThingHappened(workspace_id=workspace.pk, occurred_at=NOON, thing="7", body={"a": 1}))

        event = OutboxEvent.objects.get()
        assert (event.workspace, event.type, event.aggregate, event.sequence) == (
            workspace,
            "thing.happened",
            "thing:7",
            1,
        )
        assert (event.payload, event.occurred_at, event.relay_status) == ({"a": 1}, NOON, RelayStatus.PENDING)

    def test_names_every_column_of_the_outbox_and_leaves_what_the_model_leaves(self):
        """The statement is written by hand: a column added to the model must be added there."""
        workspace = WorkspaceFactory()
        given = {"cuid", "workspace", "type", "aggregate", "sequence", "payload", "occurred_at", "next_attempt_at"}

        publish(ThingHappened(workspace_id=workspace.pk, occurred_at=NOON, thing="7", body={"a": 1}))

        stored, made = OutboxEvent.objects.get(), OutboxEvent()
        left = {field.name for field in OutboxEvent._meta.concrete_fields} - given - {"id"}
        assert left == {"relay_status", "attempts", "position", "relayed_at", "last_error"}
        assert {name: getattr(stored, name) for name in left} == {name: getattr(made, name) for name in left}
        assert (stored.next_attempt_at, len(stored.cuid)) == (NOON, 24)

    def test_has_nothing_to_do_without_events(self, django_assert_num_queries):
        with django_assert_num_queries(0):
            publish()

        assert not OutboxEvent.objects.exists()

    def test_counts_each_aggregate_apart(self):
        workspace = WorkspaceFactory()
        publish(
            ThingMade(workspace_id=workspace.pk, thing="a"),
            ThingHappened(workspace_id=workspace.pk, thing="a"),
            ThingMade(workspace_id=workspace.pk, thing="b"),
        )

        publish(
            ThingHappened(workspace_id=workspace.pk, thing="b"), ThingHappened(workspace_id=workspace.pk, thing="a")
        )

        assert list(OutboxEvent.objects.order_by("aggregate", "sequence").values_list("aggregate", "sequence")) == [
            ("thing:a", 1),
            ("thing:a", 2),
            ("thing:a", 3),
            ("thing:b", 1),
            ("thing:b", 2),
        ]

    def test_of_new_aggregates_at_one_moment_costs_one_statement(self, django_assert_num_queries):
        workspace = WorkspaceFactory()
        made = [ThingMade(workspace_id=workspace.pk, occurred_at=NOON, thing=thing) for thing in ("a", "b")]

        with django_assert_num_queries(1):
            publish(*made)

        assert OutboxEvent.objects.count() == 2

    def test_keeps_the_moment_of_each_event(self):
        workspace, later = WorkspaceFactory(), NOON + dt.timedelta(hours=1)

        publish(
            ThingMade(workspace_id=workspace.pk, occurred_at=NOON),
            ThingHappened(workspace_id=workspace.pk, occurred_at=later),
        )

        stored = OutboxEvent.objects.order_by("sequence").values_list("sequence", "occurred_at")
        assert list(stored) == [(1, NOON), (2, later)]

    def test_of_the_same_number_twice_is_refused_by_the_database(self):
        workspace = WorkspaceFactory()
        publish(ThingMade(workspace_id=workspace.pk, thing="a"))

        with pytest.raises(IntegrityError), transaction.atomic():
            publish(ThingMade(workspace_id=workspace.pk, thing="a"))

        assert OutboxEvent.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.usefixtures("_own_handlers")
class TestAReaction:
    def test_runs_in_the_publishing_transaction(self):
        workspace, seen = WorkspaceFactory(), list[Any]()
        handles(ThingHappened)(seen.append)
        event = ThingHappened(workspace_id=workspace.pk)

        publish(event)

        assert seen == [event]

    def test_together_is_told_once_of_all_that_is_published_at_once(self):
        workspace, seen = WorkspaceFactory(), list[Any]()
        handles_together(ThingHappened)(seen.append)
        first, second = (
            ThingHappened(workspace_id=workspace.pk, thing="a"),
            ThingHappened(workspace_id=workspace.pk, thing="b"),
        )

        publish(ThingMade(workspace_id=workspace.pk, thing="a"), first, second)
        publish(ThingMade(workspace_id=workspace.pk, thing="c"))

        assert seen == [[first, second]]

    def test_that_fails_leaves_nothing_published(self):
        workspace = WorkspaceFactory()

        @handles(ThingHappened)
        def refuse(event):
            raise ValueError("no")

        with pytest.raises(ValueError, match="no"), transaction.atomic():
            publish(ThingHappened(workspace_id=workspace.pk))

        assert OutboxEvent.objects.count() == 0

    def test_registered_twice_runs_once(self):
        workspace, seen = WorkspaceFactory(), list[Any]()
        react = seen.append
        handles(ThingHappened)(react)
        handles(ThingHappened)(react)

        publish(ThingHappened(workspace_id=workspace.pk))

        assert len(seen) == 1


@pytest.mark.django_db(transaction=True)
class TestPublishingOutsideATransaction:
    def test_is_refused(self):
        workspace = WorkspaceFactory()

        with pytest.raises(PublishedOutsideTransaction):
            publish(ThingHappened(workspace_id=workspace.pk))

        assert OutboxEvent.objects.count() == 0
