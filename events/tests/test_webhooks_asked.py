"""Requests about webhooks: disabling and enabling an endpoint, sending again, and refusals."""

import json
from typing import Any

import pytest

from accounts.models import StaffTask, Workspace
from core.errors import Invalid
from events.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from events.states import DeliveryStatus, DisabledReason
from events.webhooks import endpoints, queueing
from events.webhooks.delivering import deliver_next
from events.webhooks.endpoints import (
    change_endpoint,
    create_endpoint,
    delete_endpoint,
    disable_endpoint,
    enable_endpoint,
)
from events.webhooks.errors import DeliveryNotFound, EndpointDisabled, TooManyEndpoints
from events.webhooks.queueing import fan_out, ping, redeliver, redeliver_failed, replay

from .factories import listen, tell
from .receiving import HOUR, NOON, SECOND, Receiver, fresh, send_all, statuses

pytestmark = pytest.mark.django_db


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

    @pytest.mark.sqlite
    def test_is_for_good_where_it_is_deleted(self, workspace: Workspace, receiver: Receiver) -> None:
        endpoint = listen(workspace, now=NOON)
        tell(workspace, "a", now=NOON)

        delete_endpoint(endpoint_id=endpoint.pk, now=NOON)

        assert send_all(endpoint, NOON + HOUR) == 0
        assert not endpoints.list_endpoints(workspace_id=workspace.pk).exists()
        assert fresh(endpoint).secret == ""


class TestAgain:
    @pytest.mark.sqlite
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


class TestADeliveryForgottenMeanwhile:
    def test_is_not_found_when_it_is_to_be_sent_again(
        self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        endpoint = listen(workspace, now=NOON)
        (delivery,) = tell(workspace, "a", now=NOON)

        def forget(endpoint_id: int) -> WebhookEndpoint:
            WebhookDelivery.objects.all().delete()
            return endpoint

        monkeypatch.setattr(queueing, "_enabled", forget)

        with pytest.raises(DeliveryNotFound):
            redeliver(delivery_id=delivery.pk, now=NOON)

    @pytest.mark.parametrize("model", [WebhookDelivery, WebhookEndpoint])
    def test_is_answered_for_nothing(
        self, workspace: Workspace, receiver: Receiver, model: type[WebhookDelivery] | type[WebhookEndpoint]
    ) -> None:
        """The endpoint was deleted while it was sent, and the sweep came right after that."""
        endpoint = listen(workspace, now=NOON)
        tell(workspace, "a", now=NOON)
        receiver.judge = lambda body: 200 if model.objects.all().delete() else 500

        assert deliver_next(endpoint_id=endpoint.pk, now=NOON)
        assert len(receiver.asked) == 1
        assert not WebhookAttempt.objects.exists()


class TestAnEndpoint:
    @pytest.mark.parametrize(
        ("field", "value", "word"),
        [
            ("url", "receiver", "Give an address as in"),
            ("url", "http://receiver.example.test/", "begin with https"),
            ("url", "https://user:word@receiver.example.test/", "must not contain a user name"),
            ("url", "https://127.0.0.1/", "not a public address"),
            ("event_types", [], "Name the event types"),
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

    @pytest.mark.sqlite
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
