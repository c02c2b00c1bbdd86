"""The buttons of a webhook endpoint and of its deliveries, and what their pages show."""

import datetime as dt
from typing import Any

import pytest
from django.urls import reverse

from accounts.models import Workspace
from accounts.states import Role
from accounts.tests.factories import WorkspaceFactory
from backoffice.display import NOTHING
from backoffice.tests.staff_client import StaffClient, said
from core.clock import utc_now
from events.admin.story import tell_delivery
from events.models import OutboxEvent, WebhookDelivery, WebhookEndpoint
from events.states import DeliveryStatus
from events.webhooks.queueing import ping

from .factories import listen, tell

pytestmark = pytest.mark.django_db


@pytest.fixture
def workspace() -> Workspace:
    return WorkspaceFactory()


@pytest.fixture
def owner(workspace: Workspace) -> StaffClient:
    return StaffClient(workspace=workspace, role=Role.OWNER)


@pytest.fixture
def endpoint(workspace: Workspace) -> WebhookEndpoint:
    return listen(workspace, now=utc_now() - dt.timedelta(minutes=1), description="The CRM")


def page(row: Any, button: str = "change") -> str:
    return reverse(f"admin:events_{row._meta.model_name}_{button}", args=[row.pk])


def deliveries() -> list[str]:
    return list(WebhookDelivery.objects.order_by("pk").values_list("status", flat=True))


class TestTheButtonsOfAnEndpoint:
    def test_change_begins_with_what_is_there_and_stores_what_is_typed(
        self, owner: StaffClient, endpoint: WebhookEndpoint
    ) -> None:
        form = owner.get(page(endpoint, "edit")).context["form"]
        shown = [form[name].value() for name in ("url", "event_types", "description")]
        typed = {"url": "https://new.example.test/in", "event_types": "seat.used\nenrollment.*", "description": "ERP"}

        answer = owner.post(page(endpoint, "edit"), typed)

        endpoint.refresh_from_db()
        assert shown == ["https://receiver.example.test/hooks", "*", "The CRM"]
        assert said(answer) == ["The endpoint is changed. Waiting events go to the new address."]
        assert (endpoint.url, endpoint.event_types, endpoint.description) == (
            "https://new.example.test/in",
            ["seat.used", "enrollment.*"],
            "ERP",
        )

    def test_ping_leaves_a_delivery_of_no_event(self, owner: StaffClient, endpoint: WebhookEndpoint) -> None:
        answer = owner.post(page(endpoint, "ping"))

        assert said(answer) == ["The ping is on its way. The first delivery below shows its outcome."]
        assert WebhookDelivery.objects.get().event is None

    @pytest.mark.parametrize(
        ("things", "told"),
        [(["1"], "1 delivery is on the way again."), (["1", "2"], "2 deliveries are on the way again.")],
    )
    def test_send_failed_ones_again_makes_them_due(
        self, workspace: Workspace, owner: StaffClient, endpoint: WebhookEndpoint, things: list[str], told: str
    ) -> None:
        tell(workspace, *things, now=utc_now())
        WebhookDelivery.objects.update(status=DeliveryStatus.FAILED)

        answer = owner.post(page(endpoint, "redeliver_failed"))

        assert said(answer) == [told]
        assert deliveries() == ["pending"] * len(things)

    @pytest.mark.parametrize(
        ("things", "told"), [(["1"], "1 event is on the way."), (["1", "2"], "2 events are on the way.")]
    )
    def test_replay_sends_what_happened_on_the_last_day_too(
        self, workspace: Workspace, owner: StaffClient, endpoint: WebhookEndpoint, things: list[str], told: str
    ) -> None:
        Workspace.objects.filter(pk=workspace.pk).update(timezone="UTC")
        tell(workspace, *things, now=utc_now())
        WebhookDelivery.objects.update(status=DeliveryStatus.FAILED)
        today = utc_now().date()

        answer = owner.post(page(endpoint, "replay"), {"since": today - dt.timedelta(days=1), "until": today})

        assert said(answer) == [told]
        assert "pending" in deliveries()

    def test_replay_of_days_without_events_sends_none(
        self, workspace: Workspace, owner: StaffClient, endpoint: WebhookEndpoint
    ) -> None:
        tell(workspace, "1", now=utc_now())
        WebhookDelivery.objects.update(status=DeliveryStatus.FAILED)
        day = utc_now().date() - dt.timedelta(days=3)

        answer = owner.post(page(endpoint, "replay"), {"since": day, "until": day})

        assert said(answer) == ["0 events are on the way."]
        assert deliveries() == ["failed"]

    def test_rotate_shows_the_new_secret_once(self, owner: StaffClient, endpoint: WebhookEndpoint) -> None:
        before = endpoint.secret

        answer = owner.post(page(endpoint, "rotate"))

        endpoint.refresh_from_db()
        assert endpoint.secret != before
        assert endpoint.previous_secret == before
        assert endpoint.secret in answer.content.decode()
        assert "no-store" in answer["Cache-Control"]
        assert endpoint.secret not in owner.get(page(endpoint)).content.decode()

    def test_disable_and_enable_answer_each_other(self, owner: StaffClient, endpoint: WebhookEndpoint) -> None:
        off = owner.post(page(endpoint, "disable"))
        is_off = not WebhookEndpoint.objects.get().is_enabled
        on = owner.post(page(endpoint, "enable"))

        assert said(off) == ["The endpoint receives no more events."]
        assert is_off
        assert said(on)[-1] == "The endpoint receives events again."
        assert WebhookEndpoint.objects.get().is_enabled

    def test_delete_leads_back_to_the_list_without_it(self, owner: StaffClient, endpoint: WebhookEndpoint) -> None:
        answer = owner.post(page(endpoint, "remove"))

        listed = owner.get(answer["Location"])
        assert answer["Location"] == reverse("admin:events_webhookendpoint_changelist")
        assert "The endpoint is deleted." in [str(message) for message in listed.context["messages"]]
        assert listed.context["cl"].result_count == 0


