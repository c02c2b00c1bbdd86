"""A change of one row leaves its neighbor as it is: two seats, two families that owe money, two districts."""

import dataclasses
from typing import Any

import pytest

from accounts.models import Learner
from accounts.tests.factories import LeadFactory, LearnerFactory
from billing.models import Checkout
from billing.tests.factories import CheckoutFactory
from core.clock import utc_now
from core.errors import Invalid, NotFound
from enrollments.family.standing import get_decision_by_enrollment, get_decision_by_session
from enrollments.lifecycle import approve_enrollment, evaluate_enrollment, reject_enrollment, unenroll_enrollment
from enrollments.models import (
    DistrictSeatAllocation,
    Enrollment,
    EnrollmentDecision,
    ProgramInstance,
    SeatAssignment,
)
from enrollments.queries import awaiting_review, find_allocation
from enrollments.seats import release_seat, use_seat
from enrollments.states import DecisionStatus, ProvisionSource, ReviewMode
from enrollments.tests.factories import STAFF, CandidateFactory, InstanceFactory, route, seats

from .parents import ask_parent

pytestmark = pytest.mark.django_db

JANE: dict[str, Any] = {"email": "jane@school.test", "first_name": "Jane"}
LEO: dict[str, Any] = {"email": "leo@school.test", "first_name": "Leo"}


def seat_states() -> list[str]:
    return list(SeatAssignment.objects.order_by("pk").values_list("status", flat=True))


def counts() -> list[tuple[int, int]]:
    """Return (reserved, used) for each allocation."""
    return list(DistrictSeatAllocation.objects.order_by("pk").values_list("reserved_seats", "used_seats"))


def seat(number: int = 0) -> SeatAssignment:
    return SeatAssignment.objects.order_by("pk")[number]


class TestTwoReservedSeats:
    """Jane's and Leo's seats, from two districts."""

    @pytest.fixture(autouse=True)
    def _reserve_both(self) -> None:
        instance = InstanceFactory(review_mode=ReviewMode.MANUAL)
        for tenant_id, who in ((1, JANE), (2, LEO)):
            seats(instance.workspace, total=2, tenant_id=tenant_id)
            route(instance.workspace, tenant_id=tenant_id, **who)

    def enrollment_of_leo(self) -> int:
        return int(Enrollment.objects.values_list("pk", flat=True).get(learner__email="leo@school.test"))

    def decisions(self) -> list[str]:
        return list(EnrollmentDecision.objects.order_by("pk").values_list("status", flat=True))

    def test_of_which_one_is_used_are_one_reserved_and_one_used(self) -> None:
        approve_enrollment(enrollment_id=self.enrollment_of_leo(), actor=STAFF, now=utc_now())

        assert seat_states() == ["reserved", "used"]
        assert counts() == [(1, 0), (0, 1)]

    @pytest.mark.sqlite
    def test_of_which_one_is_given_back_are_one_reserved_and_one_released(self) -> None:
        reject_enrollment(enrollment_id=self.enrollment_of_leo(), actor=STAFF, reason="Too late", now=utc_now())

        assert seat_states() == ["reserved", "released"]
        assert counts() == [(1, 0), (0, 0)]
        assert self.decisions() == ["completed", "released"]


class TestASeatThatWasMovedMeanwhile:
    """The row in memory is older than the one in the database."""

    MORE: dict[str, Any] = {"workspace_id": 1, "enrollment_cuid": "e"}

    @pytest.fixture(autouse=True)
    def _reserve(self) -> None:
        instance = InstanceFactory(review_mode=ReviewMode.MANUAL)
        seats(instance.workspace, total=2)
        route(instance.workspace)

    def test_to_used_is_not_counted_as_used_again(self) -> None:
        reserved = seat()
        use_seat(seat=reserved, now=utc_now(), **self.MORE)

        assert use_seat(seat=reserved, now=utc_now(), **self.MORE) is None
        assert (seat_states(), counts()) == (["used"], [(0, 1)])

    @pytest.mark.sqlite
    def test_to_used_is_not_given_back_as_the_reserved_one_it_was(self) -> None:
        reserved = seat()
        use_seat(seat=reserved, now=utc_now(), **self.MORE)

        assert release_seat(seat=reserved, reason="Moved", now=utc_now(), **self.MORE) is None
        assert (seat_states(), counts()) == (["used"], [(0, 1)])

    def test_to_released_is_not_given_back_again(self) -> None:
        release_seat(seat=seat(), reason="Moved", now=utc_now(), **self.MORE)

        assert release_seat(seat=seat(), reason="Moved", now=utc_now(), **self.MORE) is None
        assert (seat_states(), counts()) == (["released"], [(0, 0)])


@pytest.fixture
def instance(stripe_is_not_asked: None) -> ProgramInstance:
    made: ProgramInstance = InstanceFactory()
    return made


