"""Webhooks: what is sent to whom, in which order, and what becomes of it where the receiver does not take it."""

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from standardwebhooks.webhooks import Webhook

from accounts.models import Membership, StaffTask, Workspace
from accounts.states import Role
from accounts.tests.factories import StaffFactory, WorkspaceFactory
from core.errors import Invalid
from core.outbound import Answer, NoAnswer
from events.models import OutboxEvent, WebhookAttempt, WebhookDelivery, WebhookEndpoint
from events.states import DeliveryStatus, DisabledReason
from events.webhooks import delivering, endpoints, queueing
from events.webhooks.delivering import deliver_next, endpoints_with_due_deliveries
from events.webhooks.endpoints import (
    change_endpoint,
    create_endpoint,
    delete_endpoint,
    disable_endpoint,
    enable_endpoint,
    rotate_secret,
)
from events.webhooks.errors import EndpointDisabled, TooManyEndpoints
from events.webhooks.queueing import fan_out, ping, redeliver, redeliver_failed, replay
from notifications.models import Notification
from notifications.sending import send_due_notifications

from .factories import happen, listen, tell

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

NOON = dt.datetime(2026, 9, 1, 12, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)


class Receiver:
    """What the other side answers: `status` to everything, or what `judge` says of a body; None is no answer."""

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
        """The `data.thing` of all that was sent, in its order."""
        return [str(json.loads(text)["data"].get("n", "ping")) for _, _, text in self.asked]


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Receiver:
    made = Receiver()
    monkeypatch.setattr(delivering, "ask", made.ask)
    return made


@pytest.fixture
def workspace() -> Workspace:
    made: Workspace = WorkspaceFactory()
    return made


def send_all(endpoint: WebhookEndpoint, now: dt.datetime) -> int:
    """All that is due at this moment, and becomes due by it; each a second after the other."""
    sent = 0
    while deliver_next(endpoint_id=endpoint.pk, now=now + sent * SECOND):
        sent += 1
    return sent


def fresh(row: Any) -> Any:
    return type(row).objects.get(pk=row.pk)


def statuses() -> list[str]:
    return list(WebhookDelivery.objects.order_by("pk").values_list("status", flat=True))


class TestAnEvent:
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

    def test_goes_to_each_endpoint_that_listens_to_its_type_once(self, workspace: Workspace) -> None:
        wanted = [["*"], ["thing.*"], ["thing.happened"], ["thing.happened", "thing.*", "*"]]
        told = [listen(workspace, now=NOON, event_types=types).pk for types in wanted]
        listen(workspace, now=NOON, event_types=["seat.*", "thing.made"])
        listen(WorkspaceFactory(), now=NOON)

        tell(workspace, "a", now=NOON)
        again = fan_out(now=NOON)

        assert sorted(WebhookDelivery.objects.values_list("endpoint", flat=True)) == told
        assert again == 0

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

    def test_comes_to_nothing_without_the_wait(
        self, workspace: Workspace, receiver: Receiver, monkeypatch: Any
    ) -> None:
        """Negative control: due is due, whatever else waits."""
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


class TestSwitchingOff:
    def test_keeps_what_waits_and_sends_nothing(self, workspace: Workspace, receiver: Receiver) -> None:
        endpoint = listen(workspace, now=NOON)
        tell(workspace, "before", now=NOON, n="before")
        disable_endpoint(endpoint_id=endpoint.pk, reason=DisabledReason.BY_HAND, now=NOON)
        tell(workspace, "meanwhile", now=NOON + HOUR, n="meanwhile")
        sent = send_all(endpoint, NOON + HOUR)

        enable_endpoint(endpoint_id=endpoint.pk, now=NOON + 2 * HOUR)
        tell(workspace, "after", now=NOON + 3 * HOUR, n="after")
        send_all(endpoint, NOON + 3 * HOUR)

        assert sent == 0
        assert receiver.told == ["before", "after"]

    def test_completes_the_task_once_it_is_on_again(self, workspace: Workspace, receiver: Receiver) -> None:
        endpoint = listen(workspace, now=NOON)
        tell(workspace, "a", now=NOON)
        receiver.status = 410
        send_all(endpoint, NOON)

        enable_endpoint(endpoint_id=endpoint.pk, now=NOON + HOUR)

        assert StaffTask.objects.get().resolution == "It was enabled again."

    def test_is_for_good_where_it_is_deleted(self, workspace: Workspace, receiver: Receiver) -> None:
        endpoint = listen(workspace, now=NOON)
        tell(workspace, "a", now=NOON)

        delete_endpoint(endpoint_id=endpoint.pk, now=NOON)

        assert send_all(endpoint, NOON + HOUR) == 0
        assert not endpoints.list_endpoints(workspace_id=workspace.pk).exists()
        assert fresh(endpoint).secret == ""


