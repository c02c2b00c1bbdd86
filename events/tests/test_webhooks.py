"""Webhooks: what is sent to whom, in which order, and what happens if the receiver does not accept it."""

import datetime as dt
import json
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from standardwebhooks.webhooks import Webhook

from accounts.models import Membership, StaffTask, Workspace
from accounts.states import Role
from accounts.tests.factories import StaffFactory, WorkspaceFactory
from events.models import OutboxEvent, WebhookAttempt, WebhookDelivery, WebhookEndpoint
from events.states import DeliveryStatus, DisabledReason
from events.webhooks import delivering
from events.webhooks.delivering import endpoints_with_due_deliveries
from events.webhooks.endpoints import (
    rotate_secret,
)
from events.webhooks.queueing import fan_out
from notifications.models import Notification
from notifications.sending import send_due_notifications

from .factories import happen, listen, tell
from .receiving import DAY, HOUR, NOON, SECOND, Receiver, fresh, send_all, statuses

pytestmark = pytest.mark.django_db


class TestAnEvent:
    @pytest.mark.sqlite
    def test_is_sent_signed_and_without_what_is_personal(self, workspace: Workspace, receiver: Receiver) -> None:
        endpoint = listen(workspace, now=NOON)
        (delivery,) = tell(workspace, "a", now=NOON, n=1, email="jane@school.test")

        send_all(endpoint, NOON + SECOND)

        ((url, headers, text),) = receiver.asked
        event = OutboxEvent.objects.get()
        assert url == "https://receiver.example.test/hooks"
        assert json.loads(text) == {"type": "thing.happened", "timestamp": "2026-09-01T12:00:00Z", "data": {"n": 1}}
        assert headers["webhook-id"] == event.cuid
        assert headers["webhook-timestamp"] == str(int((NOON + SECOND).timestamp()))
        signed = Webhook(endpoint.secret).sign(event.cuid, NOON + SECOND, text)
        assert headers["webhook-signature"] == signed
        assert (fresh(delivery).status, fresh(delivery).attempts) == (DeliveryStatus.DELIVERED, 1)
        assert list(WebhookAttempt.objects.values_list("status", "error")) == [(200, "")]

    @pytest.mark.sqlite
    def test_goes_to_each_endpoint_that_listens_to_its_type_once(self, workspace: Workspace) -> None:
        wanted = [["*"], ["thing.*"], ["thing.happened"], ["thing.happened", "thing.*", "*"]]
        told = [listen(workspace, now=NOON, event_types=types).pk for types in wanted]
        listen(workspace, now=NOON, event_types=["seat.*", "thing.made"])
        listen(WorkspaceFactory(), now=NOON)

        tell(workspace, "a", now=NOON)
        again = fan_out(now=NOON)

        assert sorted(WebhookDelivery.objects.values_list("endpoint", flat=True)) == told
        assert again == 0

    @pytest.mark.sqlite
    def test_that_happened_before_the_endpoint_was_made_is_not_sent(self, workspace: Workspace) -> None:
        happen(workspace=workspace, times=3)
        later = OutboxEvent.objects.order_by("-occurred_at")[0].occurred_at + SECOND
        listen(workspace, now=later)

        assert tell(workspace, "new", now=later)[0].aggregate == "thing:new"
        assert WebhookDelivery.objects.count() == 1

    def test_is_found_in_as_many_batches_as_it_takes(self, workspace: Workspace, monkeypatch: Any) -> None:
        monkeypatch.setattr("events.feed.BATCH", 3)
        listen(workspace, now=NOON)

        tell(workspace, *"abcdefg", now=NOON)
        while fan_out(limit=2, now=NOON):
            pass

        assert [d.aggregate[-1] for d in WebhookDelivery.objects.order_by("pk")] == list("abcdefg")

    def test_has_one_delivery_for_an_endpoint_whoever_makes_it(self, workspace: Workspace) -> None:
        endpoint = listen(workspace, now=NOON)
        (delivery,) = tell(workspace, "a", now=NOON)
        WebhookEndpoint.objects.update(position=0)

        fan_out(now=NOON)

        assert WebhookDelivery.objects.get() == delivery
        with pytest.raises(IntegrityError), transaction.atomic():
            WebhookDelivery.objects.create(
                endpoint=endpoint,
                event=delivery.event,
                aggregate="thing:a",
                sequence=1,
                next_attempt_at=NOON,
                give_up_at=NOON,
            )


