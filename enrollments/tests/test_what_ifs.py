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

    def button(self, name: str, what_if: WhatIf) -> str:
        return reverse(f"admin:enrollments_whatif_{name}", args=[what_if.pk])

    def test_it_gets_a_proposal_for_what_it_lacks(self, instance: ProgramInstance) -> None:
        client = StaffClient(workspace=instance.workspace, role=Role.ADMIN)
        cedar = DistrictFactory(workspace=instance.workspace, name="Cedar", tenant_id=7)
        ask_for(instance, "ana", "ben", tenant_id=7)
        what_if = question(instance.workspace)
        url = self.button("add_seats", what_if)

        added = client.post(
            url, {"district": cedar.pk, "instance": instance.pk, "total_seats": 1, "seat_price": "9", "currency": "jpy"}
        )
        general = client.post(url, {"district": cedar.pk, "instance": "", "total_seats": 1, "seat_price": ""})

        assert (said(added), said(general)[-1:]) == (["1 would have a seat."], ["2 would have a seat."])
        proposals = {each.instance: (each.total_seats, str(each.cost)) for each in what_if.proposals.all()}
        assert proposals == {instance: (1, "9 JPY"), None: (1, "None")}
        assert not DistrictSeatAllocation.objects.exists()

    def test_it_offers_districts_and_programs_of_its_workspace_alone(self, instance: ProgramInstance) -> None:
        client = StaffClient(workspace=instance.workspace, role=Role.ADMIN)
        url = self.button("add_seats", question(instance.workspace))
        DistrictFactory(workspace=instance.workspace, name="Cedar")
        elsewhere = DistrictFactory(name="Elm")
        InstanceFactory(workspace=elsewhere.workspace)

        fields = client.get(url).context["form"].fields
        refused = client.post(url, {"district": elsewhere.pk, "instance": "", "total_seats": 1})

        assert [str(each) for each in fields["district"].queryset] == ["Cedar"]
        assert list(fields["instance"].queryset) == [instance]
        assert "district" in refused.context["form"].errors

    def test_it_says_what_each_district_gets_before_the_seats_are_made(self, instance: ProgramInstance) -> None:
        client = StaffClient(workspace=instance.workspace, role=Role.ADMIN)
        cedar = DistrictFactory(workspace=instance.workspace, name="Cedar")
        elm = DistrictFactory(workspace=instance.workspace, name="Elm")
        what_if = question(instance.workspace)
        for district, of, total, price in (
            (cedar, instance.pk, 1, Money(900, "usd")),
            (elm, None, 1200, Money(900, "usd")),
            (elm, instance.pk, 2, None),
            (cedar, None, 0, None),
        ):
            add_proposal(
                what_if_id=what_if.pk,
                district_id=district.pk,
                instance_id=of,
                total_seats=total,
                seat_price=price,
                now=utc_now(),
            )
        days = {"term": "Spring", "valid_from": "2027-01-01", "valid_until": "2027-06-01"}

        ((_, preview),) = client.post(self.button("make", what_if), days).context["previews"]
        done = client.confirm(self.button("make", what_if), days)

        assert sorted(preview.sentences) == sorted(
            (
                f"Cedar gets 1 seat for {instance}, for 9.00 USD.",
                "Elm gets 1,200 seats for any program, for 10,800.00 USD.",
                f"Elm gets 2 seats for {instance}.",
                "All of them are named Spring and may be taken from Jan 1, 2027 to Jun 1, 2027.",
            )
        )
        assert said(done) == ["Allocations created: 3."]
        made = DistrictSeatAllocation.objects.order_by("total_seats").values_list("district", "total_seats", "term")
        assert list(made) == [(cedar.pk, 1, "Spring"), (elm.pk, 2, "Spring"), (elm.pk, 1200, "Spring")]

    def test_it_is_listed_with_its_result_and_so_are_its_proposals(self, instance: ProgramInstance) -> None:
        client = StaffClient(workspace=instance.workspace, role=Role.ADMIN)
        seats(instance.workspace, total=1, seat_price=Money(900, "usd"))
        ask_for(instance, "ana", "ben")
        what_if = question(instance.workspace)
        (proposal,) = what_if.proposals.all()
        propose_seats(what_if_id=what_if.pk, totals={proposal.pk: 2}, now=utc_now())

        listed = client.get(reverse("admin:enrollments_whatif_changelist")).context["cl"]
        columns = listed.model_admin
        proposed = client.get(reverse("admin:enrollments_proposedseats_changelist"))

        shown = [(columns.would_have_seats(row), columns.changed(row)) for row in listed.result_list]
        assert shown == [("2", "1")]
        assert "18.00 USD" in proposed.content.decode()

    def test_it_is_changed_by_nobody_without_the_power(self, instance: ProgramInstance) -> None:
        what_if = question(instance.workspace)
        district = DistrictFactory(workspace=instance.workspace)
        client = StaffClient(workspace=instance.workspace, role=Role.REVIEWER)

        client.post(self.button("add_seats", what_if), {"district": district.pk, "instance": "", "total_seats": 1})

        assert not what_if.proposals.exists()

    def test_its_file_is_nobodys_of_another_workspace(self) -> None:
        what_if = question(WorkspaceFactory())
        client = StaffClient(workspace=WorkspaceFactory(), role=Role.OWNER)

        assert client.get(reverse("admin:enrollments_whatif_file", args=[what_if.pk])).status_code == 404
