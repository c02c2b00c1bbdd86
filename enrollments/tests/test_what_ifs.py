"""What would have happened with other seats: in chronological order, by the router's choice, and without a trace."""

import contextlib
import datetime as dt
from typing import Any

import pytest
from django.urls import reverse

from accounts.models import Workspace
from accounts.states import Role
from accounts.tests.factories import WorkspaceFactory
from backoffice.tests.staff_client import StaffClient, said
from billing.errors import PaymentProviderDown
from billing.models import Checkout
from core.actors import SYSTEM
from core.clock import utc_now
from core.errors import Invalid, NotFound
from core.money import Money
from enrollments.allocations.replay import Funding
from enrollments.allocations.what_if import (
    add_proposal,
    answer_what_if,
    ask_what_if,
    make_allocations,
    propose_seats,
)
from enrollments.lifecycle import unenroll_enrollment
from enrollments.models import (
    District,
    DistrictSeatAllocation,
    Enrollment,
    EnrollmentDecision,
    ProgramInstance,
    SeatAssignment,
    WhatIf,
)
from enrollments.tests.factories import STAFF, DistrictFactory, InstanceFactory, route, seats
from events.models import OutboxEvent
from notifications.models import Notification

pytestmark = pytest.mark.django_db

FIRST, LAST = dt.date(2026, 8, 1), dt.date(2026, 12, 31)
SEPTEMBER = dt.datetime(2026, 9, 1, 12, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def _stripe_is_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decide and record what parents are asked to pay without opening a payment page."""

    def fail(**_: Any) -> None:
        raise PaymentProviderDown

    monkeypatch.setattr("enrollments.routing.route.submit_checkout", fail)


@pytest.fixture
def instance() -> ProgramInstance:
    return InstanceFactory()


def ask_for(instance: ProgramInstance, *names: str, tenant_id: int = 1) -> None:
    """Route them one by one, a day apart."""
    for number, name in enumerate(names):
        with contextlib.suppress(PaymentProviderDown):  # the decision is stored
            route(
                instance.workspace,
                email=f"{name}@school.test",
                first_name=name,
                tenant_id=tenant_id,
                guardian_id="g1",
                instance=instance,
                now=SEPTEMBER + dt.timedelta(days=number),
            )


def question(workspace: Workspace, **days: Any) -> WhatIf:
    return ask_what_if(
        workspace_id=workspace.pk,
        name="More seats",
        first_day=days.get("first_day", FIRST),
        last_day=days.get("last_day", LAST),
        actor=SYSTEM,
        now=utc_now(),
    )


def supposed(what_if: WhatIf) -> dict[str, str]:
    """Return who would pay, by the learner's first name."""
    names = dict(EnrollmentDecision.objects.values_list("pk", "learner__first_name"))
    return {names[answer.asked.decision_id]: str(answer.funding) for answer in answer_what_if(what_if)}


class TestAQuestion:
    @pytest.mark.sqlite
    def test_begins_with_the_seats_that_were_and_finds_what_happened(self, instance: ProgramInstance) -> None:
        seats(instance.workspace, total=2, seat_price=Money(900, "usd"))
        ask_for(instance, "ana", "ben", "cleo")

        what_if = question(instance.workspace)

        proposal = what_if.proposals.get()
        assert (proposal.total_seats, proposal.funded, str(proposal.cost)) == (2, 2, "18.00 USD")
        assert supposed(what_if) == {"ana": "district", "ben": "district", "cleo": "parent"}
        assert what_if.result["happened"] == what_if.result["supposed"]
        assert what_if.result["changed"] == 0

    def test_with_fewer_seats_leaves_the_last_to_their_parents(self, instance: ProgramInstance) -> None:
        seats(instance.workspace, total=2)
        ask_for(instance, "ana", "ben", "cleo")
        what_if = question(instance.workspace)

        changed = propose_seats(what_if_id=what_if.pk, totals={what_if.proposals.get().pk: 1}, now=utc_now())

        assert instance.price is not None
        ben = EnrollmentDecision.objects.get(learner__first_name="ben")
        assert supposed(changed) == {"ana": "district", "ben": "parent", "cleo": "parent"}
        assert changed.result["first_changed"] == [[ben.pk, Funding.PARENT]]
        assert changed.result["supposed"]["parents_pay"] == {"usd": 2 * instance.price.amount_minor}

    def test_asks_for_seats_of_the_program_before_general_ones(self, instance: ProgramInstance) -> None:
        seats(instance.workspace, total=1)
        ask_for(instance, "ana", "ben")
        what_if = question(instance.workspace)

        add_proposal(
            what_if_id=what_if.pk,
            district_id=District.objects.get().pk,
            instance_id=instance.pk,
            total_seats=1,
            now=utc_now(),
        )

        special = what_if.proposals.get(instance=instance)
        assert next(answer.allocation_id for answer in answer_what_if(what_if)) == special.pk
        assert set(supposed(what_if).values()) == {"district"}

    def test_frees_a_seat_when_its_enrollment_was_given_up(self, instance: ProgramInstance) -> None:
        seats(instance.workspace, total=1)
        ask_for(instance, "ana")
        enrollment = Enrollment.objects.get()
        unenroll_enrollment(
            enrollment_id=enrollment.pk, actor=STAFF, reason="Moved", now=SEPTEMBER + dt.timedelta(hours=1)
        )
        ask_for(instance, "ben", "cleo")

        assert next(iter(supposed(question(instance.workspace)).values())) == "district"
        assert sorted(supposed(question(instance.workspace)).values()) == ["district", "district", "parent"]

    def test_is_about_its_days_and_workspace_alone(self, instance: ProgramInstance) -> None:
        ask_for(instance, "ana")
        other = InstanceFactory()

        assert supposed(question(other.workspace)) == {}
        assert supposed(question(instance.workspace, last_day=dt.date(2026, 8, 31))) == {}

    def test_changes_nothing_but_itself(self, instance: ProgramInstance) -> None:
        allocation = seats(instance.workspace, total=1)
        ask_for(instance, "ana", "ben")
        before = self.everything()

        what_if = question(instance.workspace)
        propose_seats(what_if_id=what_if.pk, totals={what_if.proposals.get().pk: 5}, now=utc_now())

        allocation.refresh_from_db()
        assert self.everything() == before
        assert (allocation.total_seats, allocation.used_seats) == (1, 1)

    def everything(self) -> list[int]:
        models = (
            DistrictSeatAllocation,
            SeatAssignment,
            EnrollmentDecision,
            Enrollment,
            Checkout,
            OutboxEvent,
            Notification,
        )
        return [model._default_manager.count() for model in models]

    def test_takes_as_many_queries_for_many_as_for_one(
        self, instance: ProgramInstance, django_assert_num_queries: Any
    ) -> None:
        seats(instance.workspace, total=9)
        ask_for(instance, "ana")
        what_if = question(instance.workspace)
        for names in ((), ("ben", "cleo", "dan")):
            ask_for(instance, *names)

            with django_assert_num_queries(3):
                answer_what_if(what_if)

    def test_refuses_a_district_of_others(self, instance: ProgramInstance) -> None:
        what_if, foreign = question(instance.workspace), DistrictFactory()

        with pytest.raises(NotFound):
            add_proposal(what_if_id=what_if.pk, district_id=foreign.pk, instance_id=None, total_seats=1, now=utc_now())


class TestMakingTheSeats:
    def test_gives_each_district_what_was_proposed_once(self) -> None:
        workspace = WorkspaceFactory()
        seats(workspace, total=4, seat_price=Money(900, "usd"))
        what_if = question(workspace)
        term: dict[str, Any] = {"term": "Spring", "valid_from": dt.date(2027, 1, 1), "valid_until": dt.date(2027, 6, 1)}

        (made,) = make_allocations(what_if_id=what_if.pk, **term, now=utc_now())
        with pytest.raises(Invalid):
            make_allocations(what_if_id=what_if.pk, **term, now=utc_now())

        assert (made.term, made.total_seats, str(made.seat_price)) == ("Spring", 4, "9.00 USD")
        assert what_if.proposals.get().allocation == made


class TestInTheBackOffice:
    def test_it_is_asked_changed_read_and_made_into_seats(self, instance: ProgramInstance) -> None:
        client = StaffClient(workspace=instance.workspace, role=Role.ADMIN)
        seats(instance.workspace, total=1)
        ask_for(instance, "ana", "=ben")

        client.post(
            reverse("admin:enrollments_whatif_ask"),
            {"workspace": instance.workspace_id, "name": "More", "first_day": FIRST, "last_day": LAST},
        )
        what_if = WhatIf.objects.get()
        address = {
            button: reverse(f"admin:enrollments_whatif_{button}", args=[what_if.pk])
            for button in ("change", "file", "change_seats", "make")
        }
        proposed = client.post(address["change_seats"], {f"seats_{what_if.proposals.get().pk}": 2})
        page = client.get(address["change"]).content.decode()
        file = client.get(address["file"]).content.decode()
        days = {"term": "Spring", "valid_from": "2027-01-01", "valid_until": "2027-06-01"}
        shown = client.post(address["make"], days).content.decode()
        client.confirm(address["make"], days)

        assert said(proposed) == ["2 would have a seat."]
        assert "=ben Doe" in page
        assert f"'=ben Doe,{instance},1,Parent payment,District seat," in file.splitlines()[2]
        assert "gets 2 seats for any program" in shown
        assert DistrictSeatAllocation.objects.get(term="Spring").total_seats == 2

    def test_its_file_is_nobodys_of_another_workspace(self) -> None:
        what_if = question(WorkspaceFactory())
        client = StaffClient(workspace=WorkspaceFactory(), role=Role.OWNER)

        assert client.get(reverse("admin:enrollments_whatif_file", args=[what_if.pk])).status_code == 404