class TestTheListOfEndpoints:
    @pytest.mark.parametrize(
        ("changed", "state"),
        [
            ({}, "Active"),
            ({"failing_since": utc_now()}, "Failing"),
            ({"disabled_reason": "by_hand", "disabled_at": utc_now()}, None),
        ],
    )
    def test_shows_how_each_is(
        self, owner: StaffClient, endpoint: WebhookEndpoint, changed: dict[str, Any], state: str | None
    ) -> None:
        WebhookEndpoint.objects.update(**changed)
        endpoint.refresh_from_db()

        text = "".join(owner.get(reverse("admin:events_webhookendpoint_changelist")).content.decode().split())

        told = state or endpoint.get_disabled_reason_display()
        assert f">{''.join(told.split())}</span>" in text

    def test_shows_its_address_its_types_and_what_waits_or_failed(
        self, workspace: Workspace, owner: StaffClient, endpoint: WebhookEndpoint
    ) -> None:
        for delivery in tell(workspace, "1", "2", "3", now=utc_now())[:1]:
            WebhookDelivery.objects.filter(pk=delivery.pk).update(status=DeliveryStatus.FAILED)

        listed = owner.get(reverse("admin:events_webhookendpoint_changelist")).context["cl"]

        (row,) = listed.result_list
        shown = listed.model_admin
        assert shown.address(row) == (
            '<span class="backoffice-address">https://receiver.example.test/hooks<br>The CRM</span>'
        )
        assert (shown.types_text(row), shown.waiting(row), shown.failed(row)) == ("all", "2", "1")
        row.event_types = ["seat.used", "enrollment.*"]
        assert shown.types_text(row) == "seat.used, enrollment.*"


class TestADeliverysPage:
    def order(self, owner: StaffClient, delivery: WebhookDelivery) -> str:
        admin = owner.get(page(delivery)).context["adminform"].model_admin
        return str(admin.order_text(WebhookDelivery.objects.get(pk=delivery.pk)))

    def test_says_for_which_event_it_waits(
        self, workspace: Workspace, owner: StaffClient, endpoint: WebhookEndpoint
    ) -> None:
        first, second, other = tell(workspace, "1", "1", "2", now=utc_now())

        assert self.order(owner, second) == (
            f"Waits for event {first.sequence} about the same object, which is given up after three days at the latest."
        )
        assert [self.order(owner, each) for each in (first, other)] == [NOTHING, NOTHING]

    @pytest.mark.parametrize(
        ("changed", "told"),
        [
            (
                {"is_after_gap": True},
                "An earlier event about the same object was given up, so this one is sent without it.",
            ),
            ({"status": DeliveryStatus.FAILED}, NOTHING),
        ],
    )
    def test_says_why_it_does_not_wait(
        self,
        workspace: Workspace,
        owner: StaffClient,
        endpoint: WebhookEndpoint,
        changed: dict[str, Any],
        told: str,
    ) -> None:
        _, second = tell(workspace, "1", "1", now=utc_now())
        WebhookDelivery.objects.filter(pk=second.pk).update(**changed)

        assert self.order(owner, second) == told

    def test_says_that_its_endpoint_is_off(
        self, workspace: Workspace, owner: StaffClient, endpoint: WebhookEndpoint
    ) -> None:
        (delivery,) = tell(workspace, "1", now=utc_now())
        WebhookEndpoint.objects.update(disabled_reason="by_hand", disabled_at=utc_now())

        assert self.order(owner, delivery) == "Waits until the endpoint is enabled."

    def test_sends_it_again(self, workspace: Workspace, owner: StaffClient, endpoint: WebhookEndpoint) -> None:
        (delivery,) = tell(workspace, "1", now=utc_now())
        WebhookDelivery.objects.update(status=DeliveryStatus.FAILED)

        answer = owner.post(page(delivery, "redeliver"))

        assert said(answer) == ["The delivery is on its way again."]
        assert deliveries() == ["pending"]


class TestTheStoryOfAnObject:
    def test_names_the_event_or_the_ping(self, workspace: Workspace, endpoint: WebhookEndpoint) -> None:
        (of_event,) = tell(workspace, "1", now=utc_now())
        ping(endpoint_id=endpoint.pk, now=utc_now())
        of_ping = WebhookDelivery.objects.exclude(pk=of_event.pk).get()
        of_event.last_error = "It answered 503."

        told = [tell_delivery(each) for each in (of_event, of_ping)]

        assert [(each.title, each.note, each.url) for each in told] == [
            ("Webhook: thing.happened", "It answered 503.", page(of_event)),
            ("Webhook: ping", "", page(of_ping)),
        ]
        assert OutboxEvent.objects.exists()
