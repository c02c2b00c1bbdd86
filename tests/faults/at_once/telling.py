"""What sweeps, staff, and integrators do at once with events, webhooks, and emails."""

import dataclasses
import datetime as dt
import smtplib
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from unittest.mock import patch

from core.outbound import Answer, NoAnswer
from enrollments.models import EnrollmentTransition
from enrollments.tests.factories import STAFF
from events import relay
from events.feed import read_feed
from events.gateways.port import RelayedEvent, StreamUnavailable
from events.models import OutboxEvent, WebhookDelivery, WebhookEndpoint
from events.relay import relay_due_events, replay_dead_events, replay_event
from events.retention import forget_old_deliveries, forget_old_events
from events.states import DisabledReason, RelayStatus
from events.webhooks import delivering
from events.webhooks.delivering import deliver_next
from events.webhooks.endpoints import (
    change_endpoint,
    create_endpoint,
    delete_endpoint,
    disable_endpoint,
    enable_endpoint,
    rotate_secret,
)
from events.webhooks.queueing import fan_out, ping, redeliver, redeliver_failed, replay
from notifications import sending
from notifications.models import Notification, WorkspaceLetter
from notifications.sending import resend_notification, send_due_notifications
from notifications.wording import begin_letter, change_letter, list_wordings, reset_letter

from ..any_order import pick
from .acting import Acting, Step
from .training import Strict

ENDPOINTS = WebhookEndpoint.objects.kept()
LISTENING = WebhookEndpoint.objects.listening()
DELIVERIES = WebhookDelivery.objects.filter(endpoint__disabled_at=None)
EVENTS = OutboxEvent.objects.all()
DEAD = EVENTS.filter(relay_status=RelayStatus.DEAD)
OVER = Notification.objects.exclude(status="pending")
LETTERS = WorkspaceLetter.objects.all()
A_MONTH = dt.timedelta(days=31)


def events(act: Acting) -> Iterator[Step]:
    yield lambda: _read_feed(act)
    yield lambda: _relay(act)
    yield lambda: act.on(DEAD, replay_event, "event_id")
    yield lambda: act.attempt(replay_dead_events)
    yield lambda: _forget_events(act)
    yield lambda: _forget_events(act)


def webhooks(act: Acting) -> Iterator[Step]:
    yield lambda: _listen(act)
    yield lambda: act.attempt(fan_out)
    yield lambda: _deliver(act)
    yield lambda: _deliver(act)
    yield lambda: _change_an_endpoint(act)
    yield lambda: act.on(ENDPOINTS, rotate_secret, "endpoint_id")
    yield lambda: _at_one(act, disable_endpoint, reason=DisabledReason.BY_HAND)
    yield lambda: act.on(ENDPOINTS.filter(disabled_at__isnull=False), enable_endpoint, "endpoint_id")
    yield lambda: act.on(ENDPOINTS, delete_endpoint, "endpoint_id")
    yield lambda: _at_one(act, ping)
    yield lambda: act.on(DELIVERIES, redeliver, "delivery_id")
    yield lambda: _at_one(act, redeliver_failed)
    yield lambda: _at_one(act, replay, since=act.now - 2 * A_MONTH, until=act.now + dt.timedelta(minutes=1))
    yield lambda: _forget_deliveries(act)


def mails(act: Acting) -> Iterator[Step]:
    yield lambda: _send_mails(act)
    yield lambda: _send_mails(act)
    yield lambda: act.on(OVER, resend_notification, "notification_id")
    yield lambda: _begin_a_letter(act)
    yield lambda: _change_a_letter(act)
    yield lambda: _change_a_letter(act)
    yield lambda: _reset_a_letter(act)


class Stream:
    """A stream that refuses an event now and then, or does not answer."""

    def __init__(self, act: Acting) -> None:
        self.act = act

    def append(self, events: Sequence[RelayedEvent]) -> list[str]:
        if self.act.chance.randrange(5) == 0:
            raise StreamUnavailable("No answer.")
        return ["Too long" if self.act.chance.randrange(5) == 0 else "" for _ in events]


def _read_feed(act: Acting) -> None:
    after = act.chance.choice([0, 0, 10, 100])

    def read_the_feed(*, now: dt.datetime) -> None:
        read_feed(workspace_id=act.workspace.pk, after=after, limit=50)

    act.attempt(read_the_feed)


