import pytest
from django.urls import reverse

from accounts.models import Workspace
from accounts.states import Role
from accounts.tests.factories import WorkspaceFactory
from backoffice.tests.staff_client import StaffClient, said
from core.clock import utc_now
from events.models import OutboxEvent, WebhookDelivery, WebhookEndpoint
from events.states import DeliveryStatus, RelayStatus
from events.tests.factories import happen, listen, tell
from events.tests.receiving import Receiver, send_all
from events.webhooks.queueing import ping

pytestmark = pytest.mark.django_db


@pytest.fixture
def workspace() -> Workspace:
    return WorkspaceFactory()


def dead(workspace: Workspace, times: int = 1) -> list[int]:
    ids = happen(workspace=workspace, times=times)
    OutboxEvent.objects.filter(pk__in=ids).update(relay_status=RelayStatus.DEAD, attempts=12)
    return ids


class TestReplaying:
    def test_makes_a_dead_event_due_again(self, workspace: Workspace) -> None:
        (event_id,) = dead(workspace)
        manager = StaffClient(workspace=workspace, role=Role.ADMIN)

        response = manager.post(reverse("admin:events_outboxevent_replay", args=[event_id]))

        event = OutboxEvent.objects.get(pk=event_id)
        assert said(response) == ["The event is on its way again."]
        assert (event.relay_status, event.attempts) == (RelayStatus.PENDING, 0)

    def test_takes_several_at_once_and_tells_which_were_not_dead(self, workspace: Workspace) -> None:
        ids = dead(workspace, times=2)
        waiting = happen(workspace=workspace, thing="2")[-1]
        manager = StaffClient(workspace=workspace, role=Role.ADMIN)

        response = manager.post(
            reverse("admin:events_outboxevent_changelist"),
            {"action": "replay_selected", "_selected_action": [*ids, waiting], "_confirmed": "1"},
        )

        assert said(response) == ["Relay again: 2 done.", "thing.happened thing:2#1: not possible."]
        assert not OutboxEvent.objects.filter(relay_status=RelayStatus.DEAD).exists()

    def test_is_not_offered_for_an_event_that_waits(self, workspace: Workspace) -> None:
        (event_id,) = happen(workspace=workspace)
        manager = StaffClient(workspace=workspace, role=Role.ADMIN)

        page = manager.get(reverse("admin:events_outboxevent_change", args=[event_id]))

        assert page.context["actions_detail"] == []


class TestTheList:
    def test_finds_an_event_by_what_it_is_about_or_by_the_number_of_that(self, workspace: Workspace) -> None:
        (event_id,) = happen(workspace=workspace)
        OutboxEvent.objects.filter(pk=event_id).update(aggregate="payment:120987")
        happen(workspace=workspace, thing="2")
        viewer = StaffClient(workspace=workspace, role=Role.ADMIN)
        cuid = OutboxEvent.objects.get(pk=event_id).cuid
        url = reverse("admin:events_outboxevent_changelist")

        found = [viewer.get(url, {"q": term}).context["cl"] for term in ("payment:120987", "120987", cuid)]

        assert [[row.pk for row in each.result_list] for each in found] == [[event_id]] * 3


@pytest.mark.sqlite
class TestAddingAnEndpoint:
    def test_keeps_the_kinds_of_events_a_line_each(self, workspace: Workspace) -> None:
        owner = StaffClient(workspace=workspace, role=Role.OWNER)
        asked = {
            "workspace": workspace.pk,
            "url": "https://hooks.example.org/in",
            "event_types": "enrollment.*\nseat.used",
        }

        owner.post(reverse("admin:events_webhookendpoint_create"), asked)

        assert WebhookEndpoint.objects.get().event_types == ["enrollment.*", "seat.used"]


class TestReplayingDaysToAnEndpoint:
    @pytest.mark.parametrize("day", ["9999-12-31", "2199-12-31", "0001-01-01"])
    def test_refuses_days_beyond_those_that_are_kept(self, workspace: Workspace, day: str) -> None:
        endpoint = listen(workspace, now=utc_now())
        manager = StaffClient(workspace=workspace, role=Role.ADMIN)
        address = reverse("admin:events_webhookendpoint_replay", args=[endpoint.pk])

        page = manager.confirm(address, {"since": day, "until": day})

        assert page.status_code == 200
        assert "Give a date from" in page.content.decode()
        assert not WebhookDelivery.objects.exists()


class TestSendingFailedOnesAgain:
    def test_is_offered_where_an_event_was_given_up_and_not_for_a_ping(
        self, workspace: Workspace, receiver: Receiver
    ) -> None:
        receiver.status = 503
        endpoint = listen(workspace, now=utc_now())
        manager = StaffClient(workspace=workspace, role=Role.ADMIN)
        page = reverse("admin:events_webhookendpoint_change", args=[endpoint.pk])
        ping(endpoint_id=endpoint.pk, now=utc_now())
        send_all(endpoint, utc_now())

        with_ping = manager.get(page).content.decode()
        tell(workspace, "1", now=utc_now())
        WebhookDelivery.objects.update(status=DeliveryStatus.FAILED)
        with_event = manager.get(page).content.decode()

        assert "Send a ping" in with_ping
        assert "Send failed ones again" not in with_ping
        assert "Send failed ones again" in with_event
