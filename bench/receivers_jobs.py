"""What a process of the receivers bench does: publish events for a while, and deliver them as the worker does."""

import datetime as dt
import socket
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ClassVar

from django.db import transaction
from django.test import override_settings

from accounts.models import Workspace
from core.clock import utc_now
from core.ids import new_cuid
from core.work import quietly
from events.event import DomainEvent
from events.models import WebhookDelivery, WebhookEndpoint
from events.publishing import publish
from events.states import DeliveryStatus
from events.tasks import deliver_webhooks
from events.webhooks import sending
from events.webhooks.endpoints import create_endpoint

PAUSE_SECONDS = 0.25  # between two events, and two sweeps
NEVER = dt.timedelta(days=1)
NAMELESS = "never-found.test"
_getaddrinfo = socket.getaddrinfo


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageTold(DomainEvent):
    """A message was sent at this moment."""

    number: int
    at: float

    type: ClassVar[str] = "bench.told"

    @property
    def aggregate(self) -> str:
        return f"bench:{self.workspace_id}-{self.number}"


@override_settings(SANDBOX=True)  # so that receivers may be on this machine
def tell(
    *, port: int, quick: int, kind: str, beside: int, is_due: bool, senders: int | None, seconds: float
) -> dict[str, Any]:
    """Send `quick` receivers an event now and then, with `beside` receivers of another kind next to them, which rest
    unless they are due. Return how many messages the quick ones should have received.
    """
    if senders:
        sending._pool = sending._pool_of_slow = ThreadPoolExecutor(senders)
    socket.getaddrinfo = _look_up  # type: ignore[assignment]
    WebhookEndpoint.objects.kept().update(deleted_at=utc_now())  # those of the turn before
    workspace = Workspace.objects.create(slug=new_cuid(), name="Receivers")
    for _ in range(quick):
        _listen(workspace, f"http://127.0.0.1:{port}/quick")
    with quietly():
        _publish(workspace, 0)  # a first message shows that they are quick
        _send_until_told(workspace)
        host = NAMELESS if kind == "nameless" else "127.0.0.1"
        for _ in range(beside):
            _listen(workspace, f"http://{host}:{port}/{kind}", resting=not is_due)
        told, ends = 0, time.monotonic() + seconds
        while time.monotonic() < ends:
            told += 1
            _publish(workspace, told)
            deliver_webhooks()
            time.sleep(PAUSE_SECONDS)
        _send_until_told(workspace)
    over = urllib.request.Request(f"http://127.0.0.1:{port}/over", data=b"{}", method="POST")
    urllib.request.urlopen(over).close()
    return {"messages": told * quick}


def _listen(workspace: Workspace, url: str, *, resting: bool = False) -> None:
    now = utc_now()
    made = create_endpoint(workspace_id=workspace.pk, url=url, event_types=["*"], now=now)
    if resting:
        WebhookEndpoint.objects.filter(pk=made.pk).update(next_attempt_at=now + NEVER)


@transaction.atomic
def _publish(workspace: Workspace, number: int) -> None:
    publish(MessageTold(workspace_id=workspace.pk, occurred_at=utc_now(), number=number, at=time.time()))


def _send_until_told(workspace: Workspace) -> None:
    """Sweep until the quick ones have received everything."""
    waiting = WebhookDelivery.objects.filter(
        endpoint__workspace=workspace, endpoint__url__endswith="/quick", status=DeliveryStatus.PENDING
    )
    deliver_webhooks()
    while waiting.exists():
        time.sleep(PAUSE_SECONDS / 5)
        deliver_webhooks()


def _look_up(host: str, *args: Any, **kwargs: Any) -> Any:
    if host == NAMELESS and threading.current_thread() is not threading.main_thread():
        threading.Event().wait()
    return _getaddrinfo(host, *args, **kwargs)
