"""Routing to a district seat, and every reason not to. The parent's side with Stripe is in test_parent_path.py."""

import datetime as dt
from collections.abc import Iterator

import pytest

from accounts.models import Guardian, Learner
from accounts.tests.factories import WorkspaceFactory
from enrollment_project.core.clock import utc_now
from enrollment_project.core.errors import Invalid
from enrollments import eligibility
from enrollments.errors import AlreadyEnrolled, Ineligible, NoDefaultInstance, NotForSale
from enrollments.lifecycle import (
    approve_enrollment,
    evaluate_enrollment,
    reject_enrollment,
    submit_enrollment,
    unenroll_enrollment,
)
from enrollments.models import (
    District,
    DistrictSeatAllocation,
    Enrollment,
    EnrollmentDecision,
    EnrollmentTransition,
    SeatAssignment,
)
from enrollments.seats import update_allocation
from enrollments.states import ReviewMode
from enrollments.tests.factories import STAFF, CandidateFactory, InstanceFactory, ProgramFactory, route, seats
from events.models import OutboxEvent

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


@pytest.fixture
def grade_three_only(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Programs that accept nobody but Jane."""
    rule = eligibility.Rule("is_jane", lambda facts: facts["first_name"] == "Jane", "Only Jane may enroll")
    monkeypatch.setattr(eligibility, "rules_for", lambda instance: (rule,))
    return


class TestWithAFreeSeat:
    def test_the_seat_is_taken_and_the_documented_answer_given(self) -> None:
        instance = InstanceFactory()
        seats(instance.workspace, total=50)

        routed = route(instance.workspace)

        decision = routed.decision
        assert routed.answer() == {
            "provision_source": "district",
            "status": "completed",
            "tenant_id": 1,
            "seats_reserved": 1,
            "seats_available": 49,
            "decision_id": decision.pk,
            "enrollment_id": decision.enrollment.cuid,
            "reason": "district_seat_reserved",
            "message": "Successfully enrolled via district allocation",
        }

    def test_the_enrollment_is_approved_and_active(self) -> None:
        instance = InstanceFactory()
        seats(instance.workspace, total=1)

        enrollment = route(instance.workspace).decision.enrollment

        assert enrollment.eligibility_status == "approved"
        assert enrollment.participation_status == "active"
        assert enrollment.payment_status == "not_required"
        steps = enrollment.transitions.values_list("number", "facet", "from_status", "to_status")
        assert list(steps) == [
            (1, "eligibility", "candidate", "eligible"),
            (2, "eligibility", "eligible", "submitted"),
            (3, "eligibility", "submitted", "approved"),
            (4, "participation", "not_started", "active"),
        ]

    def test_the_counter_and_the_holder_agree(self) -> None:
        instance = InstanceFactory()
        allocation = seats(instance.workspace, total=3)

        route(instance.workspace)

        allocation.refresh_from_db()
        assert (allocation.reserved_seats, allocation.used_seats) == (0, 1)
        assert list(allocation.seats.values_list("status", flat=True)) == ["used"]

    def test_the_outbox_tells_it_in_order(self) -> None:
        instance = InstanceFactory()
        seats(instance.workspace, total=1)

        decision = route(instance.workspace).decision

        told = OutboxEvent.objects.values_list("type", "aggregate", "sequence")
        enrollment, seat = f"enrollment:{decision.enrollment.cuid}", f"seat:{decision.seat_id}"
        assert list(told) == [
            ("enrollment.created", enrollment, 1),
            ("enrollment.status_changed", enrollment, 2),
            ("enrollment.status_changed", enrollment, 3),
            ("enrollment.status_changed", enrollment, 4),
            ("enrollment.status_changed", enrollment, 5),
            ("seat.reserved", seat, 1),
            ("seat.used", seat, 2),
            ("ENROLLMENT_DECISION", f"decision:{decision.pk}", 1),
        ]

    def test_the_decision_event_has_the_documented_payload(self) -> None:
        instance = InstanceFactory()
        allocation = seats(instance.workspace, total=1)
        now = dt.datetime(2026, 9, 2, 10, 30, tzinfo=dt.UTC)

        decision = route(instance.workspace, now=now).decision

        payload = OutboxEvent.objects.get(type="ENROLLMENT_DECISION").payload
        assert payload == {
            "event_type": "ENROLLMENT_DECISION",
            "decision_id": decision.pk,
            "provision_source": "district",
            "tenant_id": 1,
            "guardian_id": None,
            "learner_email": "jane@school.test",
            "status": "completed",
            "timestamp": "2026-09-02T10:30:00Z",
            "metadata": {
                "allocation_id": allocation.pk,
                "seats_reserved": 1,
                "reason": "district_seat_reserved",
                "enrollment_id": decision.enrollment.cuid,
                "checkout_id": None,
            },
        }

    def test_a_seat_bought_for_the_program_goes_before_a_general_one(self) -> None:
        instance = InstanceFactory()
        general = seats(instance.workspace, total=5)
        special = seats(instance.workspace, total=1, instance_id=instance.pk)

        first = route(instance.workspace, email="a@school.test").decision
        second = route(instance.workspace, email="b@school.test").decision

        assert first.seat is not None
        assert second.seat is not None
        assert (first.seat.allocation_id, second.seat.allocation_id) == (special.pk, general.pk)

    def test_the_trace_keeps_every_rule_with_its_inputs(self) -> None:
        instance = InstanceFactory()
        allocation = seats(instance.workspace, total=2)

        decision = route(instance.workspace).decision

        assert decision.trace == [
            {"rule": "eligibility.no_criteria", "answer": True},
            {"rule": "district.named", "tenant_id": 1, "answer": True},
            {
                "rule": "allocation.seat_free",
                "allocation_id": allocation.pk,
                "for_instance": False,
                "open": True,
                "learner_holds_one": False,
                "total_seats": 2,
                "answer": True,
            },
        ]

    def test_a_guardian_is_remembered_and_linked(self) -> None:
        instance = InstanceFactory()
        seats(instance.workspace, total=1)

        decision = route(instance.workspace, guardian_id="guardian_456").decision

        guardian = Guardian.objects.get(external_id="guardian_456")
        assert decision.guardian == guardian
        assert list(guardian.learners.all()) == [decision.learner]


class TestWithManualReview:
    def test_the_seat_is_only_reserved(self) -> None:
        instance = InstanceFactory(review_mode=ReviewMode.MANUAL)
        allocation = seats(instance.workspace, total=2)

        routed = route(instance.workspace)

        allocation.refresh_from_db()
        assert routed.decision.status == "completed"
        assert routed.decision.enrollment.eligibility_status == "submitted"
        assert (allocation.reserved_seats, allocation.used_seats) == (1, 0)

    def test_approval_uses_it(self) -> None:
        instance = InstanceFactory(review_mode=ReviewMode.MANUAL)
        allocation = seats(instance.workspace, total=2)
        enrollment = route(instance.workspace).decision.enrollment

        approve_enrollment(enrollment_id=enrollment.pk, actor=STAFF, reason="Looks right")

        allocation.refresh_from_db()
        assert (allocation.reserved_seats, allocation.used_seats) == (0, 1)
        assert OutboxEvent.objects.filter(type="seat.used").count() == 1

    def test_rejection_frees_it_for_the_next_learner(self) -> None:
        instance = InstanceFactory(review_mode=ReviewMode.MANUAL)
        allocation = seats(instance.workspace, total=1)
        first = route(instance.workspace, email="a@school.test").decision

        reject_enrollment(enrollment_id=first.enrollment_id, actor=STAFF, reason="Wrong grade")

        second = route(instance.workspace, email="b@school.test").decision
        allocation.refresh_from_db()
        first = EnrollmentDecision.objects.get(pk=first.pk)
        assert (first.status, second.status) == ("released", "completed")
        assert (allocation.reserved_seats, allocation.used_seats) == (1, 0)
        assert list(allocation.seats.order_by("pk").values_list("status", flat=True)) == ["released", "reserved"]


class TestAskingAgain:
    def test_returns_the_same_decision_and_takes_no_second_seat(self) -> None:
        instance = InstanceFactory()
        allocation = seats(instance.workspace, total=5)
        first = route(instance.workspace)
        events = OutboxEvent.objects.count()

        again = route(instance.workspace, email="JANE@school.test ", last_name="  doe")

        allocation.refresh_from_db()
        assert again.answer() == first.answer()
        assert allocation.used_seats == 1
        assert Learner.objects.count() == Enrollment.objects.count() == EnrollmentDecision.objects.count() == 1
        assert OutboxEvent.objects.count() == events

    def test_by_a_sibling_with_the_same_address_takes_another_seat(self) -> None:
        instance = InstanceFactory()
        allocation = seats(instance.workspace, total=5)
        route(instance.workspace)

        route(instance.workspace, first_name="Jonah")

        allocation.refresh_from_db()
        assert allocation.used_seats == 2

    def test_after_leaving_takes_a_seat_again(self) -> None:
        instance = InstanceFactory()
        allocation = seats(instance.workspace, total=1)
        first = route(instance.workspace).decision
        unenroll_enrollment(enrollment_id=first.enrollment_id, actor=STAFF, reason="Moved away")

        again = route(instance.workspace).decision

        allocation.refresh_from_db()
        assert again.pk != first.pk
        assert again.enrollment_id != first.enrollment_id
        assert allocation.used_seats == 1

    def test_for_another_program_does_not_take_a_second_seat_of_the_same_allocation(self) -> None:
        instance = InstanceFactory()
        other = InstanceFactory(
            workspace=instance.workspace,
            program=ProgramFactory(workspace=instance.workspace),
            is_default=False,
            price=None,
        )
        allocation = seats(instance.workspace, total=5)
        route(instance.workspace)

        with pytest.raises(NotForSale):
            route(instance.workspace, instance=other)

        allocation.refresh_from_db()
        assert allocation.used_seats == 1
        assert Enrollment.objects.count() == 1

    def test_when_staff_enrolled_the_learner_already_says_so_and_records_it_once(self) -> None:
        enrollment = CandidateFactory()
        evaluate_enrollment(enrollment_id=enrollment.pk, actor=STAFF)
        submit_enrollment(enrollment_id=enrollment.pk, actor=STAFF)
        allocation = seats(enrollment.workspace, total=1)

        for _ in range(2):
            routed = route(enrollment.workspace, learner_id=enrollment.learner.cuid)

        assert isinstance(routed.refusal, AlreadyEnrolled)
        decision = EnrollmentDecision.objects.get()
        assert (decision.status, decision.reason, decision.enrollment_id) == (
            "failed",
            "already_enrolled",
            enrollment.pk,
        )
        allocation.refresh_from_db()
        assert allocation.used_seats == 0


class TestWithoutASeat:
    def test_nothing_at_all_is_written_when_a_parent_can_not_pay_either(self) -> None:
        instance = InstanceFactory(price=None)
        seats(instance.workspace, total=0)

        with pytest.raises(NotForSale, match="has no price"):
            route(instance.workspace, guardian_id="g1")

        assert Learner.objects.count() == Guardian.objects.count() == Enrollment.objects.count() == 0
        assert EnrollmentDecision.objects.count() == OutboxEvent.objects.count() == 0


class TestAnIneligibleLearner:
    def test_is_refused_and_the_decision_recorded(self, grade_three_only: None) -> None:
        instance = InstanceFactory()
        allocation = seats(instance.workspace, total=1)

        routed = route(instance.workspace, first_name="Tom")

        assert isinstance(routed.refusal, Ineligible)
        assert routed.refusal.detail == "Only Jane may enroll"
        assert routed.refusal.extra == {"decision_id": routed.decision.pk}
        assert (routed.decision.status, routed.decision.reason) == ("failed", "ineligible")
        assert routed.decision.provision_source is None
        assert routed.decision.enrollment.eligibility_status == "ineligible"
        allocation.refresh_from_db()
        assert allocation.available_seats == 1
        assert SeatAssignment.objects.count() == 0

    def test_asking_again_gets_the_same_refusal(self, grade_three_only: None) -> None:
        instance = InstanceFactory()
        first = route(instance.workspace, first_name="Tom", tenant_id=None, guardian_id="g1")

        again = route(instance.workspace, first_name="Tom", tenant_id=None, guardian_id="g1")

        assert again.decision.pk == first.decision.pk
        assert again.refusal is not None
        assert EnrollmentTransition.objects.count() == 1

    def test_is_reconsidered_once_the_criteria_changed(
        self, grade_three_only: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        instance = InstanceFactory()
        seats(instance.workspace, total=1)
        refused = route(instance.workspace, first_name="Tom").decision
        monkeypatch.setattr(eligibility, "rules_for", lambda instance: ())
        instance.criteria_version += 1
        instance.save()

        decision = route(instance.workspace, first_name="Tom").decision

        assert decision.status == "completed"
        assert decision.enrollment_id == refused.enrollment_id
        assert decision.enrollment.eligibility_status == "approved"

    def test_a_rejected_one_is_not_reconsidered_by_asking_again(self) -> None:
        instance = InstanceFactory(review_mode=ReviewMode.MANUAL)
        seats(instance.workspace, total=1)
        first = route(instance.workspace).decision
        reject_enrollment(enrollment_id=first.enrollment_id, actor=STAFF, reason="Incomplete papers")

        again = route(instance.workspace)

        assert isinstance(again.refusal, Ineligible)
        assert again.refusal.detail == "Incomplete papers"
        assert Enrollment.objects.get().eligibility_status == "rejected"


class TestTheProgram:
    def test_is_the_default_one_unless_named(self) -> None:
        default = InstanceFactory()
        other = InstanceFactory(workspace=default.workspace, is_default=False)
        seats(default.workspace, total=5)

        routed = [
            route(default.workspace, email="a@school.test"),
            route(default.workspace, email="b@school.test", instance=other),
        ]

        assert [r.decision.instance_id for r in routed] == [default.pk, other.pk]

    def test_must_exist(self) -> None:
        workspace = WorkspaceFactory()

        with pytest.raises(NoDefaultInstance):
            route(workspace)

        assert Learner.objects.count() == 0

    def test_of_another_workspace_does_not_exist(self) -> None:
        workspace = InstanceFactory().workspace
        foreign = InstanceFactory()

        with pytest.raises(Invalid) as refusal:
            route(workspace, instance=foreign)

        assert [(e.field, e.code) for e in refusal.value.errors] == [("context.program_instance_id", "not_found")]
        assert Learner.objects.count() == 0

    @pytest.mark.parametrize(
        ("change", "code"),
        [({"active": False}, "inactive"), ({"end_date": dt.date(2020, 1, 1)}, "ended")],
    )
    def test_must_take_enrollments(self, change: dict[str, object], code: str) -> None:
        instance = InstanceFactory(**change)

        with pytest.raises(Invalid) as refusal:
            route(instance.workspace)

        assert refusal.value.errors[0].code == code
        assert Enrollment.objects.count() == 0

    def test_ends_by_the_clock_of_the_request(self) -> None:
        """One that waited over midnight is judged by when it came."""
        yesterday = utc_now() - dt.timedelta(days=1)
        instance = InstanceFactory(end_date=yesterday.date())
        seats(instance.workspace, total=1)

        routed = route(instance.workspace, now=yesterday)

        assert routed.decision.status == "completed"
        with pytest.raises(Invalid, match="ended"):
            route(instance.workspace, email="late@school.test", now=yesterday + dt.timedelta(days=1))


class TestAnotherWorkspace:
    def test_its_district_is_not_ours(self) -> None:
        theirs = InstanceFactory()
        seats(theirs.workspace, total=5)
        ours = InstanceFactory(price=None)

        with pytest.raises(NotForSale):
            route(ours.workspace)

        assert DistrictSeatAllocation.objects.get().available_seats == 5
        assert District.objects.filter(workspace=ours.workspace).count() == 0

    def test_its_learner_id_is_not_ours(self) -> None:
        theirs = CandidateFactory()
        ours = InstanceFactory()
        seats(ours.workspace, total=5)

        decision = route(ours.workspace, learner_id=theirs.learner.cuid).decision

        assert decision.learner_id != theirs.learner_id
        assert decision.learner.workspace_id == ours.workspace_id


class TestASwitchedOffAllocation:
    def test_gives_no_seat(self) -> None:
        instance = InstanceFactory(price=None)
        allocation = seats(instance.workspace, total=5)
        update_allocation(allocation_id=allocation.pk, is_active=False)

        with pytest.raises(NotForSale):
            route(instance.workspace)

        allocation.refresh_from_db()
        assert allocation.available_seats == 5
