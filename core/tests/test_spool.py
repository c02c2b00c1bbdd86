"""The folder queue as a worker finds it after crashes, upgrades, and curious people."""

import base64
import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Empty
from typing import Any

import pytest
from kombu import Connection

from core import spool


def broker(folder: Path) -> Connection:
    return Connection("filesystem://localhost/", transport_options={"folder": str(folder), "polling_interval": 0.01})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "queue"


@pytest.fixture
def channel(folder: Path) -> Iterator[Any]:
    with broker(folder) as connection:
        yield connection.channel()


def send(channel: spool.Channel, number: int) -> None:
    message = channel.prepare_message(json.dumps({"n": number}), content_type="application/json")
    channel.basic_publish(message, exchange="", routing_key="celery")


def receive(channel: spool.Channel) -> int | None:
    """Return the number in the next message, None if there is none."""
    message = channel.basic_get("celery")
    if message is None:
        return None
    message.ack()  # an unacknowledged message returns to the queue when its reader ends
    return json.loads(message.body)["n"]


def well_formed(**changes: object) -> dict[str, object]:
    """Return a message as it is stored in a file, with these members of it or of its properties replaced."""
    message: dict[str, object] = {
        "body": base64.b64encode(b"{}").decode(),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {},
        "properties": {
            "delivery_tag": "tag",
            "body_encoding": "base64",
            "delivery_info": {"exchange": "", "routing_key": "celery"},
        },
    }
    properties = message["properties"]
    assert isinstance(properties, dict)
    for name, value in changes.items():
        (properties if name in properties else message)[name] = value
    return message


UNREADABLE = {
    "empty": b"",
    "half of a message": json.dumps(well_formed()).encode()[:60],
    "binary": bytes(range(256)),
    "not UTF-8": b'"\xff\xfe"',
    "another type": b"[1, 2]",
    "null": b"null",
    "no properties": b"{}",
    "properties of another type": json.dumps(well_formed() | {"properties": 5}).encode(),
    "a tag that can't be kept": json.dumps(well_formed(delivery_tag=["a"])).encode(),
    "no way back": json.dumps(well_formed(delivery_info=None)).encode(),
    "half a way back": json.dumps(well_formed(delivery_info={"exchange": ""})).encode(),
    "a body that is no base64": json.dumps(well_formed(body="a")).encode(),
    "a body of another type": json.dumps(well_formed(body={"a": 1})).encode(),
    "an unknown encoding": json.dumps(well_formed(body_encoding="rot13")).encode(),
    "nested without end": b"[" * 200_000,
    "huge": b'"' + b"x" * (spool.LARGEST_MESSAGE + 1) + b'"',
}


