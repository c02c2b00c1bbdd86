"""The holes in the router's first draft, one class each: a test that it is closed, and a control that shows it open
once its guard is removed. tests/races covers whole crowds.
"""

import contextlib
import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import Guardian, Workspace
from accounts.tests.factories import GuardianFactory, LearnerFactory, bearer
from billing.checkout import check_due_checkouts, submit_checkout
from billing.errors import PaymentProviderDown
from billing.models import Checkout
from core.clock import utc_now
from core.errors import Invalid
from enrollments.errors import NotForSale
from enrollments.models import DistrictSeatAllocation, EnrollmentDecision, ProgramInstance
from enrollments.routing import decide as deciding
from enrollments.routing import route as routing
from enrollments.tests.factories import InstanceFactory, route, seats
from events import publishing
from events.gateways.port import RelayedEvent, StreamUnavailable
from events.models import OutboxEvent
from events.relay import relay_due_events
from operations.doctor import examine
from sandbox.testing import SandboxProcess
from tests.sweeps import SOON, sweep

from .router_rows import NOTHING, written

pytestmark = pytest.mark.django_db(transaction=True)


class TestIdsInTheBody:
    """Hole: the request is believed about whose district, guardian, learner, or program it is."""

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
    """Hole: Stripe is down and the answer is 200 without any way to pay."""

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

        def pass_over(*, checkout_id: int, now: dt.datetime) -> None:
            with contextlib.suppress(PaymentProviderDown):
                submit(checkout_id=checkout_id, now=now)

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
            relay_due_events(stream=stream, now=utc_now())
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
    """A stream that keeps what it is given while it is reachable."""

    def __init__(self) -> None:
        self.events: list[RelayedEvent] = []
        self.is_down = False

    def append(self, events: Any) -> list[str]:
        if self.is_down:
            raise StreamUnavailable("gone")
        self.events += events
        return [""] * len(events)
