"""What the front page says is waiting: for whom, how many, and that each tile links to a list of exactly these."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Membership, StaffTask, Workspace
from accounts.states import Role
from backoffice.queues import Queue, list_queues, register_queue
from billing.models import Checkout, Refund, StripeEvent
from billing.task_kinds import REFUND_FAILED
from core.clock import utc_now
from enrollment_project.dashboard.waiting import Tile
from enrollments.models import EnrollmentDecision
from events.models import OutboxEvent, WebhookDelivery
from operations.models import Finding
from partners.models import EnrollmentStep, PartnerEvent

from .small_demo import MINE, OTHERS, SignIn, person

INDEX = reverse("admin:index")
LONG_AGO = utc_now() - dt.timedelta(days=30)


def one_of(rows: Any, **values: object) -> None:
    """Give one row in each workspace these values."""
    path = {Refund: "payment__workspace", WebhookDelivery: "endpoint__workspace", PartnerEvent: "provider__workspace"}
    path |= {EnrollmentStep: "enrollment__workspace"}
    for slug in (MINE, OTHERS):
        row = rows.filter(**{f"{path.get(rows.model, 'workspace')}__slug": slug}).earliest("pk")
        assert rows.model.objects.filter(pk=row.pk).update(**values) == 1


def interrupt_decisions() -> None:
    ended = Checkout.objects.filter(pk__in=EnrollmentDecision.objects.values("checkout"))
    one_of(ended.exclude(status="paid"), status="processing")
    processed = Checkout.objects.filter(status="processing").values("pk")
    EnrollmentDecision.objects.filter(checkout__in=processed).update(status="failed")


# How a row gets into each queue that the demo leaves empty, or may leave empty.
WAYS: dict[str, Callable[[], object]] = {
    "review": lambda: None,
    "events_given_up": lambda: None,
    "overdue": lambda: one_of(Checkout.objects.filter(payments=None), status="open", expires_at=LONG_AGO),
    "unanswered": lambda: one_of(Refund.objects.all(), status="pending", created_at=LONG_AGO),
    "stripe_unhandled": lambda: StripeEvent.objects.create(
        event_id="evt_late", type="x", payload={}, stripe_created_at=LONG_AGO, received_at=LONG_AGO
    ),
    "interrupted": interrupt_decisions,
    "events_late": lambda: one_of(OutboxEvent.objects.all(), relay_status="pending", occurred_at=LONG_AGO),
    "deliveries_given_up": lambda: one_of(WebhookDelivery.objects.all(), status="failed"),
    "partner_unhandled": lambda: one_of(PartnerEvent.objects.filter(handled_at=None), received_at=LONG_AGO),
    "mismatches": lambda: None,
    "findings": lambda: Finding.objects.create(
        invariant="a.b", row="place 1", fact="is lost", found_at=LONG_AGO, seen_at=LONG_AGO, times_seen=2
    ),
    "stuck": lambda: one_of(EnrollmentStep.objects.filter(status="in_progress", retired_at=None), changed_at=LONG_AGO),
}


@pytest.fixture
def something_waits_everywhere(world: None, db: None) -> None:
    for way in WAYS.values():
        way()
    for slug in (MINE, OTHERS):
        for number in range(2):
            StaffTask.objects.create(
                workspace=Workspace.objects.get(slug=slug),
                kind=REFUND_FAILED.name,
                subject=f"refund:{number + (slug == MINE) * 10}",
                summary="A refund failed.",
                created_at=LONG_AGO,
            )


def tiles(client: Client, **query: Any) -> dict[str, Tile]:
    waiting = client.get(INDEX, query).context["waiting"]
    return {tile.name: tile for tile in [*waiting.mine, *waiting.others]}


def count_of(client: Client, tile: Tile) -> int:
    shown: int = client.get(tile.url).context["cl"].result_count
    return shown


@pytest.mark.usefixtures("something_waits_everywhere")
@pytest.mark.unordered_locks  # the tests prepare and sign in within one transaction
class TestATile:
    @pytest.mark.parametrize(
        ("role", "slug", "missing"),
        [("viewer", None, {"stripe_unhandled", "findings"}), ("superuser", None, set()), ("superuser", OTHERS, set())],
    )
    def test_counts_what_its_list_shows(self, role: str, slug: str | None, missing: set[str], sign_in: SignIn) -> None:
        client = sign_in(role)
        chosen = {"workspace": Workspace.objects.get(slug=slug).pk} if slug else {}

        found = tiles(client, **chosen)

        assert {*WAYS, REFUND_FAILED.name} - set(found) == missing
        assert {name: tile.count for name, tile in found.items()} == {
            name: count_of(client, tile) for name, tile in found.items()
        }

    def test_says_how_long_the_oldest_has_waited(self, sign_in: SignIn) -> None:
        assert tiles(sign_in("viewer"))[REFUND_FAILED.name].age in ("30 days", "1 month", "4 weeks")

    def test_is_among_mine_once_my_role_can_act(self, sign_in: SignIn) -> None:
        mine = {}
        for role in ("viewer", "reviewer", "finance", "admin", "superuser"):
            found = tiles(sign_in(role))
            mine[role] = {tile.name for tile in found.values() if tile.is_mine}

        assert mine["viewer"] == set()
        assert mine["reviewer"] >= {"review", "stuck", "overdue"}
        assert not mine["reviewer"] & {"unanswered", REFUND_FAILED.name}
        assert mine["finance"] >= {"unanswered", "overdue", REFUND_FAILED.name}
        assert not mine["finance"] & {"review", "stuck"}
        assert mine["admin"] >= {"review", "unanswered", "partner_unhandled", REFUND_FAILED.name}
        assert mine["superuser"] - mine["admin"] == {"findings", "stripe_unhandled", "events_late"}

    def test_that_can_not_wait_comes_first(self, sign_in: SignIn) -> None:
        page = sign_in("admin").get(INDEX)

        urgencies = [tile.urgency for tile in page.context["waiting"].mine]
        assert urgencies == sorted(urgencies)
        assert page.context["waiting"].mine[0].is_urgent

    def test_costs_no_more_queries_where_more_waits(self, sign_in: SignIn) -> None:
        client = sign_in("superuser")
        with CaptureQueriesContext(connection) as few:
            client.get(INDEX)
        OutboxEvent.objects.update(relay_status="dead")
        StaffTask.objects.update(kind="what_nobody_raises_any_more")
        cache.clear()
        with CaptureQueriesContext(connection) as many:
            client.get(INDEX)

        assert len(many) == len(few)


class TestTheQueues:
    def test_are_all_tried_here(self) -> None:
        assert {queue.name for queue in list_queues()} == set(WAYS)

    def test_have_names_of_their_own(self) -> None:
        known: Queue = list_queues()[0]

        with pytest.raises(ValueError, match="already"):
            register_queue(known)


class TestTheWorkspace:
    def test_is_not_asked_of_a_member_of_one(self, sign_in: SignIn) -> None:
        page = sign_in("admin").get(INDEX)

        assert page.context["scope"].choices == ()
        assert "All workspaces" not in page.content.decode()

    def test_is_remembered_once_chosen(self, sign_in: SignIn) -> None:
        client = sign_in("superuser")
        other = Workspace.objects.get(slug=OTHERS)

        client.get(INDEX, {"workspace": other.pk})

        assert client.get(INDEX).context["scope"].chosen == other
        assert client.get(INDEX, {"workspace": "all"}).context["scope"].chosen is None
        assert client.get(INDEX).context["scope"].chosen is None

    def test_is_one_of_mine(self, sign_in: SignIn) -> None:
        mine, other = (Workspace.objects.get(slug=slug) for slug in (MINE, OTHERS))
        third = Workspace.objects.create(slug="third", name="Third")
        Membership.objects.create(workspace=third, user=person("reviewer"), role=Role.VIEWER)
        client = sign_in("reviewer")

        answers = {
            asked: client.get(INDEX, {"workspace": asked}).status_code
            for asked in (mine.pk, third.pk, other.pk, "x", "")
        }

        assert answers == {mine.pk: 200, third.pk: 200, other.pk: 400, "x": 400, "": 400}

    def test_decides_what_i_can_act_on(self, sign_in: SignIn) -> None:
        third = Workspace.objects.create(slug="third", name="Third")
        Membership.objects.create(workspace=third, user=person("admin"), role=Role.VIEWER)
        StaffTask.objects.create(workspace=third, kind=REFUND_FAILED.name, subject="refund:1", summary="It failed.")

        found = tiles(sign_in("admin"), workspace=third.pk)

        assert [(tile.name, tile.count, tile.is_mine) for tile in found.values()] == [(REFUND_FAILED.name, 1, False)]