def _relay(act: Acting) -> None:
    with patch.object(relay, "RETRY", dataclasses.replace(relay.RETRY, attempts=1)):
        act.attempt(relay_due_events, limit=50, stream=Stream(act))


def _forget_events(act: Acting) -> None:
    """Forget what is old, after a month has passed for some aggregate or other."""
    aggregate = pick(EVENTS, act.chance.randrange(40)).aggregate
    told = list(EVENTS.filter(aggregate=aggregate).order_by("pk").values_list("pk", flat=True))
    long_ago = act.now - A_MONTH
    for changed in EnrollmentTransition.objects.filter(enrollment__cuid=aggregate.partition(":")[2]).order_by("pk"):
        EnrollmentTransition.objects.filter(pk=changed.pk).update(created_at=long_ago)
    for key in told:
        EVENTS.filter(pk=key).update(occurred_at=long_ago)
    act.attempt(forget_old_events, limit=20)


def _listen(act: Acting) -> None:
    types = act.chance.choice([["*"], ["enrollment.*"], ["payment.*", "enrollment.*"]])
    address = "https://receiver.example.test/hooks"
    act.attempt(create_endpoint, workspace_id=act.workspace.pk, url=address, event_types=types)


def _at_one(act: Acting, use_case: Callable[..., Any], **more: Any) -> None:
    """Attempt it at an endpoint that listens, which is added if there is none."""
    if not LISTENING.exists():
        _listen(act)
    act.on(LISTENING, use_case, "endpoint_id", **more)


def _deliver(act: Acting) -> None:
    """Send what is due to one endpoint, which accepts it or does not, after a week of failures or not."""
    if not LISTENING.exists():
        _listen(act)
    fan_out(now=act.now)
    endpoint = pick(LISTENING, act.nth())

    def ask(*_: Any, **__: Any) -> Answer:
        status = act.chance.choice([200, 200, 200, 500, None, 410 if act.yes() else 200])
        if status is None:
            raise NoAnswer("No answer.")
        return Answer(status, {}, b"")

    with patch.object(delivering, "ask", ask), patch.object(delivering, "RESTS_AFTER", 100):
        for _ in range(5):
            act.attempt(deliver_next, endpoint_id=endpoint.pk)


def _change_an_endpoint(act: Acting) -> None:
    endpoint = pick(ENDPOINTS, act.nth())
    types = act.chance.choice([["*"], ["enrollment.*"]])

    def change_an_endpoint(*, now: dt.datetime) -> None:
        change_endpoint(endpoint_id=endpoint.pk, event_types=types)

    act.attempt(change_an_endpoint)


def _forget_deliveries(act: Acting) -> None:
    for row in WebhookDelivery.objects.order_by("pk")[:5]:
        WebhookDelivery.objects.filter(pk=row.pk).update(created_at=act.now - A_MONTH)
    act.attempt(forget_old_deliveries, limit=20)


def _send_mails(act: Acting) -> None:
    def deliver(*_: Any) -> None:
        said = act.chance.randrange(8)
        if said == 0:
            raise smtplib.SMTPServerDisconnected
        if said == 1:
            raise smtplib.SMTPSenderRefused(550, b"No", "us@example.test")

    with (
        patch.object(sending, "_deliver", deliver),
        patch.object(sending, "log", Strict()),
        patch.object(sending, "RETRY", dataclasses.replace(sending.RETRY, attempts=1)),
    ):
        act.attempt(send_due_notifications, limit=20)


def _kind(act: Acting) -> str:
    return act.chance.choice([wording.kind for wording in list_wordings()][:2])


def _begin_a_letter(act: Acting) -> None:
    words = {"kind": _kind(act), "language": act.chance.choice(["en", "pl"])}
    act.attempt(begin_letter, workspace_id=act.workspace.pk, actor=STAFF, **words)


def _change_a_letter(act: Acting) -> None:
    _begin_a_letter(act)
    letter = pick(LETTERS, act.nth())
    words = {"subject": letter.subject, "body": letter.body, "is_on": act.yes()}
    act.attempt(change_letter, letter_id=letter.pk, actor=STAFF, **words)


def _reset_a_letter(act: Acting) -> None:
    letter = pick(LETTERS, act.nth())

    def reset_a_letter(*, now: dt.datetime) -> None:
        reset_letter(letter_id=letter.pk)

    act.attempt(reset_a_letter)