class TestSigning:
    def test_is_by_both_secrets_for_a_day_after_a_rotation(self, workspace: Workspace, receiver: Receiver) -> None:
        endpoint = listen(workspace, now=NOON)
        old = endpoint.secret
        new = rotate_secret(endpoint_id=endpoint.pk, now=NOON).secret

        tell(workspace, "a", now=NOON)
        send_all(endpoint, NOON + SECOND)
        tell(workspace, "b", now=NOON + DAY)
        send_all(endpoint, NOON + DAY)

        during, after = [headers["webhook-signature"].split() for _, headers, _ in receiver.asked]
        (first, text), (second, later) = [(h["webhook-id"], text) for _, h, text in receiver.asked]
        assert during == [Webhook(secret).sign(first, NOON + SECOND, text) for secret in (new, old)]
        assert after == [Webhook(new).sign(second, NOON + DAY, later)]

    def test_needs_a_secret_that_the_database_does_not_show(self, workspace: Workspace) -> None:
        endpoint = listen(workspace, now=NOON)

        with connection.cursor() as cursor:
            cursor.execute("SELECT secret FROM events_webhookendpoint")
            ((stored,),) = cursor.fetchall()

        assert endpoint.secret.startswith("whsec_")
        assert endpoint.secret not in stored


class TestTheOrder:
    def test_is_kept_within_an_aggregate_and_holds_up_no_other(self, workspace: Workspace, receiver: Receiver) -> None:
        endpoint = listen(workspace, now=NOON)
        tell(workspace, "a", now=NOON, n="a1")
        tell(workspace, "a", now=NOON, n="a2")
        tell(workspace, "b", now=NOON, n="b1")
        receiver.judge = lambda body: 500 if body["data"]["n"] == "a1" else 200

        send_all(endpoint, NOON + SECOND)
        stuck = list(receiver.told)
        receiver.judge = None
        send_all(endpoint, NOON + HOUR)

        assert stuck == ["a1", "b1"]
        assert receiver.told == ["a1", "b1", "a1", "a2"]

    def test_ends_where_an_earlier_event_was_given_up_and_the_delivery_says_so(
        self, workspace: Workspace, receiver: Receiver
    ) -> None:
        endpoint = listen(workspace, now=NOON)
        (first,) = tell(workspace, "a", now=NOON, n="a1")
        (second,) = tell(workspace, "a", now=NOON, n="a2")
        tell(workspace, "b", now=NOON, n="b1")
        receiver.judge = lambda body: 500 if body["data"]["n"] == "a1" else 200

        for hours in range(0, 80, 4):
            send_all(endpoint, NOON + hours * HOUR)

        assert [(row.status, row.is_after_gap) for row in map(fresh, (first, second))] == [
            (DeliveryStatus.FAILED, False),
            (DeliveryStatus.DELIVERED, True),
        ]
        assert fresh(first).last_error == "The receiver answered 500."
        assert fresh(second).delivered_at > NOON + 3 * DAY

    def test_has_no_gap_where_another_worker_delivered_meanwhile(
        self, workspace: Workspace, receiver: Receiver
    ) -> None:
        endpoint = listen(workspace, now=NOON)
        (first,) = tell(workspace, "a", now=NOON, n="a1")
        (second,) = tell(workspace, "a", now=NOON, n="a2")

        def be_overtaken(body: Any) -> int:
            if body["data"]["n"] != "a1":
                return 200
            WebhookDelivery.objects.filter(pk=first.pk).update(status=DeliveryStatus.DELIVERED, delivered_at=NOON)
            return 500

        receiver.judge = be_overtaken

        send_all(endpoint, NOON + 4 * DAY)

        assert receiver.told == ["a1", "a2"]
        assert [(row.status, row.is_after_gap) for row in map(fresh, (first, second))] == [
            (DeliveryStatus.DELIVERED, False),
            (DeliveryStatus.DELIVERED, False),
        ]

    @pytest.mark.sqlite
    def test_comes_to_nothing_without_the_wait(
        self, workspace: Workspace, receiver: Receiver, monkeypatch: Any
    ) -> None:
        """Negative control: without the wait, due deliveries are sent whatever else waits."""
        endpoint = listen(workspace, now=NOON)
        tell(workspace, "a", now=NOON, n="a1")
        tell(workspace, "a", now=NOON, n="a2")
        receiver.judge = lambda body: 500 if body["data"]["n"] == "a1" else 200

        def due(endpoint_id: int, now: dt.datetime) -> Any:
            rows = WebhookDelivery.objects.filter(endpoint=endpoint_id, status="pending", next_attempt_at__lte=now)
            return rows.order_by("pk")

        monkeypatch.setattr(delivering, "due_deliveries", due)
        send_all(endpoint, NOON + SECOND)

        assert receiver.told == ["a1", "a2"]


