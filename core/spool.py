"""Celery's broker without a server: a queue is a folder, and a message is a file in it.

kombu's own file transport shows a message before it is fully written, and a reader that meets it then stops the worker.
Here a file gets its name only when it is complete, a message belongs to the reader that removes its file, and nothing
found in the folder can stop a reader. Unreadable files are removed with a warning: the broker is only a doorbell, and
the sweeps find the work whose message was lost.
"""

import contextlib
import os
import time
import uuid
from pathlib import Path
from queue import Empty
from typing import Any

import structlog
from kombu.transport import virtual
from kombu.utils.json import dumps, loads

log = structlog.get_logger(__name__)
LARGEST_MESSAGE = 1_000_000  # bytes; ours are below 2,000
ABANDONED_AFTER = 60.0  # seconds after which an unfinished file is considered abandoned


class Channel(virtual.Channel):
    """Stores each message as `<nanoseconds>_<uuid>.<queue>.msg`, so that names sort in sending order."""

    def __init__(self, connection: Any, **kwargs: Any) -> None:
        super().__init__(connection, **kwargs)
        self._options: dict[str, Any] = connection.client.transport_options

    def _put(self, queue: str, message: Any, **kwargs: Any) -> None:
        """Write under a temporary name, then rename. Raises OSError if the disk refuses, and leaves nothing behind."""
        path = self._folder() / f"{time.time_ns()}_{uuid.uuid4()}.{queue}.msg"
        unfinished = path.with_suffix(".unfinished")
        try:
            unfinished.write_bytes(dumps(message).encode())
            unfinished.rename(path)
        except OSError:
            with contextlib.suppress(OSError):
                unfinished.unlink()
            raise

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        for path in self._waiting(queue):
            message = self._take(path)
            if message is not None:
                return message
        raise Empty

    def _size(self, queue: str) -> int:
        return len(self._waiting(queue))

    def _purge(self, queue: str) -> int:
        return sum(_remove(path) for path in self._waiting(queue))

    def _new_queue(self, queue: str, **kwargs: Any) -> None:
        """Remove what killed writers left behind."""
        for path in self._files():
            with contextlib.suppress(OSError):
                if path.suffix == ".unfinished" and path.stat().st_mtime < time.time() - ABANDONED_AFTER:
                    path.unlink()

    def basic_consume(self, queue: str, no_ack: bool, callback: Any, consumer_tag: Any, **kwargs: Any) -> str:
        """Consume, and survive messages that are well formed but more than the consumer can handle."""

        def consume(message: Any) -> None:
            try:
                callback(message)
            except Exception:  # whatever it is, the next message is not affected
                log.exception("message_refused", queue=queue)
                if not message.acknowledged:
                    message.reject()

        return super().basic_consume(queue, no_ack, consume, consumer_tag, **kwargs)

    def _waiting(self, queue: str) -> list[Path]:
        """Return the queue's messages, oldest first."""
        return sorted(path for path in self._files() if path.name.partition(".")[2] == f"{queue}.msg")

    def _files(self) -> list[Path]:
        """Return the plain files: anything else with a message's name (a folder, a pipe, a link) is not a message."""
        with contextlib.suppress(OSError), os.scandir(self._folder()) as entries:
            return [Path(entry.path) for entry in entries if entry.is_file(follow_symlinks=False)]
        return []

    def _take(self, path: Path) -> Any:
        """Return the message in this file; None if another reader was faster or the file is not a message."""
        content = _read(path)
        if not _remove(path):
            return None
        try:
            message = loads(content.decode())
            self._check(message)
        except Exception as error:  # from broken JSON to excessive nesting: all that matters is that it can't be read
            log.warning("message_dropped", file=path.name, reason=type(error).__name__)
            return None
        return message

    def _check(self, message: Any) -> None:
        """Raise any error unless kombu can handle this message later, also when it returns the message to the queue."""
        self.Message(message, channel=self)
        properties = message["properties"]
        way = properties["delivery_info"]
        if not all(isinstance(text, str) for text in (properties["delivery_tag"], way["exchange"], way["routing_key"])):
            raise TypeError("not a message's properties")

    def _folder(self) -> Path:
        """Return the folder of the messages, created again if somebody removed it."""
        folder = Path(self._options["folder"])
        folder.mkdir(parents=True, exist_ok=True)
        return folder


class Transport(virtual.Transport):
    """The transport behind `filesystem://` URLs; its option `folder` names the folder."""

    Channel = Channel
    global_state = virtual.BrokerState()  # declarations made by one connection of a process apply to all
    default_port = 0
    driver_type = driver_name = "filesystem"

    def __init__(self, client: Any, **kwargs: Any) -> None:
        super().__init__(client, **kwargs)
        self.state = self.global_state

    def driver_version(self) -> str:
        return "1"


def _read(path: Path) -> bytes:
    """Return the file's content; empty if it can't be read or is larger than any message."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        content = file.read(LARGEST_MESSAGE + 1)
        return content if len(content) <= LARGEST_MESSAGE else b""
    return b""


def _remove(path: Path) -> bool:
    """Return whether this call removed the file."""
    try:
        path.unlink()
    except OSError:
        return False
    return True
