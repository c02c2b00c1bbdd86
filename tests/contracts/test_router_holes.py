"""The holes in the router as it was first written down, one class each: the test that it is closed, and a control that
shows it open as soon as its guard is taken away. Whole crowds at once are in tests/races."""

import contextlib
import datetime as dt
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.db.models import F
from django.test import Client

from accounts.models import Guardian, Learner, Workspace
from accounts.tests.factories import GuardianFactory, LearnerFactory, bearer
from billing.checkout import check_due_checkouts, submit_checkout
from billing.errors import PaymentProviderDown
from billing.models import Checkout
from core.clock import utc_now
from core.errors import Invalid, Unavailable
from enrollment_project.doctor import examine
from enrollments.errors import AllocationBelowUse, NotForSale
from enrollments.models import (
    DistrictSeatAllocation,
    Enrollment,
    EnrollmentDecision,
    ProgramInstance,
    SeatAssignment,
)
from enrollments.routing import decide as deciding
from enrollments.routing import offer as supply
from enrollments.routing import route as routing
from enrollments.routing.offer import find_district_seat
from enrollments.seats import SeatCounts, update_allocation
from enrollments.states import SeatStatus
from enrollments.tests.factories import InstanceFactory, route, seats
from events import publishing
from events.gateways.port import RelayedEvent, StreamUnavailable
from events.models import OutboxEvent
from events.relay import relay_due_events
from sandbox.testing import SandboxProcess
from tests.constraints import without_constraints
from tests.processes import Failure, Meeting, at_once
from tests.sweeps import SOON, sweep

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]

NOTHING: dict[str, int] = dict.fromkeys(("learners", "enrollments", "seats", "decisions", "events"), 0)


def written() -> dict[str, int]:
    models = (Learner, Enrollment, SeatAssignment, EnrollmentDecision, OutboxEvent)
    return dict(zip(NOTHING, (model.objects.count() for model in models), strict=True))