class TestAMessage:
    def test_arrives_once_and_leaves_nothing_behind(self, channel: spool.Channel, folder: Path) -> None:
        send(channel, 7)

        assert [receive(channel), receive(channel)] == [7, None]
        assert list(folder.iterdir()) == []

    def test_arrives_in_the_order_of_sending(self, channel: spool.Channel) -> None:
        for number in range(20):
            send(channel, number)

        assert [receive(channel) for _ in range(20)] == list(range(20))

    def test_waits_in_its_own_queue_only(self, channel: spool.Channel, folder: Path) -> None:
        send(channel, 1)

        assert (channel._size("celery"), channel._size("cel"), channel._size("other")) == (1, 0, 0)
        with pytest.raises(Empty):
            channel._get("other")

    def test_is_invisible_until_it_is_whole(
        self, channel: spool.Channel, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen = []
        rename = Path.rename

        def look_first(path: Path, target: Path) -> Path:
            seen.append((channel._size("celery"), receive(channel)))
            return rename(path, target)

        monkeypatch.setattr(Path, "rename", look_first)

        send(channel, 7)

        assert seen == [(0, None)]
        assert receive(channel) == 7

    def test_comes_back_when_it_is_rejected_for_another_try(self, channel: spool.Channel) -> None:
        send(channel, 7)
        message = channel.basic_get("celery")

        message.requeue()

        assert receive(channel) == 7

    def test_goes_with_the_others_when_the_queue_is_purged(self, channel: spool.Channel) -> None:
        send(channel, 1)
        send(channel, 2)

        purged = channel.queue_purge("celery")

        assert (purged, receive(channel)) == (2, None)


class TestAMessageNobodyCanRead:
    @pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE)
    def test_is_dropped_with_a_warning_and_the_next_is_read(
        self, channel: spool.Channel, folder: Path, caplog: pytest.LogCaptureFixture, content: bytes
    ) -> None:
        folder.mkdir()
        (folder / "0_x.celery.msg").write_bytes(content)
        send(channel, 7)

        received = receive(channel)

        assert received == 7
        assert list(folder.iterdir()) == []
        assert "message_dropped" in caplog.text
        assert "0_x.celery.msg" in caplog.text

    def test_was_well_formed_without_those_changes(self, channel: spool.Channel, folder: Path) -> None:
        folder.mkdir()
        (folder / "0_x.celery.msg").write_text(json.dumps(well_formed()))

        assert channel.basic_get("celery") is not None

    def test_is_dropped_when_permissions_forbid_it(
        self, channel: spool.Channel, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        send(channel, 1)
        send(channel, 7)
        (forbidden,) = [path for path in folder.iterdir() if path == min(folder.iterdir())]
        really_open = Path.open

        def refuse(path: Path, *args: Any) -> object:
            if path == forbidden:
                raise PermissionError(path)
            return really_open(path, *args)

        monkeypatch.setattr(Path, "open", refuse)  # tests may run as root, to whom file modes do not apply

        assert receive(channel) == 7
        assert list(folder.iterdir()) == []

    def test_is_left_alone_if_it_is_no_file_at_all(self, channel: spool.Channel, folder: Path) -> None:
        folder.mkdir()
        (folder / "0_a.celery.msg").mkdir()
        os.mkfifo(folder / "0_b.celery.msg")  # opening it would wait for a writer
        (folder / "0_c.celery.msg").symlink_to("/dev/zero")
        send(channel, 7)

        received = receive(channel)

        assert received == 7
        assert sorted(path.name[:3] for path in folder.iterdir()) == ["0_a", "0_b", "0_c"]


class TestTheFolder:
    def test_is_made_when_it_is_missing(self, channel: spool.Channel, folder: Path) -> None:
        nothing = receive(channel)
        folder.rmdir()
        send(channel, 7)

        assert nothing is None
        assert receive(channel) == 7

    def test_may_be_out_of_reach_for_a_while(self, channel: spool.Channel, folder: Path) -> None:
        folder.write_text("a file in its place")

        nothing = receive(channel)
        with pytest.raises(OSError, match="File exists"):
            send(channel, 1)
        folder.unlink()
        send(channel, 7)

        assert nothing is None
        assert receive(channel) == 7

    def test_keeps_nothing_of_a_message_that_did_not_fit_on_the_disk(
        self, channel: spool.Channel, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fill_up(path: Path, content: bytes) -> int:
            path.touch()
            raise OSError("No space left on device")

        monkeypatch.setattr(Path, "write_bytes", fill_up)

        with pytest.raises(OSError, match="No space left"):
            send(channel, 1)

        assert list(folder.iterdir()) == []


class TestAWriter:
    def test_that_is_killed_before_the_rename_leaves_no_message_and_later_nothing(
        self, channel: spool.Channel, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def write_and_die() -> None:
            monkeypatch.setattr(Path, "rename", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
            send(channel, 1)

        writer = multiprocessing.get_context("fork").Process(target=write_and_die)
        writer.start()
        writer.join()
        (left,) = folder.iterdir()

        received = receive(channel)
        channel.queue_declare("celery")
        just_written = list(folder.iterdir())
        os.utime(left, (0, 0))
        channel.queue_declare("celery")

        assert writer.exitcode == -signal.SIGKILL
        assert received is None
        assert just_written == [left]
        assert list(folder.iterdir()) == []


class TestTwoReaders:
    def test_never_get_the_same_message(self, channel: spool.Channel, folder: Path) -> None:
        for number in range(200):
            send(channel, number)
        taken: list[list[int]] = [[], []]
        start = threading.Barrier(2)

        def read(mine: list[int]) -> None:
            with broker(folder) as connection:
                own: Any = connection.channel()
                start.wait()
                while (number := receive(own)) is not None:
                    mine.append(number)

        readers = [threading.Thread(target=read, args=(mine,)) for mine in taken]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()

        assert sorted(taken[0] + taken[1]) == list(range(200))

    def test_that_meet_at_one_message_leave_the_next_to_the_slower_one(
        self, channel: spool.Channel, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        send(channel, 1)
        send(channel, 2)
        really_read = spool._read

        def be_slow(path: Path) -> bytes:
            monkeypatch.setattr(spool, "_read", really_read)
            content = really_read(path)
            faster.append(receive(channel))
            return content

        faster: list[int | None] = []
        monkeypatch.setattr(spool, "_read", be_slow)

        slower = receive(channel)

        assert (faster, slower) == ([1], 2)


class TestAConsumer:
    def test_that_chokes_on_a_message_gets_the_next(
        self, channel: spool.Channel, caplog: pytest.LogCaptureFixture
    ) -> None:
        received = []

        def choke_on_one(message: object) -> None:
            number = json.loads(message.body)["n"]  # type: ignore[attr-defined]
            received.append(number)
            if number == 1:
                raise TypeError("unhashable")
            message.ack()  # type: ignore[attr-defined]

        channel.basic_consume("celery", no_ack=False, callback=choke_on_one, consumer_tag="here")
        send(channel, 1)
        send(channel, 2)

        for _ in range(2):
            channel.connection.drain_events(channel.connection, timeout=5)  # type: ignore[arg-type]  # its own transport

        assert received == [1, 2]
        assert channel._size("celery") == 0
        assert "message_refused" in caplog.text