class TestTwoFamiliesWhoOwe:
    @pytest.fixture(autouse=True)
    def _ask_both(self, instance: ProgramInstance) -> None:
        self.jane, self.leo = (ask_parent(instance, **who) for who in (JANE, LEO))
        for number, decision in enumerate((self.jane, self.leo), start=1):
            Checkout.objects.filter(pk=decision.checkout_id).update(stripe_session_id=f"cs_{number}")

    @pytest.mark.sqlite
    def test_are_not_both_called_off_when_one_child_is_rejected(self) -> None:
        reject_enrollment(enrollment_id=self.leo.enrollment_id, actor=STAFF, reason="Too late", now=utc_now())

        called_off = Checkout.objects.filter(cancel_requested_at__isnull=False)
        assert [checkout.pk for checkout in called_off] == [self.leo.checkout_id]

    @pytest.mark.sqlite
    def test_each_find_their_own_by_the_session_they_paid(self) -> None:
        found = [get_decision_by_session(session_id=session) for session in ("cs_1", "cs_2")]

        assert found == [self.jane, self.leo]

    def test_each_find_their_own_by_the_enrollment(self) -> None:
        cuids = [decision.enrollment.cuid for decision in (self.jane, self.leo)]

        assert [get_decision_by_enrollment(cuid=cuid) for cuid in cuids] == [self.jane, self.leo]

    def test_are_not_found_by_the_session_of_another_purpose(self) -> None:
        CheckoutFactory(purpose="tuition", subject=str(self.jane.pk), stripe_session_id="cs_of_something_else")

        with pytest.raises(NotFound):
            get_decision_by_session(session_id="cs_of_something_else")

    @pytest.mark.sqlite
    def test_are_found_by_the_decision_that_asked_for_money_and_not_by_a_later_one(self) -> None:
        EnrollmentDecision.objects.filter(pk=self.jane.pk).update(status="expired")
        EnrollmentDecision.objects.filter(pk=self.leo.pk).update(enrollment=self.jane.enrollment, checkout=None)

        assert get_decision_by_enrollment(cuid=self.jane.enrollment.cuid) == self.jane

    @pytest.mark.sqlite
    def test_leave_nothing_to_review(self, instance: ProgramInstance) -> None:
        Enrollment.objects.filter(pk=self.leo.enrollment_id).update(payment_status="paid")
        CandidateFactory(workspace=instance.workspace, instance=instance)

        assert [row.pk for row in awaiting_review(Enrollment.objects.all())] == [self.leo.enrollment_id]


class TestADecisionThatWasGivenUp:
    def test_is_not_released_with_the_enrollment_that_staff_approved_since(self, instance: ProgramInstance) -> None:
        decision = ask_parent(instance)
        EnrollmentDecision.objects.update(status="expired")
        Checkout.objects.update(status="expired")
        Enrollment.objects.update(payment_status="not_required")
        approve_enrollment(enrollment_id=decision.enrollment_id, actor=STAFF, now=utc_now())

        unenroll_enrollment(enrollment_id=decision.enrollment_id, actor=STAFF, reason="Moved away", now=utc_now())

        assert list(EnrollmentDecision.objects.values_list("status", flat=True)) == ["expired"]


class TestTwoDistricts:
    @pytest.mark.sqlite
    def test_have_their_seats_found_each_by_its_own_id_and_instance(self) -> None:
        instance = InstanceFactory()
        rows = {
            (tenant_id, of): seats(instance.workspace, total=2, tenant_id=tenant_id, instance_id=of)
            for tenant_id in (1, 2)
            for of in (instance.pk, None)
        }

        found = {
            (tenant_id, of): find_allocation(
                workspace_id=instance.workspace_id,
                tenant_id=tenant_id,
                instance_cuid=instance.cuid if of else None,
                now=utc_now(),
            )
            for tenant_id, of in rows
        }

        assert found == rows

    @pytest.mark.sqlite
    def test_are_told_apart_where_one_has_no_seats(self, instance: ProgramInstance) -> None:
        """A district that nobody knows is not the same as one without seats."""
        seats(instance.workspace, total=1, tenant_id=1)
        DistrictSeatAllocation.objects.all().delete()

        known, unknown = (
            route(instance.workspace, tenant_id=tenant_id, guardian_id="g", **who).decision
            for tenant_id, who in ((1, JANE), (2, LEO))
        )

        assert (known.district is not None, unknown.district) == (True, None)

    def test_give_a_seat_to_a_known_learner_beside_somebody_elses(self) -> None:
        instance = InstanceFactory()
        seats(instance.workspace, total=2)
        route(instance.workspace, **JANE)
        LearnerFactory(workspace=instance.workspace, email="leo@school.test", first_name="Leo", last_name="Doe")

        second = route(instance.workspace, **LEO).decision

        assert (second.status, second.provision_source) == (DecisionStatus.COMPLETED, ProvisionSource.DISTRICT)
        assert counts() == [(0, 2)]


class TestALead:
    @pytest.mark.unordered_locks
    def test_becomes_the_learner_of_their_own_enrollment_alone(self) -> None:
        lead = LeadFactory()
        instance = InstanceFactory(workspace=lead.workspace, review_mode=ReviewMode.MANUAL)
        beside = CandidateFactory(
            workspace=lead.workspace, instance=InstanceFactory(workspace=lead.workspace, is_default=False)
        )
        theirs = CandidateFactory(
            workspace=lead.workspace, instance=instance, learner=None, lead=lead, identification_type="leadId"
        )
        Enrollment.objects.filter(pk=theirs.pk).update(eligibility_status="submitted")

        approve_enrollment(enrollment_id=theirs.pk, actor=STAFF, now=utc_now())

        assert Enrollment.objects.get(pk=theirs.pk).learner == Learner.objects.get(email=lead.email)
        assert Enrollment.objects.get(pk=beside.pk).learner == beside.learner


class TestAVerdict:
    @pytest.mark.parametrize(("is_eligible", "note"), [(True, " "), (False, "Asked the school")])
    def test_without_the_word_that_it_needs_changes_nothing(self, is_eligible: bool, note: str) -> None:
        candidate = CandidateFactory()

        with pytest.raises(Invalid) as refusal:
            evaluate_enrollment(
                enrollment_id=candidate.pk, actor=STAFF, is_eligible=is_eligible, note=note, now=utc_now()
            )

        assert dataclasses.asdict(refusal.value.errors[0])["field"] == "reason"
        assert Enrollment.objects.get().eligibility_status == "candidate"
        assert candidate.transitions.count() == 0
