"""A worker's connection to a Redis server that goes away."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from kombu import Connection, Queue
from kombu.asynchronous.hub import Hub
from kombu.message import Message

from core.broker import PatientConnection
from enrollment_project.celery import app
from events.tests.test_relay import RedisServer


@pytest.fixture
def server() -> Iterator[RedisServer]:
    server = RedisServer()
    yield server
    server.close()


def consume(connection: Connection) -> list[Any]:
    """Wait on two channels, as a worker does, and return them. One has delivered a message that nobody acknowledges."""
    delivered: list[Message] = []
    with Connection(connection.as_uri()) as producing:
        producing.SimpleQueue("enrollments").put("done")
    channels = [connection.default_channel, connection.channel()]
    for channel, queue in zip(channels, ("enrollments", "mails"), strict=True):
        connection.Consumer([Queue(queue)], on_message=delivered.append, channel=channel).consume()
    connection.drain_events(timeout=5)
    assert len(delivered) == 1
    hub = Hub()
    connection.register_with_event_loop(hub)
    for tick in tuple(hub.on_tick):
        tick()
    return channels


def lose(connection: Connection) -> None:
    """Close the connection as Celery does once it is lost."""
    with suppress(Exception):
        connection.collect(socket_timeout=5)
    connection.close()


def test_a_lost_connection_is_closed(server: RedisServer) -> None:
    connection = PatientConnection(server.url)
    channels = consume(connection)
    server.kill()

    lose(connection)

    assert [channel.closed for channel in channels] == [True, True]
    assert connection.connected is False


def test_another_one_delivers_what_was_not_acknowledged(server: RedisServer) -> None:
    connection = PatientConnection(server.url)
    consume(connection)

    connection.close()

    with PatientConnection(server.url) as next_one:
        queue = next_one.SimpleQueue("enrollments")
        assert queue.get(timeout=5).payload == "done"


def test_kombu_s_own_dies_of_it(server: RedisServer) -> None:
    """Control."""
    connection = Connection(server.url)
    consume(connection)
    server.kill()

    with pytest.raises(AttributeError):
        lose(connection)


def test_workers_use_it() -> None:
    with app.connection_for_read() as connection:
        assert type(connection) is PatientConnection