class TestAgain:
    def test_a_delivered_one_is_sent_under_the_same_id(self, workspace: Workspace, receiver: Receiver) -> None:
        endpoint = listen(workspace, now=NOON)
        (delivery,) = tell(workspace, "a", now=NOON)
        send_all(endpoint, NOON)

        redeliver(delivery_id=delivery.pk, now=NOON + HOUR)
        send_all(endpoint, NOON + HOUR)

        first, second = receiver.asked
        assert first[1]["webhook-id"] == second[1]["webhook-id"]
        assert fresh(delivery).delivered_at == NOON + HOUR
        assert WebhookAttempt.objects.count() == 2

    def test_all_failed_ones_are_sent(self, workspace: Workspace, receiver: Receiver) -> None:
        endpoint = listen(workspace, now=NOON)
        tell(workspace, "a", "b", now=NOON)
        WebhookDelivery.objects.update(status=DeliveryStatus.FAILED)
        tell(workspace, "c", now=NOON)

        again = redeliver_failed(endpoint_id=endpoint.pk, now=NOON + HOUR)
        send_all(endpoint, NOON + HOUR)

        assert again == 2
        assert statuses() == [DeliveryStatus.DELIVERED] * 3

    def test_a_range_is_sent_whether_it_was_before_or_not(self, workspace: Workspace, receiver: Receiver) -> None:
        for hour in range(5):
            tell(workspace, "a", now=NOON + hour * HOUR, n=f"a{hour}")
        endpoint = listen(workspace, now=NOON + 3 * HOUR)
        WebhookEndpoint.objects.update(position=0)
        fan_out(now=NOON + 4 * HOUR)
        send_all(endpoint, NOON + 4 * HOUR)
        known = list(receiver.told)

        count = replay(endpoint_id=endpoint.pk, since=NOON + HOUR, until=NOON + 4 * HOUR, now=NOON + 5 * HOUR)
        send_all(endpoint, NOON + 5 * HOUR)

        assert known == ["a3", "a4"]
        assert count == 3
        assert receiver.told[2:] == ["a1", "a2", "a3"]
        assert WebhookDelivery.objects.count() == 4

    def test_a_range_that_is_none_or_too_much_is_refused(self, workspace: Workspace, monkeypatch: Any) -> None:
        endpoint = listen(workspace, now=NOON)
        tell(workspace, "a", "b", now=NOON)
        monkeypatch.setattr(queueing, "REPLAYED_AT_ONCE", 1)
        WebhookDelivery.objects.all().delete()

        with pytest.raises(Invalid, match="more than 1 events"):
            replay(endpoint_id=endpoint.pk, since=NOON, until=NOON + HOUR, now=NOON)
        with pytest.raises(Invalid, match="until"):
            replay(endpoint_id=endpoint.pk, since=NOON, until=NOON, now=NOON)

        assert not WebhookDelivery.objects.exists()

    def test_a_ping_is_tried_once(self, workspace: Workspace, receiver: Receiver) -> None:
        endpoint = listen(workspace, now=NOON)
        receiver.status = 500

        sent = ping(endpoint_id=endpoint.pk, now=NOON)
        send_all(endpoint, NOON + SECOND)

        body = json.loads(receiver.asked[0][2])
        assert (body["type"], body["data"]) == ("ping", {"endpointId": endpoint.cuid})
        assert receiver.asked[0][1]["webhook-id"] == sent.cuid
        assert fresh(sent).status == DeliveryStatus.FAILED

    def test_nothing_is_sent_to_one_that_is_switched_off(self, workspace: Workspace) -> None:
        endpoint = listen(workspace, now=NOON)
        (delivery,) = tell(workspace, "a", now=NOON)
        WebhookDelivery.objects.update(status=DeliveryStatus.FAILED)
        disable_endpoint(endpoint_id=endpoint.pk, reason=DisabledReason.BY_HAND, now=NOON)

        for ask in (
            lambda: ping(endpoint_id=endpoint.pk, now=NOON),
            lambda: redeliver(delivery_id=delivery.pk, now=NOON),
            lambda: redeliver_failed(endpoint_id=endpoint.pk, now=NOON),
            lambda: replay(endpoint_id=endpoint.pk, since=NOON, until=NOON + HOUR, now=NOON),
        ):
            with pytest.raises(EndpointDisabled):
                ask()

        assert statuses() == [DeliveryStatus.FAILED]


