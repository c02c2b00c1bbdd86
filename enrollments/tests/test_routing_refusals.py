"""Every reason not to give a learner a district seat."""

import datetime as dt
from typing import Any

import pytest

from accounts.models import Guardian, Learner
from accounts.tests.factories import WorkspaceFactory
from core.clock import utc_now
from core.errors import Invalid, Unavailable
from enrollments.errors import Ineligible, NoDefaultInstance, NotForSale
from enrollments.lifecycle import reject_enrollment
from enrollments.models import (
    District,
    DistrictSeatAllocation,
    Enrollment,
    EnrollmentDecision,
    EnrollmentTransition,
    ProgramInstance,
    SeatAssignment,
)
from enrollments.routing import route as routing
from enrollments.routing.result import Routed
from enrollments.seats import update_allocation
from enrollments.states import ReviewMode
from enrollments.tests.criteria import set_criterion
from enrollments.tests.factories import STAFF, CandidateFactory, InstanceFactory, route, seats
from events.models import OutboxEvent

pytestmark = pytest.mark.django_db


def for_jane_only(**more: object) -> ProgramInstance:
    """Return a program that accepts nobody but Jane."""
    return set_criterion(InstanceFactory(**more), "email == 'jane@school.test'", otherwise="Only Jane may enroll")


def route_tom(instance: ProgramInstance, **more: Any) -> Routed:
    return route(instance.workspace, first_name="Tom", email="tom@school.test", **more)


class TestWithoutASeat:
    def test_nothing_at_all_is_written_when_a_parent_can_not_pay_either(self) -> None:
        instance = InstanceFactory(price=None)
        seats(instance.workspace, total=0)

        with pytest.raises(NotForSale, match="has no price"):
            route(instance.workspace, guardian_id="g1")

        assert Learner.objects.count() == Guardian.objects.count() == Enrollment.objects.count() == 0
        assert EnrollmentDecision.objects.count() == OutboxEvent.objects.count() == 0


class TestADecisionThatIsRefusedEachTime:
    def test_is_unavailable_and_tells_operators_the_constraint(
        self, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        workspace = InstanceFactory().workspace
        seats(workspace, total=1, tenant_id=1)
        monkeypatch.setattr(routing, "decide", lambda *_: District.objects.create(workspace=workspace, tenant_id=1))

        with pytest.raises(Unavailable, match="repeat the request"):
            route(workspace)

        given_up: list[Any] = [record.msg for record in caplog.records if record.levelname == "ERROR"]
        assert [line["event"] for line in given_up] == ["routing_given_up"]
        assert given_up[0]["constraints"] == ["district_tenant_unique"] * 4


class TestAnIneligibleLearner:
    def test_is_refused_and_the_decision_recorded(self) -> None:
        instance = for_jane_only()
        allocation = seats(instance.workspace, total=1)

        routed = route_tom(instance)

        assert isinstance(routed.refusal, Ineligible)
        assert routed.refusal.detail == "Only Jane may enroll"
        assert routed.refusal.extra == {"decision_id": routed.decision.pk}
        assert (routed.decision.status, routed.decision.reason) == ("failed", "ineligible")
        assert routed.decision.provision_source is None
        assert routed.decision.enrollment.eligibility_status == "ineligible"
        allocation.refresh_from_db()
        assert allocation.available_seats == 1
        assert SeatAssignment.objects.count() == 0

    def test_asking_again_gets_the_same_refusal(self) -> None:
        instance = for_jane_only()
        first = route_tom(instance, tenant_id=None, guardian_id="g1")

        again = route_tom(instance, tenant_id=None, guardian_id="g1")

        assert again.decision.pk == first.decision.pk
        assert again.refusal is not None
        assert EnrollmentTransition.objects.count() == 1

    def test_is_reconsidered_once_the_criteria_changed(self) -> None:
        instance = for_jane_only()
        seats(instance.workspace, total=1)
        refused = route_tom(instance).decision
        set_criterion(instance, "email.endsWith('@school.test')")

        decision = route_tom(instance).decision

        assert decision.status == "completed"
        assert decision.enrollment_id == refused.enrollment_id
        assert decision.enrollment.eligibility_status == "approved"

    def test_a_rejected_one_is_not_reconsidered_by_asking_again(self) -> None:
        instance = InstanceFactory(review_mode=ReviewMode.MANUAL)
        seats(instance.workspace, total=1)
        first = route(instance.workspace).decision
        reject_enrollment(enrollment_id=first.enrollment_id, actor=STAFF, reason="Incomplete papers", now=utc_now())

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
        """A request that waited past midnight is judged by when it arrived."""
        yesterday = utc_now() - dt.timedelta(days=1)
        instance = InstanceFactory(end_date=yesterday.date())
        seats(instance.workspace, total=1)

        routed = route(instance.workspace, now=yesterday)

        assert routed.decision.status == "completed"
        with pytest.raises(Invalid, match="ended"):
            route(instance.workspace, email="late@school.test", now=yesterday + dt.timedelta(days=1))


class TestAnotherWorkspace:
    @pytest.mark.sqlite
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
        update_allocation(allocation_id=allocation.pk, is_active=False, actor=STAFF, now=utc_now())

        with pytest.raises(NotForSale):
            route(instance.workspace)

        allocation.refresh_from_db()
        assert allocation.available_seats == 5
