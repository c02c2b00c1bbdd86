"""Webhook delivery: every event is copied into a table and sent from there, signed, until the response is 2xx.

The `webhooks` knob decides at the moment of the event what happens to its copies.
"""

import hashlib
import hmac
import json
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby

import httpx
from django.conf import settings
from django.db import transaction
from django.db.models import F

from sandbox.knobs import deliveries
from sandbox.knobs.deliveries import LEASE_SECONDS, bell, client
from sandbox.knobs.models import Setting
from sandbox.stripe.models import Delivery, Event
from sandbox.stripe.rendering import render

ENDPOINT = "webhook_endpoint"


@dataclass(frozen=True)
class Endpoint:
    url: str
    secret: str


@dataclass(frozen=True)
class Answer:
    status: int | None
    text: str


def get_endpoint() -> Endpoint | None:
    """Return where webhooks go: the endpoint set at run time, or else the environment's; None if they go nowhere."""
    changed = Setting.objects.filter(name=ENDPOINT).first()
    values = changed.value if changed else {"url": settings.WEBHOOK_URL, "secret": settings.STRIPE_WEBHOOK_SECRET}
    return Endpoint(**values) if values["url"] else None


def set_endpoint(*, url: str, secret: str | None = None) -> None:
    value = {"url": url, "secret": secret or settings.STRIPE_WEBHOOK_SECRET}
    Setting.objects.update_or_create(name=ENDPOINT, defaults={"value": value})


def enqueue(event: Event) -> None:
    """Queue the event's copies, as many and as soon as the knob says. Without an endpoint there are none."""
    if get_endpoint() is None:
        return
    fate = deliveries.decide(type=event.type)
    Delivery.objects.bulk_create(
        Delivery(event=event, state=fate.state, next_attempt_at=fate.due_at) for _ in range(fate.copies)
    )
    transaction.on_commit(bell.set)


def sign(payload: bytes, *, secret: str, timestamp: int) -> str:
    """Return the `Stripe-Signature` header: https://docs.stripe.com/webhooks#verify-manually."""
    digest = hmac.new(secret.encode(), f"{timestamp}.".encode() + payload, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


def send_due() -> None:
    """Send what is due, in the order of becoming due; copies of one event are sent at the same moment."""
    due = Delivery.objects.filter(state="pending", next_attempt_at__lte=time.time())
    ordered = due.select_related("event").order_by("next_attempt_at", "pk")[:100]
    for _, copies in groupby(ordered, key=lambda delivery: delivery.event_id):
        send(copies, state="pending")


def next_due_at() -> float | None:
    pending = Delivery.objects.filter(state="pending").order_by("next_attempt_at")
    return pending.values_list("next_attempt_at", flat=True).first()


def flush(*, order: list[str] | None = None, reverse: bool = False) -> list[Delivery]:
    """Send every held copy now, one after another, and return them with their responses.

    `order` lists event ids that go first, in that order; the others follow chronologically, or in reverse.
    """
    held = list(Delivery.objects.filter(state="held").select_related("event").order_by("-pk" if reverse else "pk"))
    places = {ref: place for place, ref in enumerate(order or [])}
    held.sort(key=lambda delivery: places.get(delivery.event.ref, len(places)))
    for delivery in held:
        send([delivery], state="held")
    return list(Delivery.objects.filter(pk__in=[delivery.pk for delivery in held]).select_related("event"))


def redeliver(event: Event) -> Delivery:
    """Queue one more copy, whatever the knob says."""
    delivery = Delivery.objects.create(event=event, state="pending", next_attempt_at=time.time())
    bell.set()
    return delivery


def send(copies: Iterable[Delivery], *, state: str) -> None:
    """Claim the copies that are still in `state`, send them at once, and record the responses."""
    endpoint = get_endpoint()
    claimed = [delivery for delivery in copies if _claim(delivery, state)]
    if not claimed or endpoint is None:
        return
    payload = json.dumps(render(claimed[0].event), indent=2).encode()
    if len(claimed) == 1:
        answers = [_post(endpoint, payload)]
    else:
        with ThreadPoolExecutor(len(claimed)) as pool:
            answers = list(pool.map(lambda _: _post(endpoint, payload), claimed))
    for delivery, answer in zip(claimed, answers, strict=True):
        _record(delivery, answer)


def _claim(delivery: Delivery, state: str) -> bool:
    unclaimed = Delivery.objects.filter(pk=delivery.pk, state=state, next_attempt_at=delivery.next_attempt_at)
    lease_until = time.time() + LEASE_SECONDS
    return bool(unclaimed.update(state="pending", next_attempt_at=lease_until, attempts=F("attempts") + 1))


def _post(endpoint: Endpoint, payload: bytes) -> Answer:
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        "Stripe-Signature": sign(payload, secret=endpoint.secret, timestamp=int(time.time())),
    }
    try:
        response = client.post(endpoint.url, content=payload, headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Answer(status=None, text=f"{type(error).__name__}: {error}")
    return Answer(status=response.status_code, text=response.text)


def _record(delivery: Delivery, answer: Answer) -> None:
    # The update refers to the row only, because a reset may have removed it in the meantime.
    Delivery.objects.filter(pk=delivery.pk).update(
        answer=answer.text[:300], **deliveries.outcome(status=answer.status, attempts=delivery.attempts + 1)
    )
