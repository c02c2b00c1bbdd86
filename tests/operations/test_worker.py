"""A worker of the file queue, as a process: whatever is put into its folder, the same process keeps running."""

import json
from pathlib import Path
from typing import Any

import psutil
import pytest

from accounts.tests.factories import WorkspaceFactory
from core.tests.test_spool import UNREADABLE, well_formed
from enrollments.tests.factories import InstanceFactory, route, seats
from events.tasks import relay_events
from sandbox.testing import wait_until
from tests.stack import RunningStack

from .running import is_alive

# Well formed for kombu; what Celery makes of them is another matter.
ODD: dict[str, dict[str, Any]] = {
    "an unknown task": {"headers": {"task": "no.such.task", "id": "1"}},
    "no headers": {"headers": None},
    "headers of another type": {"headers": "task"},
    "a task that is no name": {"headers": {"task": ["a"], "id": "1"}},
    "another protocol": {"body": "e30="},
    "a pickle": {"content-type": "application/x-python-serialize", "headers": {"task": "x", "id": "1"}},
    "a time that is none": {"headers": {"task": "events.tasks.relay_events", "id": "1", "eta": "soon"}},
    "an expiry that is none": {"headers": {"task": "events.tasks.relay_events", "id": "1", "expires": {}}},
    "arguments of another type": {"headers": {"task": "events.tasks.relay_events", "id": "1"}, "body": "NQ=="},
    "a compression that is none": {"headers": {"task": "events.tasks.relay_events", "id": "1", "compression": "x"}},
}


def put_everything_into(queue: Path) -> None:
    for number, content in enumerate(UNREADABLE.values()):
        (queue / f"0_{number}.celery.msg").write_bytes(content)
    for number, changes in enumerate(ODD.values()):
        (queue / f"1_{number}.celery.msg").write_text(json.dumps(well_formed(**changes)))


def publish_something() -> None:
    """Put events into the outbox, and request a task for them."""
    workspace = WorkspaceFactory(slug="here")
    InstanceFactory(workspace=workspace)
    seats(workspace, total=1)
    route(workspace)
    relay_events.delay()


@pytest.mark.slow
@pytest.mark.walk
class TestAWorker:
    def test_outlives_every_message_and_the_loss_of_its_queue_and_goes_on_working(self) -> None:
        with RunningStack(environment={"LOG_LEVEL": "INFO"}) as stack:
            queue = stack.folder / "celery" / "queue"
            worker = psutil.Process(stack.pid("worker"))

            put_everything_into(queue)
            wait_until(lambda: not list(queue.iterdir()))
            queue.rmdir()
            wait_until(queue.exists)
            stack.call("tests.operations.test_worker:publish_something")
            wait_until(lambda: "seat.used" in stack.log("worker"), seconds=60)

            assert is_alive(worker)
            assert stack.log("worker").count("message_dropped") >= len(UNREADABLE)
            assert "no.such.task" in stack.log("worker")
