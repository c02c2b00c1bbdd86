"""A partner's messages to the platform: signed (https://www.standardwebhooks.com) and sent until answered with 2xx."""

import datetime as dt
import json
import time
from typing import Any

import httpx
from django.db import transaction
from django.db.models import F
from standardwebhooks.webhooks import Webhook

from sandbox.knobs import clock, deliveries
from sandbox.lms import dialects
from sandbox.lms.models import LmsEnrollment, LmsMessage, new_message_ref


def tell(row: LmsEnrollment, event: str, **data: Any) -> None:
    """Queue a message about a learner, in as many copies and as soon as the knob says; none without a URL."""
    partner = row.partner
    if not partner.webhook_url:
        return
    fate = deliveries.decide(type=event, path=f"/lms/{partner.slug}")
    now = dt.datetime.fromtimestamp(clock.now(), dt.UTC).isoformat()
    body = {"event": event, "timestamp": now, "data": {"enrollmentId": row.ref, **data}}
    ref = new_message_ref()
    LmsMessage.objects.bulk_create(
        LmsMessage(partner=partner, ref=ref, body=body, state=fate.state, next_attempt_at=fate.due_at)
        for _ in range(fate.copies)
    )
    transaction.on_commit(deliveries.bell.set)


def send_due() -> None:
    """Send what is due, in the order of becoming due. A copy without a 2xx response is sent again under its id."""
    due = LmsMessage.objects.filter(state="pending", next_attempt_at__lte=time.time())
    for message in due.select_related("partner").order_by("next_attempt_at", "pk")[:100]:
        free = LmsMessage.objects.filter(pk=message.pk, state="pending", next_attempt_at=message.next_attempt_at)
        lease_until = time.time() + deliveries.LEASE_SECONDS
        if free.update(next_attempt_at=lease_until, attempts=F("attempts") + 1):
            answered = deliveries.outcome(status=_post(message), attempts=message.attempts + 1)
            # The update refers to the row only, because a reset may have removed it in the meantime.
            LmsMessage.objects.filter(pk=message.pk).update(**answered)


def next_due_at() -> float | None:
    pending = LmsMessage.objects.filter(state="pending").order_by("next_attempt_at")
    return pending.values_list("next_attempt_at", flat=True).first()


def release() -> int:
    """Release the messages that the knob held back; returns how many."""
    released = LmsMessage.objects.filter(state="held").update(state="pending", next_attempt_at=time.time())
    deliveries.bell.set()
    return released


def _post(message: LmsMessage) -> int | None:
    raw = json.dumps(dialects.tell(message.partner.dialect, message.body))
    now = dt.datetime.now(dt.UTC)
    headers = {
        "Content-Type": "application/json",
        "webhook-id": message.ref,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(message.partner.webhook_secret).sign(message.ref, now, raw),
    }
    try:
        answer = deliveries.client.post(message.partner.webhook_url, content=raw.encode(), headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL):
        return None
    return answer.status_code
