"""Changing seats by hand: releasing, passing on, moving, and assigning them to a list."""

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Learner
from accounts.states import Role
from accounts.tests.factories import LearnerFactory
from backoffice.tests.staff_client import StaffClient, said
from core.clock import utc_now
from core.errors import Invalid, NotFound
from enrollments.allocations.holders import reassign_seat, release_holder, transfer_seat
from enrollments.allocations.roster import assign_roster, try_roster
from enrollments.errors import Ineligible, SeatGone, SeatsUnsuited
from enrollments.models import DistrictSeatAllocation, Enrollment, EnrollmentDecision, ProgramInstance, SeatAssignment
from enrollments.seats import update_allocation
from enrollments.states import ReviewMode
from enrollments.tests.criteria import set_criterion
from enrollments.tests.factories import STAFF, InstanceFactory, route, seats
from events.models import OutboxEvent

pytestmark = pytest.mark.django_db


@pytest.fixture
def instance() -> ProgramInstance:
    return InstanceFactory()


def seated(instance: ProgramInstance, email: str = "ana@school.test") -> SeatAssignment:
    seat = route(instance.workspace, email=email).decision.seat
    assert seat is not None
    return seat


def counts() -> list[tuple[int, int]]:
    return list(DistrictSeatAllocation.objects.order_by("id").values_list("reserved_seats", "used_seats"))


def told_of(seat: SeatAssignment) -> list[tuple[str, int]]:
    events = OutboxEvent.objects.filter(aggregate=f"seat:{seat.pk}").order_by("sequence")
    return [(event.type, event.payload["allocationId"]) for event in events]


class TestReleasing:
    @pytest.mark.parametrize(
        ("review", "ends"), [(ReviewMode.MANUAL, "rejected"), (ReviewMode.AUTOMATIC, "unenrolled")]
    )
    def test_ends_the_enrollment_that_holds_the_seat(self, review: ReviewMode, ends: str) -> None:
        instance = InstanceFactory(review_mode=review)
        seats(instance.workspace, total=1)
        seat = seated(instance)

        release_holder(seat_id=seat.pk, actor=STAFF, reason="They moved", now=utc_now())

        assert Enrollment.objects.get().eligibility_status == ends
        assert counts() == [(0, 0)]
        with pytest.raises(SeatGone):
            release_holder(seat_id=seat.pk, actor=STAFF, reason="They moved", now=utc_now())


class TestReassigning:
    def test_gives_the_very_seat_to_another_learner(self, instance: ProgramInstance) -> None:
        allocation = seats(instance.workspace, total=1)
        seat, other = seated(instance), LearnerFactory(workspace=instance.workspace)

        decision = reassign_seat(seat_id=seat.pk, learner_id=other.pk, actor=STAFF, reason="They moved", now=utc_now())

        assert decision.seat is not None
        assert (decision.seat.allocation_id, decision.learner_id, decision.actor) == (allocation.pk, other.pk, "user:1")
        assert Enrollment.objects.get(pk=seat.enrollment_id).eligibility_status == "unenrolled"
        assert counts() == [(0, 1)]

    def test_leaves_all_as_it_was_where_the_other_is_refused(self, instance: ProgramInstance) -> None:
        seats(instance.workspace, total=1)
        seat, other = seated(instance), LearnerFactory(workspace=instance.workspace)
        set_criterion(instance, "false")
        events = OutboxEvent.objects.count()

        with pytest.raises(Ineligible):
            reassign_seat(seat_id=seat.pk, learner_id=other.pk, actor=STAFF, reason="They moved", now=utc_now())

        assert Enrollment.objects.get().eligibility_status == "approved"
        assert (counts(), OutboxEvent.objects.count()) == ([(0, 1)], events)

    def test_to_a_learner_of_others_is_refused(self, instance: ProgramInstance) -> None:
        seats(instance.workspace, total=1)
        seat = seated(instance)

        with pytest.raises(NotFound):
            reassign_seat(seat_id=seat.pk, learner_id=LearnerFactory().pk, actor=STAFF, reason="Why", now=utc_now())

        assert counts() == [(0, 1)]


class TestTransferring:
    @pytest.mark.sqlite
    def test_counts_the_seat_in_the_other_allocation(self, instance: ProgramInstance) -> None:
        first, second = (seats(instance.workspace, total=1, term=term) for term in ("First", "Second"))
        seat = seated(instance)

        taken = transfer_seat(seat_id=seat.pk, allocation_id=second.pk, now=utc_now())

        assert counts() == [(0, 0), (0, 1)]
        assert (told_of(seat)[-1], told_of(taken)) == (
            ("seat.released", first.pk),
            [("seat.reserved", second.pk), ("seat.used", second.pk)],
        )
        assert EnrollmentDecision.objects.get().seat == taken

    def test_into_seats_that_can_not_fund_it_is_refused(self, instance: ProgramInstance) -> None:
        elsewhere = InstanceFactory(workspace=instance.workspace, is_default=False)
        seats(instance.workspace, total=2)
        seat = seated(instance)
        unsuited = [
            seats(instance.workspace, total=1, tenant_id=2),
            seats(instance.workspace, total=1, instance_id=elsewhere.pk),
            seats(instance.workspace, total=1, valid_until=dt.date(2026, 1, 1)),
            seats(instance.workspace, total=0, term="None"),
            seats(instance.workspace, total=1, term="Off"),
        ]
        update_allocation(allocation_id=unsuited[-1].pk, is_active=False, actor=STAFF, now=utc_now())

        for target in [seat.allocation, *unsuited]:
            with pytest.raises(SeatsUnsuited):
                transfer_seat(seat_id=seat.pk, allocation_id=target.pk, now=utc_now())

        assert counts() == [(0, 1), *[(0, 0)] * 5]


