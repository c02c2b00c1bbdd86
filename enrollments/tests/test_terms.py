"""Several allocations of one district: which one provides the seat, and the ones for the next term."""

import contextlib
import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Workspace
from accounts.states import Role
from accounts.tests.factories import WorkspaceFactory
from backoffice.tests.staff_client import StaffClient, said
from billing.errors import PaymentProviderDown
from core.clock import utc_now
from core.errors import Invalid
from core.money import Money
from enrollments.allocations.renewal import RenewalPlan, plan_renewal, plan_renewals, renew_allocation
from enrollments.errors import AllocationExists
from enrollments.models import AllocationChange, DistrictSeatAllocation, EnrollmentDecision
from enrollments.queries import find_allocation
from enrollments.routing.offer import choose_allocation
from enrollments.seats import update_allocation
from enrollments.tests.factories import STAFF, InstanceFactory, route, seats

pytestmark = pytest.mark.django_db

FALL = dt.date(2026, 8, 15), dt.date(2026, 12, 20)
SPRING = dt.date(2026, 12, 21), dt.date(2027, 4, 27)
OCTOBER = dt.datetime(2026, 10, 6, 12, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def _stripe_is_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decide and record what parents are asked to pay without opening a payment page."""

    def fail(**_: Any) -> None:
        raise PaymentProviderDown

    monkeypatch.setattr("enrollments.routing.route.submit_checkout", fail)


def dated(
    workspace: Workspace, days: tuple[dt.date, dt.date], *, total: int = 2, **more: Any
) -> DistrictSeatAllocation:
    return seats(workspace, total=total, valid_from=days[0], valid_until=days[1], **more)


def funded_by(workspace: Workspace, **who: Any) -> int | None:
    seat = route(workspace, now=OCTOBER, **who).decision.seat
    return seat.allocation_id if seat else None


class TestTheSeatOfAnEnrollment:
    @pytest.mark.sqlite
    def test_is_of_the_program_first_then_of_what_ends_first_then_of_what_was_bought_first(self) -> None:
        instance = InstanceFactory(price=None)
        workspace = instance.workspace
        undated = seats(workspace, total=1)
        late = dated(workspace, (FALL[0], SPRING[1]), total=1)
        soon = dated(workspace, FALL, total=1)
        more = dated(workspace, FALL, total=1, term="Fall, more")
        special = seats(workspace, total=1, instance_id=instance.pk)

        order = [funded_by(workspace, email=f"{number}@school.test") for number in range(5)]

        assert order == [special.pk, soon.pk, more.pk, late.pk, undated.pk]

    def test_is_explained_by_every_allocation_that_was_asked(self) -> None:
        instance = InstanceFactory()
        over = dated(instance.workspace, (dt.date(2026, 1, 1), dt.date(2026, 6, 1)), term="Last spring")
        fall = dated(instance.workspace, FALL)

        decision = route(instance.workspace, now=OCTOBER).decision

        asked = [rule for rule in decision.trace if rule["rule"] == "allocation.seat_free"]
        assert [(rule["allocation_id"], rule["term"], rule["valid_until"], rule["answer"]) for rule in asked] == [
            (over.pk, "Last spring", "2026-06-01", False),
            (fall.pk, "2026-08-15 to 2026-12-20", "2026-12-20", True),
        ]

    def test_is_the_only_one_of_the_same_days_and_programs(self) -> None:
        first = InstanceFactory()
        second = InstanceFactory(workspace=first.workspace, is_default=False)
        fall = dated(first.workspace, FALL)
        dated(first.workspace, FALL, term="Fall, more")

        assert funded_by(first.workspace, instance=first) == fall.pk
        with contextlib.suppress(PaymentProviderDown):  # the decision is stored
            route(first.workspace, instance=second, guardian_id="g1", now=OCTOBER)

        assert EnrollmentDecision.objects.order_by("-pk")[0].reason == "already_enrolled"

    def test_of_a_term_that_is_over_stands_in_nobodys_way(self) -> None:
        workspace = WorkspaceFactory()
        over, fall = dated(workspace, (dt.date(2026, 1, 1), dt.date(2026, 6, 1))), dated(workspace, FALL)

        offer = choose_allocation([over, fall], tenant_id=1, held={over.pk}, exhausted=(), now=OCTOBER)

        assert offer.allocation == fall


class TestAllocationsOfOneDistrict:
    def test_are_told_apart_by_their_term(self) -> None:
        workspace = WorkspaceFactory()
        dated(workspace, FALL)

        with pytest.raises(AllocationExists, match="2026-08-15 to 2026-12-20"):
            dated(workspace, FALL)

        assert DistrictSeatAllocation.objects.count() == 1

    def test_end_after_they_begin(self) -> None:
        with pytest.raises(Invalid) as refusal:
            dated(WorkspaceFactory(), (FALL[1], FALL[0]))

        assert refusal.value.errors[0].field == "valid_until"

    @pytest.mark.parametrize(
        ("day", "term"),
        [((2026, 10, 6), "Fall"), ((2026, 7, 1), "Fall"), ((2027, 2, 1), "Spring"), ((2028, 1, 1), "Spring")],
    )
    def test_are_asked_for_as_the_one_that_is_open_or_next_or_last(self, day: tuple[int, int, int], term: str) -> None:
        workspace = WorkspaceFactory()
        dated(workspace, SPRING, term="Spring")
        dated(workspace, FALL, term="Fall")
        now = dt.datetime(*day, 12, tzinfo=dt.UTC)

        found = find_allocation(workspace_id=workspace.pk, tenant_id=1, instance_cuid=None, now=now)

        assert found.term == term

    def test_change_with_a_reason_that_is_kept(self) -> None:
        allocation = seats(WorkspaceFactory(), total=5)

        for _ in range(2):
            update_allocation(allocation_id=allocation.pk, total_seats=8, actor=STAFF, reason="Order 17", now=utc_now())

        change = AllocationChange.objects.get()
        assert (change.total_before, change.total_after, change.reason, change.actor) == (5, 8, "Order 17", "user:1")


class TestARenewal:
    def test_follows_these_days_with_a_seat_for_all_who_asked(self) -> None:
        instance = InstanceFactory()
        allocation = dated(instance.workspace, FALL, total=2, seat_price=Money(900, "usd"))
        for number in range(5):
            with contextlib.suppress(PaymentProviderDown):  # the decision is stored
                route(instance.workspace, email=f"{number}@school.test", guardian_id="g1", now=OCTOBER)
        allocation.refresh_from_db()

        plan = plan_renewal(allocation=allocation)

        assert (plan.valid_from, plan.valid_until) == SPRING
        assert (plan.held, plan.turned_away, plan.total_seats) == (2, 3, 5)

    @pytest.mark.sqlite
    def test_is_made_once(self) -> None:
        workspace = WorkspaceFactory()
        allocation = dated(workspace, FALL, seat_price=Money(900, "usd"))

        first, again = (
            renew_allocation(allocation_id=allocation.pk, term=term, now=utc_now()) for term in ("Spring 2027", "Other")
        )

        assert first == again
        assert (first.term, first.total_seats, first.renewed_from, str(first.seat_price)) == (
            "Spring 2027",
            1,
            allocation,
            "9.00 USD",
        )

    def test_of_seats_for_an_instance_is_for_the_one_that_is_on_then(self) -> None:
        now = InstanceFactory(start_date=FALL[0], end_date=FALL[1])
        allocation = dated(now.workspace, FALL, instance_id=now.pk)
        with pytest.raises(Invalid, match="make it first"):
            plan_renewal(allocation=allocation)
        then = InstanceFactory(
            program=now.program, workspace=now.workspace, is_default=False, start_date=SPRING[0], end_date=SPRING[1]
        )

        assert plan_renewal(allocation=allocation).instance == then

    def test_of_many_is_planned_as_each_alone_in_as_many_queries_as_one(self) -> None:
        """Counts the program's own seats, general ones of other days, and a second allocation of the same kind."""
        instance = InstanceFactory(review_mode="manual")
        workspace = instance.workspace
        other = InstanceFactory(workspace=workspace, is_default=False)
        general = dated(workspace, FALL, total=1)
        own = dated(workspace, FALL, total=1, instance_id=other.pk)
        second = dated(workspace, FALL, total=1, term="Fall, more", instance_id=other.pk)
        spring = dated(workspace, SPRING, total=1)
        undated = seats(workspace, total=1, term="Ever", tenant_id=2)
        for number in range(7):
            with contextlib.suppress(PaymentProviderDown):  # the decision is kept
                chosen = other if number % 2 else instance
                route(workspace, instance=chosen, email=f"{number}@school.test", guardian_id="g", now=OCTOBER)
        rows = list(
            DistrictSeatAllocation.objects.select_related("district__workspace", "instance__program").order_by("pk")
        )

        def plan(chosen: list[DistrictSeatAllocation]) -> tuple[list[Any], int]:
            with CaptureQueriesContext(connection) as sent:
                plans = plan_renewals(allocations=chosen)
            told = [
                each.detail if isinstance(each, Invalid) else (each.held, each.turned_away, each.instance)
                for each in plans
                if isinstance(each, Invalid | RenewalPlan)
            ]
            return told, len(sent)

        together, statements = plan(rows)
        alone = [plan([row]) for row in rows]

        assert [row.pk for row in rows] == [general.pk, own.pk, second.pk, spring.pk, undated.pk]
        assert together == [told for each, _ in alone for told in each]
        assert together[:2] == [(1, 3, None), (1, 1, other)]
        assert together[2:4] == [(1, 0, other), (0, 0, None)]
        assert "give the first day of the next ones" in together[4]
        assert statements == max(each for _, each in alone)

    def test_of_seats_that_never_end_asks_for_the_first_day(self) -> None:
        allocation = seats(WorkspaceFactory(), total=1)

        with pytest.raises(Invalid) as refusal:
            renew_allocation(allocation_id=allocation.pk, now=utc_now())

        assert refusal.value.errors[0].field == "valid_from"
        assert DistrictSeatAllocation.objects.count() == 1


class TestAnAllocationInTheBackOffice:
    def test_says_who_changed_its_total_and_why(self) -> None:
        allocation = seats(WorkspaceFactory(), total=5)
        client = StaffClient(workspace=allocation.district.workspace, role=Role.ADMIN)
        page = reverse("admin:enrollments_districtseatallocation_change", args=[allocation.pk])
        button = reverse("admin:enrollments_districtseatallocation_change_seats", args=[allocation.pk])

        client.confirm(button, {"total_seats": 8, "is_active": "on", "note": "Order 17"})

        assert f"{client.user.get_full_name() or client.user}: Order 17" in client.get(page).content.decode()


class TestRenewingInTheBackOffice:
    def test_shows_the_plan_then_makes_it_for_several_at_once(self) -> None:
        workspace = WorkspaceFactory()
        client = StaffClient(workspace=workspace, role=Role.ADMIN)
        rows = [dated(workspace, FALL, tenant_id=tenant_id, seat_price=Money(900, "usd")) for tenant_id in (1, 2)]
        asked = {
            "action": "renew_selected",
            "_selected_action": [row.pk for row in rows],
            "_confirmed": "1",
            "term": "S",
        }
        url = reverse("admin:enrollments_districtseatallocation_changelist")

        shown = client.post(url, asked)
        assert DistrictSeatAllocation.objects.count() == 2
        done = client.post(url, asked | {"_confirm": "1"})

        assert shown.context["previews"][0][1].sentences == (
            "2 can be done.",
            "Seats to create: 2.",
            "Cost for the districts: 18.00 USD.",
        )
        assert "from Dec 21, 2026 to Apr 27, 2027, named S" in shown.content.decode()
        assert said(done) == ["Renew for next term: 2 done."]
        assert DistrictSeatAllocation.objects.filter(term="S").count() == 2