class TestAReceiverThatIsDown:
    def test_for_two_days_gets_everything_once_it_is_back_and_in_order(
        self, workspace: Workspace, receiver: Receiver
    ) -> None:
        endpoint = listen(workspace, now=NOON)
        receiver.status = None
        expected: dict[str, list[str]] = {name: [] for name in "abc"}
        for hours in range(48):
            for name in "abc" if hours % 8 == 0 else "":
                tell(workspace, name, now=NOON + hours * HOUR, n=f"{name}{hours}")
                expected[name].append(f"{name}{hours}")
            send_all(endpoint, NOON + hours * HOUR)
        tries = len(receiver.asked)
        receiver.asked.clear()
        receiver.status = 200

        send_all(endpoint, NOON + 49 * HOUR)

        assert tries < 100
        assert statuses() == [DeliveryStatus.DELIVERED] * 18
        assert {name: [n for n in receiver.told if n[0] == name] for name in "abc"} == expected

    @pytest.mark.sqlite
    def test_is_asked_once_in_a_while_and_not_for_every_event(self, workspace: Workspace, receiver: Receiver) -> None:
        endpoint = listen(workspace, now=NOON)
        tell(workspace, *"abcdefghij", now=NOON)
        receiver.status = 503

        tried = send_all(endpoint, NOON + SECOND)

        assert tried == delivering.RESTS_AFTER
        assert fresh(endpoint).next_attempt_at > NOON + 5 * SECOND
        assert endpoints_with_due_deliveries(now=NOON + 5 * SECOND) == []

    def test_is_left_alone_for_as_long_as_it_asks(self, workspace: Workspace, receiver: Receiver) -> None:
        endpoint = listen(workspace, now=NOON)
        (delivery,) = tell(workspace, "a", now=NOON)
        receiver.status, receiver.headers = 429, {"retry-after": "3600"}

        send_all(endpoint, NOON)

        assert fresh(delivery).next_attempt_at == NOON + HOUR

    def test_for_a_week_is_switched_off_and_the_owner_is_told(
        self, workspace: Workspace, receiver: Receiver, mailoutbox: list[Any]
    ) -> None:
        Membership.objects.create(workspace=workspace, user=StaffFactory(email="owner@x.test"), role=Role.OWNER)
        Membership.objects.create(workspace=workspace, user=StaffFactory(email="viewer@x.test"), role=Role.VIEWER)
        endpoint = listen(workspace, now=NOON)
        receiver.status = 302
        for day in range(8):
            tell(workspace, f"day{day}", now=NOON + day * DAY)
            send_all(endpoint, NOON + day * DAY + HOUR)

        off = fresh(endpoint)
        send_due_notifications(now=NOON + 8 * DAY)

        assert (off.disabled_reason, off.disabled_at.date()) == (DisabledReason.FAILING, dt.date(2026, 9, 8))
        assert StaffTask.objects.get().subject == f"webhook-endpoint:{endpoint.pk}"
        assert list(Notification.objects.values_list("recipient", flat=True)) == ["owner@x.test"]
        assert "has accepted nothing for a week" in mailoutbox[0].body

    def test_for_good_says_410_and_is_switched_off_at_once(self, workspace: Workspace, receiver: Receiver) -> None:
        endpoint = listen(workspace, now=NOON)
        tell(workspace, "a", "b", now=NOON)
        receiver.status = 410

        send_all(endpoint, NOON + SECOND)

        assert fresh(endpoint).disabled_reason == DisabledReason.GONE
        assert len(receiver.asked) == 1
        assert statuses() == [DeliveryStatus.PENDING] * 2

    def test_has_the_failures_counted_from_the_last_success(self, workspace: Workspace, receiver: Receiver) -> None:
        endpoint = listen(workspace, now=NOON)
        for day in range(9):
            receiver.status = 200 if day == 5 else 500
            tell(workspace, f"day{day}", now=NOON + day * DAY)
            send_all(endpoint, NOON + day * DAY)

        assert fresh(endpoint).is_enabled
        assert fresh(endpoint).failing_since == NOON + 6 * DAY