@pytest.mark.race
class TestCheckingBeforeCounting:
    """Hole: two requests see the same last seat free, and both count it."""

    def two_for_one_seat(self, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
        monkeypatch.setattr(deciding, "find_district_seat", Meeting(find_district_seat, patience=2))
        instance = InstanceFactory(price=None)
        seats(instance.workspace, total=1)
        emails = ("a@school.test", "b@school.test")
        return at_once(*[partial(self.status, instance.workspace, email) for email in emails])

    def status(self, workspace: Workspace, email: str) -> str:
        return str(route(workspace, email=email).decision.status)

    def test_gives_the_last_seat_to_one_of_two_who_saw_it_free(self, monkeypatch: pytest.MonkeyPatch) -> None:
        answers = self.two_for_one_seat(monkeypatch)

        assert sorted(answer.kind if isinstance(answer, Failure) else answer for answer in answers) == [
            "NotForSale",
            "completed",
        ]
        assert DistrictSeatAllocation.objects.get().used_seats == SeatAssignment.objects.count() == 1

    def test_without_the_conditional_update_would_oversell(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def count(*, allocation_id: int, as_status: SeatStatus, now: dt.datetime, today: dt.date) -> SeatCounts:
            DistrictSeatAllocation.objects.filter(pk=allocation_id).update(used_seats=F("used_seats") + 1)
            return SeatCounts(total=1, reserved=0, used=1)

        monkeypatch.setattr(deciding, "take_seat", count)
        with without_constraints((DistrictSeatAllocation, "allocation_never_oversold")):
            answers = self.two_for_one_seat(monkeypatch)

            assert answers == ["completed", "completed"]
            assert "enrollments.no_allocation_is_oversold" in examine()


class TestASeatWithoutItsDecision:
    """Hole: the seat is committed first, and what follows may fail."""

    @pytest.fixture(autouse=True)
    def _failing_decision(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: Any) -> None:
            raise RuntimeError("the disk is full")

        monkeypatch.setattr(deciding, "decision_made", fail)

    def test_is_never_committed(self) -> None:
        instance = InstanceFactory()
        allocation = seats(instance.workspace, total=1)

        with pytest.raises(RuntimeError):
            route(instance.workspace)

        allocation.refresh_from_db()
        assert allocation.available_seats == 1
        assert written() == NOTHING

    def test_without_the_one_transaction_would_stay(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(routing, "transaction", SimpleNamespace(atomic=contextlib.nullcontext))
        instance = InstanceFactory()
        seats(instance.workspace, total=1)

        with pytest.raises(RuntimeError):
            route(instance.workspace)

        assert written()["seats"] == 1
        assert "enrollments.seats_are_published_as_they_are" in examine()


class TestALearnerWithManySeats:
    """Hole: every request of the same learner takes another seat."""

    GUARDS = (Enrollment, "enrollment_one_current"), (SeatAssignment, "seat_one_held_per_learner")

    def test_gets_one_however_often_they_ask(self) -> None:
        instance = InstanceFactory()
        allocation = seats(instance.workspace, total=5)

        decisions = {route(instance.workspace).decision.pk for _ in range(3)}

        allocation.refresh_from_db()
        assert len(decisions) == allocation.used_seats == 1

    def test_is_refused_by_the_database_when_nobody_looks(self, nobody_looks: None) -> None:
        instance = InstanceFactory()
        allocation = seats(instance.workspace, total=5)
        route(instance.workspace)

        with pytest.raises(Unavailable):
            route(instance.workspace)

        allocation.refresh_from_db()
        assert allocation.used_seats == 1

    @pytest.mark.race
    def test_without_looking_and_without_the_constraints_would_be_possible(self, nobody_looks: None) -> None:
        with without_constraints(*self.GUARDS):
            instance = InstanceFactory()
            allocation = seats(instance.workspace, total=5)

            decisions = {route(instance.workspace).decision.pk for _ in range(3)}

            allocation.refresh_from_db()
            assert len(decisions) == allocation.used_seats == 3
            assert "enrollments.one_held_seat_per_learner_and_allocation" in examine()

    @pytest.fixture
    def nobody_looks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(deciding, "current_enrollment", lambda **_: None)
        monkeypatch.setattr(supply, "_allocations_held", lambda learner_id: set())


class TestIdsInTheBody:
    """Hole: whose district, guardian, learner or program it is, is believed from the request."""

    @pytest.fixture
    def ours(self) -> ProgramInstance:
        return InstanceFactory(price=None)

    @pytest.fixture
    def theirs(self) -> ProgramInstance:
        return InstanceFactory(price=None)

    def believing(self, monkeypatch: pytest.MonkeyPatch, reader: str, owner: Workspace) -> None:
        """Let routing read one thing from the workspace that the request's id belongs to."""
        read: Callable[..., Any] = getattr(deciding, reader)

        def believe(**asked: Any) -> Any:
            return read(**asked | {"workspace_id": owner.pk})

        monkeypatch.setattr(deciding, reader, believe)

    def test_take_no_seat_of_a_foreign_district(self, ours: ProgramInstance, theirs: ProgramInstance) -> None:
        allocation = seats(theirs.workspace, total=5, tenant_id=77)

        with pytest.raises(NotForSale):
            route(ours.workspace, tenant_id=77)

        allocation.refresh_from_db()
        assert allocation.available_seats == 5
        assert written() == NOTHING

    def test_believed_would_take_a_foreign_seat(
        self, ours: ProgramInstance, theirs: ProgramInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seats(theirs.workspace, total=5, tenant_id=77)
        self.believing(monkeypatch, "find_district_seat", theirs.workspace)

        route(ours.workspace, tenant_id=77)

        assert DistrictSeatAllocation.objects.get().used_seats == 1
        assert "accounts.foreign_keys_stay_in_their_workspace" in examine()

    def test_make_a_guardian_of_our_own_for_a_foreign_one_s_id(
        self, ours: ProgramInstance, theirs: ProgramInstance
    ) -> None:
        seats(ours.workspace, total=5)
        foreign = GuardianFactory(workspace=theirs.workspace, external_id="guardian_456")

        decision = route(ours.workspace, guardian_id="guardian_456").decision

        assert decision.guardian != foreign
        assert decision.guardian == Guardian.objects.get(workspace=ours.workspace)
        assert foreign.learners.count() == 0

    def test_believed_would_link_a_foreign_guardian(
        self, ours: ProgramInstance, theirs: ProgramInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seats(ours.workspace, total=5)
        foreign = GuardianFactory(workspace=theirs.workspace, external_id="guardian_456")
        self.believing(monkeypatch, "find_or_create_guardian", theirs.workspace)

        route(ours.workspace, guardian_id="guardian_456")

        assert foreign.learners.count() == 1
        assert "accounts.foreign_keys_stay_in_their_workspace" in examine()

    def test_make_a_learner_of_our_own_for_a_foreign_one_s_id(
        self, ours: ProgramInstance, theirs: ProgramInstance
    ) -> None:
        seats(ours.workspace, total=5)
        foreign = LearnerFactory(workspace=theirs.workspace)

        decision = route(ours.workspace, learner_id=foreign.cuid).decision

        assert decision.learner != foreign
        assert decision.learner.workspace == ours.workspace

    def test_believed_would_enroll_a_foreign_learner(
        self, ours: ProgramInstance, theirs: ProgramInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seats(ours.workspace, total=5)
        foreign = LearnerFactory(workspace=theirs.workspace)
        self.believing(monkeypatch, "find_or_create_learner", theirs.workspace)

        route(ours.workspace, learner_id=foreign.cuid)

        assert foreign.enrollments.count() == 1
        assert "accounts.foreign_keys_stay_in_their_workspace" in examine()

    def test_enroll_in_no_foreign_program(self, ours: ProgramInstance, theirs: ProgramInstance) -> None:
        seats(ours.workspace, total=5)

        with pytest.raises(Invalid) as refusal:
            route(ours.workspace, instance=theirs)

        assert refusal.value.errors[0].field == "context.program_instance_id"
        assert written() == NOTHING

    def test_believed_would_enroll_in_a_foreign_program(
        self, ours: ProgramInstance, theirs: ProgramInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seats(ours.workspace, total=5)
        self.believing(monkeypatch, "find_instance", theirs.workspace)

        route(ours.workspace, instance=theirs)

        assert theirs.enrollments.count() == 1
        assert "accounts.foreign_keys_stay_in_their_workspace" in examine()


class TestATotalBelowUse:
    """Hole: a district's total can be set below the seats that are taken."""

    def test_is_refused_and_changes_nothing(self) -> None:
        allocation = self.one_taken()

        with pytest.raises(AllocationBelowUse):
            update_allocation(allocation_id=allocation.pk, total_seats=0)

        allocation.refresh_from_db()
        assert (allocation.total_seats, allocation.used_seats) == (5, 1)

    def test_is_refused_by_the_database_when_nobody_compares(self) -> None:
        self.one_taken()

        with pytest.raises(IntegrityError, match="allocation_never_oversold"), transaction.atomic():
            DistrictSeatAllocation.objects.update(total_seats=0)

    @pytest.mark.race
    def test_without_comparing_and_without_the_constraint_would_be_possible(self) -> None:
        with without_constraints((DistrictSeatAllocation, "allocation_never_oversold")):
            self.one_taken()

            DistrictSeatAllocation.objects.update(total_seats=0)

            assert "enrollments.no_allocation_is_oversold" in examine()

    def one_taken(self) -> DistrictSeatAllocation:
        instance = InstanceFactory()
        allocation = seats(instance.workspace, total=5)
        route(instance.workspace)
        return allocation


class TestADecisionThatRequiresACheckout:
    """Hole: nothing turns checkout_required into completed or expired."""

    def test_is_completed_by_the_payment(self, stripe: SandboxProcess) -> None:
        decision_id = self.ask_parent()
        stripe.pay(Checkout.objects.get().url)

        check_due_checkouts(now=utc_now() + SOON)

        assert self.status(decision_id) == ("completed", "paid")

    def test_is_expired_when_its_time_is_over(self, stripe: SandboxProcess) -> None:
        decision_id = self.ask_parent()
        stripe.advance_clock(seconds=24 * 3600)

        check_due_checkouts(now=utc_now() + SOON)

        assert self.status(decision_id) == ("expired", "pending")

    def test_without_the_reactions_to_money_would_wait_for_ever(
        self, stripe: SandboxProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(publishing, "_handlers", {kind: [] for kind in publishing._handlers})
        decision_id = self.ask_parent()
        stripe.pay(Checkout.objects.get().url)

        check_due_checkouts(now=utc_now() + SOON)

        broken = examine(now=utc_now() + 2 * SOON)
        assert self.status(decision_id) == ("checkout_required", "pending")
        assert {"enrollments.waiting_decisions_can_be_paid", "enrollments.payments_have_a_purpose"} <= set(broken)

    def ask_parent(self) -> int:
        return route(InstanceFactory().workspace, tenant_id=None, guardian_id="guardian_456").decision.pk

    def status(self, decision_id: int) -> tuple[str, str]:
        decision = EnrollmentDecision.objects.select_related("enrollment").get(pk=decision_id)
        return decision.status, decision.enrollment.payment_status


class TestAPaymentOutage:
    """Hole: Stripe is down and the answer is 200 with nothing to pay by."""

    def enroll(self, workspace: Workspace) -> Any:
        body = {
            "learner_profile": {"email": "student@school.edu", "first_name": "Jane", "last_name": "Doe"},
            "context": {"guardian_id": "guardian_456"},
        }
        return Client().post("/api/enroll", body, content_type="application/json", headers=bearer(workspace=workspace))

    def test_answers_503_and_when_to_come_back(self, stripe: SandboxProcess) -> None:
        stripe.faults(server_error=True)

        answer = self.enroll(InstanceFactory().workspace)

        assert (answer.status_code, answer.json()["code"]) == (503, "payment_provider_down")
        assert int(answer["Retry-After"]) >= 1

    def test_passed_over_would_answer_200_without_a_checkout(
        self, stripe: SandboxProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        submit = submit_checkout

        def pass_over(*, checkout_id: int) -> None:
            with contextlib.suppress(PaymentProviderDown):
                submit(checkout_id=checkout_id)

        monkeypatch.setattr(routing, "submit_checkout", pass_over)
        stripe.faults(server_error=True)

        answer = self.enroll(InstanceFactory().workspace)

        assert (answer.status_code, answer.json()["checkout_url"]) == (200, None)


class TestTheDecisionEvent:
    """Hole: the event is a line in the log, lost with the process or the consumer."""

    def test_waits_in_the_outbox_until_the_stream_has_it(self) -> None:
        instance = InstanceFactory()
        seats(instance.workspace, total=1)
        decision = route(instance.workspace).decision
        stream = Stream()

        stream.is_down = True
        with pytest.raises(StreamUnavailable):
            relay_due_events(stream=stream)
        stream.is_down = False
        relay_due_events(stream=stream, now=utc_now() + SOON)

        told = [event.payload["decision_id"] for event in stream.events if event.type == "ENROLLMENT_DECISION"]
        assert told == [decision.pk]

    def test_only_logged_would_be_told_to_nobody(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(deciding, "publish", lambda *events, **_: None)
        instance = InstanceFactory()
        seats(instance.workspace, total=1)

        route(instance.workspace)

        sweep()
        assert OutboxEvent.objects.count() == 0
        assert "enrollments.decisions_are_published_as_they_are" in examine()


class Stream:
    """A stream that keeps what it is given, when it is there."""

    def __init__(self) -> None:
        self.events: list[RelayedEvent] = []
        self.is_down = False

    def append(self, events: Any) -> list[str]:
        if self.is_down:
            raise StreamUnavailable("gone")
        self.events += events
        return [""] * len(events)
