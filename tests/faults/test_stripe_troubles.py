"""Stripe slow, busy, broken, or cut off while a parent is being sent to pay: over HTTP, as an integrator sees it."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import Workspace
from accounts.tests.factories import bearer
from billing.checkout import check_due_checkouts, settle_checkout
from billing.gateways import stripe as stripe_gateway
from billing.models import Checkout, Payment
from core.clock import utc_now
from core.models import IdempotencyRecord
from enrollments.lifecycle import reject_enrollment
from enrollments.models import Enrollment, EnrollmentDecision, SeatAssignment
from enrollments.tests.factories import STAFF, InstanceFactory, seats
from events.models import OutboxEvent
from operations.doctor import examine
from sandbox.testing import SandboxProcess, wait_until
from tests.sweeps import SOON

pytestmark = pytest.mark.django_db(transaction=True)

TROUBLES: dict[str, dict[str, Any]] = {
    "a 500": {"server_error": True},
    "a 429": {"rate_limit": True},
    "no answer in time": {"lost_answer": {"value": "hang", "delay_ms": 1500}},
    "a broken connection": {"lost_answer": "close"},
    "a 500 that is kept for the key": {"lost_answer": {"value": "500", "times": 1}},
    "a slow start": {"latency_ms": 700},
}


class Integrator:
    """Sends the same request with the same key again and again."""

    def __init__(self, workspace: Workspace) -> None:
        self.headers = bearer(workspace=workspace) | {"Idempotency-Key": "one-key"}

    def enroll(self, **context: Any) -> Any:
        body = {
            "learner_profile": {"email": "student@school.edu", "first_name": "Jane", "last_name": "Doe"},
            "context": context or {"guardian_id": "guardian_456"},
        }
        return Client().post("/api/enroll", body, content_type="application/json", headers=self.headers)


@pytest.fixture
def impatient(settings: Any, stripe: SandboxProcess) -> None:
    settings.STRIPE_TIMEOUT_SECONDS = 0.4


def is_accepted(integrator: Integrator) -> bool:
    """Try again with Stripe's breaker closed, as it is after a quarter of a minute."""
    stripe_gateway._connect.cache_clear()
    return bool(integrator.enroll().status_code == 200)


@pytest.mark.usefixtures("impatient")
class TestARequestThatMeetsTrouble:
    @pytest.mark.parametrize("trouble", TROUBLES)
    def test_is_answered_503_and_continued_by_the_same_key(self, stripe: SandboxProcess, trouble: str) -> None:
        integrator = Integrator(InstanceFactory().workspace)
        stripe.faults(**TROUBLES[trouble])

        refused = integrator.enroll()

        kept = "a 500 that is kept for the key"  # there, the session is found in Stripe's list at once
        if trouble != kept:
            assert (refused.status_code, refused.json()["code"]) == (503, "payment_provider_down")
            assert int(refused["Retry-After"]) >= 1
            assert EnrollmentDecision.objects.get().status == "failed"
        stripe.clear_faults()
        wait_until(lambda: is_accepted(integrator))  # Stripe may still be at the first attempt: 409
        continued = integrator.enroll()
        assert (continued.status_code, continued.json()["status"]) == (200, "checkout_required")
        assert [continued.json()["checkout_session_id"]] == [row["id"] for row in stripe.ledger()["sessions"]]
        assert EnrollmentDecision.objects.count() == Enrollment.objects.count() == Checkout.objects.count() == 1
        assert examine() == {}

    def test_takes_no_seat_and_keeps_no_key(self, stripe: SandboxProcess) -> None:
        instance = InstanceFactory()
        allocation = seats(instance.workspace, total=0)
        stripe.faults(server_error=True)

        Integrator(instance.workspace).enroll(tenant_id=1, guardian_id="guardian_456")

        allocation.refresh_from_db()
        assert allocation.available_seats == SeatAssignment.objects.count() == 0
        assert IdempotencyRecord.objects.count() == 0
        assert stripe.ledger()["sessions"] == []

    def test_again_and_again_makes_one_session_in_the_end(self, stripe: SandboxProcess) -> None:
        integrator = Integrator(InstanceFactory().workspace)
        statuses = []
        for trouble in ("a broken connection", "a 429", "no answer in time", "a 500"):
            stripe.faults(**TROUBLES[trouble])
            statuses.append(integrator.enroll().status_code)
            stripe.clear_faults()

        statuses.append(integrator.enroll().status_code)

        assert statuses == [503, 503, 503, 503, 200]
        assert len(stripe.ledger()["sessions"]) == 1
        told = OutboxEvent.objects.filter(type="ENROLLMENT_DECISION").order_by("id")
        assert [event.payload["status"] for event in told] == [
            *["checkout_required", "failed"] * 4,
            "checkout_required",
        ]
        assert examine() == {}

    def test_does_not_reach_a_learner_for_whom_a_seat_is_free(self, stripe: SandboxProcess) -> None:
        instance = InstanceFactory()
        seats(instance.workspace, total=1)
        stripe.faults(server_error=True)

        response = Integrator(instance.workspace).enroll(tenant_id=1)

        assert (response.status_code, response.json()["provision_source"]) == (200, "district")


class TestADecisionThatFailedForAnOutage:
    """The intent to charge is kept: the sweep may still create its session, and then it can be paid."""

    @pytest.fixture
    def decision(self, stripe: SandboxProcess) -> EnrollmentDecision:
        self.instance = InstanceFactory()
        stripe.faults(server_error=True)
        Integrator(self.instance.workspace).enroll()
        stripe.clear_faults()
        stripe_gateway._connect.cache_clear()
        return EnrollmentDecision.objects.select_related("instance__workspace").get()

    def test_is_still_completed_when_it_is_paid(self, stripe: SandboxProcess, decision: EnrollmentDecision) -> None:
        assert decision.status == "failed"
        check_due_checkouts(now=utc_now() + SOON)
        checkout = Checkout.objects.get()
        stripe.pay(checkout.url)

        settle_checkout(checkout_id=checkout.pk, now=utc_now())

        decision = EnrollmentDecision.objects.select_related("enrollment").get()
        assert (decision.status, decision.enrollment.payment_status) == ("completed", "paid")
        assert Payment.objects.get().status == "paid"
        assert examine(now=utc_now() + SOON) == {}

    def test_can_no_longer_be_paid_once_its_enrollment_is_rejected(
        self, stripe: SandboxProcess, decision: EnrollmentDecision
    ) -> None:
        reject_enrollment(enrollment_id=decision.enrollment_id, actor=STAFF, reason="Too young", now=utc_now())

        assert examine() == {}
        check_due_checkouts(now=utc_now() + SOON)
        assert Checkout.objects.get().status == "cancelled"

    def test_can_no_longer_be_paid_once_its_learner_has_a_seat(
        self, stripe: SandboxProcess, decision: EnrollmentDecision
    ) -> None:
        workspace = decision.instance.workspace
        seats(workspace, total=1)

        response = Integrator(workspace).enroll(tenant_id=1, guardian_id="guardian_456")

        assert response.json()["provision_source"] == "district"
        assert examine() == {}
        check_due_checkouts(now=utc_now() + SOON)
        assert Checkout.objects.get().status == "cancelled"
        assert {session["status"] for session in stripe.ledger()["sessions"]} <= {"expired"}