class TestAnEndpoint:
    @pytest.mark.parametrize(
        ("field", "value", "word"),
        [
            ("url", "receiver", "Give an address as in"),
            ("url", "http://receiver.example.test/", "begin with https"),
            ("url", "https://user:word@receiver.example.test/", "name no user"),
            ("url", "https://127.0.0.1/", "not a public address"),
            ("event_types", [], "Name the types"),
            ("event_types", ["seat.lost"], "There is no event seat.lost"),
            ("event_types", ["se*"], "There is no event se*"),
        ],
    )
    def test_that_could_not_work_is_refused_by_its_field(
        self, workspace: Workspace, settings: Any, field: str, value: Any, word: str
    ) -> None:
        settings.SANDBOX = False
        endpoint = listen(workspace, now=NOON)

        with pytest.raises(Invalid) as refusal:
            change_endpoint(endpoint_id=endpoint.pk, **{field: value})

        assert refusal.value.errors[0].field == {"event_types": "eventTypes"}.get(field, field)
        assert word in refusal.value.detail
        assert getattr(fresh(endpoint), field) == getattr(endpoint, field)

    def test_is_one_of_few(self, workspace: Workspace, monkeypatch: Any) -> None:
        monkeypatch.setattr(endpoints, "MAX_ENDPOINTS", 1)
        listen(workspace, now=NOON)

        with pytest.raises(TooManyEndpoints):
            create_endpoint(workspace_id=workspace.pk, url="https://b.example.test", event_types=["*"], now=NOON)

        assert WebhookEndpoint.objects.count() == 1

    def test_is_asked_by_one_worker_at_a_time(self, workspace: Workspace, receiver: Receiver) -> None:
        endpoint = listen(workspace, now=NOON)
        tell(workspace, "a", "b", now=NOON)
        meanwhile: list[bool] = []

        def interrupt(body: dict[str, Any]) -> int:
            meanwhile.append(deliver_next(endpoint_id=endpoint.pk, now=NOON + SECOND))
            return 200

        receiver.judge = interrupt
        deliver_next(endpoint_id=endpoint.pk, now=NOON)

        assert meanwhile == [False]
        assert sorted(statuses()) == [DeliveryStatus.DELIVERED, DeliveryStatus.PENDING]

    def test_is_asked_again_after_a_worker_died(self, workspace: Workspace, receiver: Receiver) -> None:
        endpoint = listen(workspace, now=NOON)
        tell(workspace, "a", now=NOON)

        def die(body: dict[str, Any]) -> int:
            raise SystemExit

        receiver.judge = die
        with pytest.raises(SystemExit):
            deliver_next(endpoint_id=endpoint.pk, now=NOON)
        receiver.judge = None

        assert not deliver_next(endpoint_id=endpoint.pk, now=NOON + SECOND)
        assert deliver_next(endpoint_id=endpoint.pk, now=NOON + endpoints.LEASE)
        assert statuses() == [DeliveryStatus.DELIVERED]
