"""Sends due deliveries, one at a time for each endpoint, and stores the results.

An event waits for earlier ones of the same aggregate until they have arrived, or were given up after three days; the
delivery then says that it follows a gap. A refused delivery waits longer each time. After a few failures in a row the
whole endpoint rests, so a receiver that is down gets a request now and then instead of one per event; as soon as it
accepts one, all the others are due. See docs/decisions/0087-when-webhooks-are-given-up.md.
"""

import datetime as dt
import time
from dataclasses import dataclass
from typing import Final

import structlog
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from core import retries
from core.outbound import NoAnswer, NotSent, ask
from core.signing import signed_headers
from core.text import fit

from ..models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from ..states import DeliveryStatus, DisabledReason
from .endpoints import LEASE, disable_endpoint, signing_secrets
from .message import message_body, message_id
from .queueing import GIVEN_UP_AFTER
from .telling import tell_that_disabled

log = structlog.get_logger(__name__)

ANSWER_SECONDS = 10.0
READ_AT_MOST = 64_000
# Both by elapsed time, not by a number of tries: see GIVEN_UP_AFTER and FAILING_FOR.
OF_A_DELIVERY = retries.Retry(first_pause_seconds=30, longest_pause_seconds=4 * 3600, lease=LEASE, attempts=0)
OF_AN_ENDPOINT = retries.Retry(first_pause_seconds=15, longest_pause_seconds=1800, lease=LEASE, attempts=0)
RESTS_AFTER: Final = 3
FAILING_FOR: Final = dt.timedelta(days=7)
LONGEST_WAIT_SECONDS = 4 * 3600.0
GONE = 410


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a try; no status means no answer."""

    milliseconds: int
    status: int | None = None
    error: str = ""
    retry_after: float = 0.0

    @property
    def is_accepted(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def deliver_next(*, endpoint_id: int, now: dt.datetime) -> bool:
    """Send an endpoint's next due delivery. Return False if there is none, or if the endpoint rests, is disabled, or is
    held by another worker."""
    if not retries.claim(WebhookEndpoint.objects.listening().filter(pk=endpoint_id), now=now, lease=LEASE):
        return False
    delivery = due_deliveries(endpoint_id, now).select_related("endpoint", "event").first()
    if delivery is None:
        held = WebhookEndpoint.objects.filter(pk=endpoint_id, next_attempt_at=now + LEASE)
        held.update(next_attempt_at=now)
        return False
    outcome = _send(delivery, now)
    _record(delivery, outcome, now)
    return True


def due_deliveries(endpoint_id: int, now: dt.datetime) -> QuerySet[WebhookDelivery]:
    """Return the deliveries that may be sent to it now, the longest overdue first: those not preceded by an earlier
    event of the same aggregate.
    """
    waiting = WebhookDelivery.objects.filter(endpoint=endpoint_id, status=DeliveryStatus.PENDING)
    earlier = waiting.filter(aggregate=OuterRef("aggregate"), sequence__lt=OuterRef("sequence"))
    return retries.due(waiting.filter(~Exists(earlier)), now=now)


def endpoints_with_due_deliveries(*, now: dt.datetime) -> list[int]:
    """Return the endpoints that may have due deliveries."""
    due = WebhookDelivery.objects.filter(status=DeliveryStatus.PENDING, next_attempt_at__lte=now)
    ready = WebhookEndpoint.objects.listening().filter(next_attempt_at__lte=now)
    found = ready.filter(Exists(due.filter(endpoint=OuterRef("pk"))))
    return list(found.order_by("next_attempt_at", "pk").values_list("pk", flat=True))


def _send(delivery: WebhookDelivery, now: dt.datetime) -> Outcome:
    endpoint = delivery.endpoint
    body = message_body(delivery)
    headers = signed_headers(message_id=message_id(delivery), at=now, body=body, secrets=signing_secrets(endpoint, now))
    began = time.monotonic()
    try:
        answer = ask(
            "POST",
            endpoint.url,
            headers={**headers, "Content-Type": "application/json", "User-Agent": "enrollment-webhooks"},
            body=body.encode(),
            seconds=ANSWER_SECONDS,
            read_at_most=READ_AT_MOST,
        )
    except (NotSent, NoAnswer) as error:
        return Outcome(_milliseconds_since(began), error=str(error))
    return Outcome(
        _milliseconds_since(began),
        status=answer.status,
        error=_fault(answer.status),
        retry_after=answer.retry_after(longest=LONGEST_WAIT_SECONDS),
    )


def _fault(status: int) -> str:
    if 200 <= status < 300:
        return ""
    if 300 <= status < 400:
        return f"The receiver answered {status}; redirects are not followed, so give its final address."
    return f"The receiver answered {status}."


@transaction.atomic
def _record(delivery: WebhookDelivery, outcome: Outcome, now: dt.datetime) -> None:
    """Record the answer on the delivery and the endpoint together; both rows may have changed in the meantime, or been
    forgotten.
    """
    endpoint = WebhookEndpoint.objects.select_for_update(no_key=True).filter(pk=delivery.endpoint_id).first()
    lasting = WebhookDelivery.objects.select_for_update(no_key=True).filter(pk=delivery.pk)
    if endpoint is None or not lasting.exists():
        return
    WebhookAttempt.objects.create(
        delivery=delivery,
        at=now,
        milliseconds=outcome.milliseconds,
        status=outcome.status,
        error=fit(WebhookAttempt, "error", outcome.error),
    )
    if outcome.is_accepted:
        _record_acceptance(delivery, endpoint, outcome, now)
    else:
        _record_failure(delivery, endpoint, outcome, now)


def _record_acceptance(
    delivery: WebhookDelivery, endpoint: WebhookEndpoint, outcome: Outcome, now: dt.datetime
) -> None:
    WebhookDelivery.objects.filter(pk=delivery.pk).update(
        status=DeliveryStatus.DELIVERED,
        attempts=delivery.attempts + 1,
        delivered_at=now,
        last_status=outcome.status,
        last_error="",
    )
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(failures_in_a_row=0, failing_since=None, next_attempt_at=now)
    if endpoint.failures_in_a_row >= RESTS_AFTER:
        _pending_at(endpoint.pk).filter(next_attempt_at__gt=now).update(next_attempt_at=now)
        log.info("webhook_receiver_is_back", endpoint=endpoint.pk)


def _record_failure(delivery: WebhookDelivery, endpoint: WebhookEndpoint, outcome: Outcome, now: dt.datetime) -> None:
    is_given_up = now >= delivery.give_up_at
    recorded = retries.record_failure(
        _pending_at(endpoint.pk).filter(pk=delivery.pk),
        retry=OF_A_DELIVERY,
        attempts=delivery.attempts + 1,
        error=outcome.error,
        now=now,
        retry_after=outcome.retry_after,
        last_status=outcome.status,
        status=DeliveryStatus.FAILED if is_given_up else DeliveryStatus.PENDING,
    )
    if recorded and is_given_up:
        log.warning("webhook_given_up", endpoint=endpoint.pk, delivery=delivery.cuid, aggregate=delivery.aggregate)
        later = _pending_at(endpoint.pk).filter(aggregate=delivery.aggregate, sequence__gt=delivery.sequence)
        later.update(is_after_gap=True, next_attempt_at=now, give_up_at=now + GIVEN_UP_AFTER)
    failures = endpoint.failures_in_a_row + 1
    failing_since = endpoint.failing_since or now
    rest_ends_at = now
    if failures >= RESTS_AFTER:
        rest_ends_at = OF_AN_ENDPOINT.next_attempt_at(attempts=failures - RESTS_AFTER + 1, now=now)
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(
        failures_in_a_row=failures, failing_since=failing_since, next_attempt_at=rest_ends_at
    )
    log.info("webhook_not_accepted", endpoint=endpoint.pk, delivery=delivery.cuid, status=outcome.status)
    if outcome.status == GONE:
        _disable(endpoint, DisabledReason.GONE, now)
    elif now - failing_since >= FAILING_FOR:
        _disable(endpoint, DisabledReason.FAILING, now)


def _disable(endpoint: WebhookEndpoint, reason: DisabledReason, now: dt.datetime) -> None:
    if disable_endpoint(endpoint_id=endpoint.pk, reason=reason, now=now):
        tell_that_disabled(endpoint=endpoint, reason=reason, now=now)


def _pending_at(endpoint_id: int) -> QuerySet[WebhookDelivery]:
    return WebhookDelivery.objects.filter(endpoint=endpoint_id, status=DeliveryStatus.PENDING)


def _milliseconds_since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
