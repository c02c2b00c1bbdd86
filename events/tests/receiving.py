"""The other side of webhooks, in this process: the test sets its answers and their moments."""

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

from core.outbound import Answer, NoAnswer
from events.models import WebhookDelivery, WebhookEndpoint
from events.webhooks.delivering import deliver_next

NOON = dt.datetime(2026, 9, 1, 12, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)


class Receiver:
    """The other side's answers: `status` to everything, or what `judge` returns for a body; None means no answer."""

    def __init__(self) -> None:
        self.status: int | None = 200
        self.judge: Callable[[dict[str, Any]], int | None] | None = None
        self.headers: dict[str, str] = {}
        self.asked: list[tuple[str, dict[str, str], str]] = []

    def ask(self, method: str, url: str, *, headers: dict[str, str], body: bytes, **_: Any) -> Answer:
        text = body.decode()
        self.asked.append((url, headers, text))
        status = self.judge(json.loads(text)) if self.judge else self.status
        if status is None:
            raise NoAnswer("receiver.example.test gave no answer (ReadTimeout).")
        return Answer(status, self.headers, b"")

    @property
    def told(self) -> list[str]:
        """The `data.thing` of everything that was sent, in order."""
        return [str(json.loads(text)["data"].get("n", "ping")) for _, _, text in self.asked]


def send_all(endpoint: WebhookEndpoint, now: dt.datetime) -> int:
    """Send everything that is due now or becomes due meanwhile, one second apart."""
    sent = 0
    while deliver_next(endpoint_id=endpoint.pk, now=now + sent * SECOND):
        sent += 1
    return sent


def fresh(row: Any) -> Any:
    return type(row).objects.get(pk=row.pk)


def statuses() -> list[str]:
    return list(WebhookDelivery.objects.order_by("pk").values_list("status", flat=True))
