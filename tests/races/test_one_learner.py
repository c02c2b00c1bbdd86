"""Many requests about one learner at the same moment: a browser's double click, an integrator's retries."""

from typing import Any

import pytest

from accounts import learners
from accounts.models import Learner
from core.rows import insert_unless_present
from enrollments.models import Enrollment, EnrollmentDecision, SeatAssignment
from enrollments.tests.factories import InstanceFactory, route, seats
from events.models import OutboxEvent
from operations.doctor import examine
from sandbox.testing import SandboxProcess
from tests.constraints import without_constraints
from tests.processes import Meeting, at_once

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

TIMES = 12


class TestOneLearnerAskedForManyTimes:
    def test_takes_one_seat_by_one_decision_and_is_answered_the_same(self) -> None:
        instance = InstanceFactory()
        allocation = seats(instance.workspace, total=5)

        answers = at_once(*[lambda: route(instance.workspace).answer()] * TIMES)

        allocation.refresh_from_db()
        assert answers == [answers[0]] * TIMES
        assert answers[0]["decision_id"] == EnrollmentDecision.objects.get().pk
        assert allocation.used_seats == SeatAssignment.objects.count() == 1
        assert Learner.objects.count() == Enrollment.objects.count() == 1
        assert OutboxEvent.objects.filter(type="ENROLLMENT_DECISION").count() == 1
        assert examine() == {}

    def test_without_one_identity_per_learner_would_take_several(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: without the unique identity, all see that there is no such learner yet."""
        meeting = Meeting(insert_unless_present, parties=4)
        monkeypatch.setattr(learners, "insert_unless_present", meeting)
        with without_constraints((Learner, "learner_identity_unique")):
            instance = InstanceFactory()
            allocation = seats(instance.workspace, total=5)

            at_once(*[lambda: route(instance.workspace).decision.pk] * 4)

            allocation.refresh_from_db()
            assert allocation.used_seats == Learner.objects.count() == 4

    def test_is_sent_to_one_checkout(self, stripe: SandboxProcess) -> None:
        instance = InstanceFactory()
        stripe.faults(latency_ms=200)

        answers = at_once(*[lambda: ask_parent(instance)] * 4)

        again = ask_parent(instance)
        assert [answer for answer in answers if isinstance(answer, dict)] == [again] * sum(
            isinstance(answer, dict) for answer in answers
        )
        assert {answer.kind for answer in answers if not isinstance(answer, dict)} <= {"PaymentProviderDown"}
        assert again["status"] == "checkout_required"
        assert [again["checkout_session_id"]] == [session["id"] for session in stripe.ledger()["sessions"]]
        assert EnrollmentDecision.objects.count() == Learner.objects.count() == 1
        assert examine() == {}


def ask_parent(instance: Any) -> dict[str, Any]:
    return route(instance.workspace, tenant_id=None, guardian_id="guardian_456").answer()
