"""The feed: every event once, in an order that never changes, however transactions commit."""

import threading
from typing import Any

import pytest
from django.db import close_old_connections, transaction

from accounts.models import Workspace
from accounts.tests.factories import WorkspaceFactory, bearer
from events import feed
from events.feed import read_feed
from events.models import OutboxEvent
from events.publishing import publish

from .factories import ThingHappened
from .factories import happen as happen_as


def happen(workspace: Workspace, name: str) -> None:
    happen_as(workspace=workspace, thing=name)


def names(page: feed.FeedPage) -> list[str]:
    return [event.aggregate.removeprefix("thing:") for event in page.events]


@pytest.mark.django_db
class TestTheFeed:
    def test_goes_on_where_the_page_before_ended(self) -> None:
        workspace = WorkspaceFactory()
        for name in "abcde":
            happen(workspace, name)

        first = read_feed(workspace_id=workspace.pk, after=0, limit=2)
        second = read_feed(workspace_id=workspace.pk, after=first.next, limit=2)
        third = read_feed(workspace_id=workspace.pk, after=second.next, limit=2)

        assert [names(page) for page in (first, second, third)] == [["a", "b"], ["c", "d"], ["e"]]
        assert (first.next, second.next, third.next) == (2, 4, 5)

    def test_stays_where_it_is_while_nothing_is_new(self) -> None:
        workspace = WorkspaceFactory()
        empty = read_feed(workspace_id=workspace.pk, after=0, limit=2)
        happen(workspace, "a")
        told = read_feed(workspace_id=workspace.pk, after=empty.next, limit=2)

        again = read_feed(workspace_id=workspace.pk, after=told.next, limit=2)

        assert (empty.next, names(told), told.next) == (0, ["a"], 1)
        assert (names(again), again.next) == ([], 1)

    def test_of_a_type_moves_past_the_others(self) -> None:
        workspace = WorkspaceFactory()
        happen(workspace, "a")

        page = read_feed(workspace_id=workspace.pk, after=0, limit=2, types=["another.type"])

        assert (names(page), page.next) == ([], 1)

    @pytest.mark.sqlite
    def test_looks_through_a_limited_part_for_a_type(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(feed, "LOOKED_THROUGH", 2)
        workspace = WorkspaceFactory()
        for name in "abc":
            happen(workspace, name)

        page = read_feed(workspace_id=workspace.pk, after=0, limit=9, types=["another.type"])

        assert page.next == 2

    def test_numbers_a_limited_part_at_a_time_and_loses_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(feed, "BATCH", 2)
        workspace = WorkspaceFactory()
        for name in "abcde":
            happen(workspace, name)

        told, after = [], 0
        for _ in range(4):
            page = read_feed(workspace_id=workspace.pk, after=after, limit=9)
            told += names(page)
            after = page.next

        assert told == ["a", "b", "c", "d", "e"]

    @pytest.mark.sqlite
    def test_has_nothing_of_another_workspace(self) -> None:
        ours, theirs = WorkspaceFactory(), WorkspaceFactory()
        happen(theirs, "a")
        happen(ours, "b")

        assert names(read_feed(workspace_id=ours.pk, after=0, limit=9)) == ["b"]
        assert list(OutboxEvent.objects.filter(workspace=theirs).values_list("position", flat=True)) == [None]


@pytest.mark.django_db
class TestOverHttp:
    def test_an_event_is_told_with_what_happened(self, client: Any) -> None:
        workspace = WorkspaceFactory()
        happen(workspace, "a")
        event = OutboxEvent.objects.get()

        body = client.get("/api/events?after=0&limit=5", headers=bearer(workspace=workspace)).json()

        (told,) = body["data"]
        assert told.pop("occurredAt")
        assert told == {
            "id": event.cuid,
            "type": event.type,
            "aggregate": "thing:a",
            "sequence": 1,
            "data": event.payload,
        }
        assert body["next"] == 1

    @pytest.mark.parametrize("query", ["after=-1", "after=x", "limit=0", "limit=501", "type="])
    def test_a_query_that_can_not_be_is_refused(self, client: Any, query: str) -> None:
        answer = client.get(f"/api/events?{query}", headers=bearer(workspace=WorkspaceFactory()))

        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == query.partition("=")[0]


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
class TestASlowTransaction:
    """The transaction takes its id first and commits last."""

    def _overtaken(self, workspace: Workspace) -> tuple[threading.Thread, threading.Event]:
        published, may_commit = threading.Event(), threading.Event()

        def work() -> None:
            try:
                with transaction.atomic():
                    publish(ThingHappened(workspace_id=workspace.pk, thing="slow"))
                    published.set()
                    may_commit.wait(10)
            finally:
                close_old_connections()

        thread = threading.Thread(target=work)
        thread.start()
        assert published.wait(10)
        happen(workspace, "quick")
        return thread, may_commit

    def test_is_told_later_and_not_lost(self) -> None:
        workspace = WorkspaceFactory()
        thread, may_commit = self._overtaken(workspace)

        before = read_feed(workspace_id=workspace.pk, after=0, limit=9)
        may_commit.set()
        thread.join(10)
        after = read_feed(workspace_id=workspace.pk, after=before.next, limit=9)

        assert (names(before), names(after)) == (["quick"], ["slow"])

    def test_would_be_lost_to_a_reader_by_id(self) -> None:
        """Negative control: the cursor that the feed does not use."""
        workspace = WorkspaceFactory()
        thread, may_commit = self._overtaken(workspace)

        seen = OutboxEvent.objects.order_by("-pk").values_list("pk", flat=True)[0]
        may_commit.set()
        thread.join(10)

        assert list(OutboxEvent.objects.filter(pk__gt=seen)) == []
        assert OutboxEvent.objects.filter(pk__lt=seen).get().aggregate == "thing:slow"
