"""Routing to a district seat. Refusals are in test_routing_refusals.py, the parent's side in test_parent_path.py."""

import datetime as dt

import pytest
from django.utils import translation

from accounts.models import Guardian, Learner
from core.clock import utc_now
from enrollments.errors import AlreadyEnrolled, NotForSale
from enrollments.lifecycle import (
    approve_enrollment,
    evaluate_enrollment,
    reject_enrollment,
    submit_enrollment,
    unenroll_enrollment,
)
from enrollments.models import (
    Enrollment,
    EnrollmentDecision,
)
from enrollments.states import ReviewMode
from enrollments.tests.factories import STAFF, CandidateFactory, InstanceFactory, ProgramFactory, route, seats
from events.models import OutboxEvent

pytestmark = pytest.mark.django_db


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
        steps = enrollment.transitions.order_by("number").values_list("number", "facet", "from_status", "to_status")
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

        told = OutboxEvent.objects.order_by("id").values_list("type", "aggregate", "sequence")
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
                "term": "",
                "valid_until": None,
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

        approve_enrollment(enrollment_id=enrollment.pk, actor=STAFF, reason="Looks right", now=utc_now())

        allocation.refresh_from_db()
        assert (allocation.reserved_seats, allocation.used_seats) == (0, 1)
        assert OutboxEvent.objects.filter(type="seat.used").count() == 1

    def test_rejection_frees_it_for_the_next_learner(self) -> None:
        instance = InstanceFactory(review_mode=ReviewMode.MANUAL)
        allocation = seats(instance.workspace, total=1)
        first = route(instance.workspace, email="a@school.test").decision

        reject_enrollment(enrollment_id=first.enrollment_id, actor=STAFF, reason="Wrong grade", now=utc_now())

        second = route(instance.workspace, email="b@school.test").decision
        allocation.refresh_from_db()
        first = EnrollmentDecision.objects.get(pk=first.pk)
        assert (first.status, second.status) == ("released", "completed")
        assert (allocation.reserved_seats, allocation.used_seats) == (1, 0)
        assert list(allocation.seats.order_by("pk").values_list("status", flat=True)) == ["released", "reserved"]


class TestAskingAgain:
    @pytest.mark.sqlite
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
        unenroll_enrollment(enrollment_id=first.enrollment_id, actor=STAFF, reason="Moved away", now=utc_now())

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
        evaluate_enrollment(enrollment_id=enrollment.pk, actor=STAFF, now=utc_now())
        submit_enrollment(enrollment_id=enrollment.pk, actor=STAFF, now=utc_now())
        allocation = seats(enrollment.workspace, total=1)

        for language in ("es", "en"):  # families that apply reach the router too, each in its language
            with translation.override(language):
                routed = route(enrollment.workspace, learner_id=enrollment.learner.cuid)

        assert isinstance(routed.refusal, AlreadyEnrolled)
        decision = EnrollmentDecision.objects.get()
        assert decision.message == "The learner is already enrolled in this program"
        assert (decision.status, decision.reason, decision.enrollment_id) == (
            "failed",
            "already_enrolled",
            enrollment.pk,
        )
        allocation.refresh_from_db()
        assert allocation.used_seats == 0