ROSTER = """learner_id,email,first_name,last_name
,new@school.test,New,Child
known-1,,,
unknown-1,,,
,not an address,A,B
known-1,,,
,more@school.test,More,Child
"""


class TestAList:
    @pytest.fixture
    def allocation(self, instance: ProgramInstance) -> DistrictSeatAllocation:
        LearnerFactory(workspace=instance.workspace, external_id="known-1")
        return seats(instance.workspace, total=2)

    FAULTS = (
        "",
        "",
        "There is no learner with this. For a new learner, also give email, first_name, last_name.",
        "",
        "The same as line 3.",
    )

    def test_is_tried_without_a_trace(self, instance: ProgramInstance, allocation: DistrictSeatAllocation) -> None:
        lines = try_roster(allocation=allocation, instance=instance, text=ROSTER)

        faults = [line.fault for line in lines]
        assert [line.number for line in lines] == [2, 3, 4, 5, 6, 7]
        assert (faults[:3], faults[4:]) == ([*self.FAULTS[:3]], [self.FAULTS[4], "No seat is left."])
        assert "@" in faults[3]
        assert (Learner.objects.count(), EnrollmentDecision.objects.count()) == (1, 0)

    @pytest.mark.sqlite
    def test_is_given_seats_line_by_line(self, instance: ProgramInstance, allocation: DistrictSeatAllocation) -> None:
        lines = assign_roster(
            allocation_id=allocation.pk, instance_id=instance.pk, text=ROSTER, actor=STAFF, now=utc_now()
        )

        decisions = EnrollmentDecision.objects.order_by("id")
        assert [line.decision_id for line in lines if line.decision_id] == [decision.pk for decision in decisions]
        assert [decision.reason for decision in decisions] == ["district_seat_reserved"] * 2
        assert lines[-1].fault.endswith("no seat of this allocation is free.")
        assert counts() == [(0, 2)]
        assert not Learner.objects.filter(email="more@school.test").exists()

    @pytest.mark.parametrize("text", ["", "name\nana", "email,shoe\na@b.test,1", "email\n" + "a@b.test\n" * 501])
    def test_that_is_none_is_refused(
        self, instance: ProgramInstance, allocation: DistrictSeatAllocation, text: str
    ) -> None:
        with pytest.raises(Invalid) as refusal:
            try_roster(allocation=allocation, instance=instance, text=text)

        assert refusal.value.errors[0].field == "roster"


class TestInTheBackOffice:
    @pytest.fixture
    def client(self, instance: ProgramInstance) -> StaffClient:
        return StaffClient(workspace=instance.workspace, role=Role.ADMIN)

    def test_a_list_is_tried_and_given_seats(self, instance: ProgramInstance, client: StaffClient) -> None:
        allocation = seats(instance.workspace, total=1)
        url = reverse("admin:enrollments_districtseatallocation_assign", args=[allocation.pk])
        answers = {"instance": instance.pk, "roster": ROSTER}

        shown = client.post(url, answers).content.decode()
        assert not SeatAssignment.objects.exists()
        done = client.confirm(url, answers)

        assert "1 of 6 get a seat" in shown
        assert said(done)[-1] == "1 of 6 have a seat."

    def test_a_transfer_is_offered_where_another_allocation_of_the_district_fits(
        self, instance: ProgramInstance, client: StaffClient
    ) -> None:
        seats(instance.workspace, total=1, term="First")
        seat = seated(instance)
        page = reverse("admin:enrollments_seatassignment_change", args=[seat.pk])
        transfer = reverse("admin:enrollments_seatassignment_transfer", args=[seat.pk])

        alone = client.get(page).content.decode()
        refused = said(client.post(transfer, {}))
        seats(instance.workspace, total=1, term="Second")
        beside = client.get(page).content.decode()

        assert [transfer in each for each in (alone, beside)] == [False, True]
        assert refused[-1].startswith("Transfer is no longer possible")

    def test_many_transfers_ask_for_no_allocation_row_by_row(
        self, instance: ProgramInstance, client: StaffClient
    ) -> None:
        seats(instance.workspace, total=4, term="First")
        held = [seated(instance, email=f"{name}@school.test").pk for name in "abcd"]
        url = reverse("admin:enrollments_seatassignment_changelist")

        def statements(number: int) -> int:
            with CaptureQueriesContext(connection) as sent:
                page = client.post(url, {"action": "transfer_selected", "_selected_action": held[:number]})
            assert page.context["can_be_done"]
            return len(sent)

        assert statements(1) == statements(4)

    def test_seats_are_transferred_reassigned_and_released(
        self, instance: ProgramInstance, client: StaffClient
    ) -> None:
        _, second = (seats(instance.workspace, total=1, term=term) for term in ("First", "Second"))
        seat = seated(instance)
        other = LearnerFactory(workspace=instance.workspace, external_id="other")

        def press(button: str, of: SeatAssignment, **answers: Any) -> list[str]:
            url = reverse(f"admin:enrollments_seatassignment_{button}", args=[of.pk])
            assert client.post(url, answers).status_code == 200  # the preview
            return said(client.confirm(url, answers))

        moved = press("transfer", seat, allocation=second.pk)
        passed_on = press(
            "reassign", SeatAssignment.objects.get(allocation=second), learner="other", reason="They moved"
        )
        freed = press("release", SeatAssignment.objects.get(learner=other), reason="They moved too")

        assert moved == [f"{seat.learner}: the seat is one of {second} now."]
        assert passed_on == [f"{other} has the seat of {seat.learner}."]
        assert freed == [f"The seat of {other} is free."]
        assert counts() == [(0, 0), (0, 0)]
