"""The parent's side of routing, against the running Stripe stand-in."""

import datetime as dt
from typing import Any
from unittest.mock import Mock

import pytest
from django.db import OperationalError

from accounts.models import Guardian, StaffTask
from accounts.tests.factories import WorkspaceFactory
from billing.checkout import settle_checkout
from billing.errors import PaymentProviderDown
from billing.models import Checkout, Invoice, Payment, Refund
from billing.purposes import Service
from billing.states import RefundReason
from core.clock import utc_now
from core.errors import TransitionNotAllowed
from core.http.idempotency import AlreadyAnswered, Claim, RequestInFlight
from core.models import IdempotencyRecord
from enrollments.models import Enrollment, EnrollmentDecision
from enrollments.routing.decision import cancel_decision
from enrollments.states import ReviewMode
from enrollments.tests.factories import InstanceFactory, route, seats
from events.models import OutboxEvent
from sandbox.testing import SandboxProcess

from .parents import ask_parent, die, fresh, from_handlers, pay, stripe_sessions, stripe_url

pytestmark = pytest.mark.django_db(transaction=True)


class TestAskingAParent:
    def test_opens_a_checkout_and_gives_the_documented_answer(self, stripe: SandboxProcess) -> None:
        instance = InstanceFactory()

        routed = route(instance.workspace, tenant_id=None, guardian_id="guardian_456")

        session = stripe.ledger()["sessions"][0]
        assert routed.answer() == {
            "provision_source": "parent",
            "status": "checkout_required",
            "guardian_id": "guardian_456",
            "checkout_session_id": session["id"],
            "checkout_url": routed.decision.checkout.url,
            "decision_id": routed.decision.pk,
            "enrollment_id": routed.decision.enrollment.cuid,
            "reason": "no_district",
            "message": "Checkout session created for parent payment",
        }
        assert routed.decision.checkout.url.startswith(stripe.url)

    def test_leaves_the_enrollment_submitted_and_unpaid(self, stripe: SandboxProcess) -> None:
        enrollment = ask_parent(InstanceFactory()).enrollment

        assert (enrollment.eligibility_status, enrollment.participation_status) == ("submitted", "not_started")
        assert enrollment.payment_status == "pending"

    def test_tells_stripe_ids_and_nobody_s_name(self, stripe: SandboxProcess) -> None:
        decision = ask_parent(InstanceFactory())

        session = stripe.ledger()["sessions"][0]
        assert session["metadata"] == {
            "workspaceId": str(decision.workspace_id),
            "checkoutId": str(decision.checkout_id),
            "purpose": "enrollment_decision",
            "subject": str(decision.pk),
        }

    @pytest.mark.parametrize(
        ("total", "change", "reason"),
        [(0, {}, "seats_exhausted"), (5, {"is_active": False}, "allocation_inactive"), (None, {}, "no_district")],
    )
    def test_says_why_there_was_no_seat(
        self, stripe: SandboxProcess, total: int | None, change: dict[str, Any], reason: str
    ) -> None:
        instance = InstanceFactory()
        if total is not None:
            allocation = seats(instance.workspace, total=total)
            type(allocation).objects.filter(pk=allocation.pk).update(**change)

        decision = route(instance.workspace, tenant_id=1).decision

        assert (decision.provision_source, decision.reason) == ("parent", reason)

    def test_of_a_district_without_seats_for_this_program_says_so(self, stripe: SandboxProcess) -> None:
        instance = InstanceFactory()
        other = InstanceFactory(workspace=instance.workspace, is_default=False)
        seats(instance.workspace, total=3, instance_id=other.pk)

        decision = route(instance.workspace, tenant_id=1).decision

        assert decision.reason == "no_allocation"

    def test_again_returns_the_same_checkout(self, stripe: SandboxProcess) -> None:
        instance = InstanceFactory()
        first = route(instance.workspace, tenant_id=None, guardian_id="guardian_456")

        again = route(instance.workspace, tenant_id=None, guardian_id="guardian_456")

        assert again.answer() == first.answer()
        assert len(stripe.ledger()["sessions"]) == 1


class TestAPaidCheckout:
    def test_completes_the_decision_and_approves_the_enrollment(self, stripe: SandboxProcess) -> None:
        decision = pay(stripe, ask_parent(InstanceFactory()))

        assert (decision.status, decision.message) == ("completed", "Successfully enrolled via parent payment")
        enrollment = decision.enrollment
        assert (enrollment.eligibility_status, enrollment.payment_status) == ("approved", "paid")
        assert enrollment.participation_status == "active"
        assert decision.payment_id == Payment.objects.get().pk
        days = (enrollment.first_day, enrollment.last_day)
        assert Invoice.objects.get().service == Service(decision.learner.first_name, decision.learner.cuid, *days)

    def test_publishes_each_change_once_and_in_order(self, stripe: SandboxProcess) -> None:
        decision = pay(stripe, ask_parent(InstanceFactory()))

        settle_checkout(checkout_id=decision.checkout_id, now=utc_now())

        told = list(OutboxEvent.objects.order_by("id").values_list("type", flat=True))
        assert told == [
            "enrollment.created",
            "enrollment.status_changed",
            "enrollment.status_changed",
            "enrollment.status_changed",
            "ENROLLMENT_DECISION",
            "payment.succeeded",
            "enrollment.status_changed",
            "enrollment.status_changed",
            "enrollment.status_changed",
            "ENROLLMENT_DECISION",
        ]
        statuses = (
            OutboxEvent.objects.filter(type="ENROLLMENT_DECISION")
            .order_by("id")
            .values_list("payload__status", flat=True)
        )
        assert list(statuses) == ["checkout_required", "completed"]

    def test_waits_for_the_reviewer_where_review_is_manual(self, stripe: SandboxProcess) -> None:
        decision = pay(stripe, ask_parent(InstanceFactory(review_mode=ReviewMode.MANUAL)))

        assert decision.status == "completed"
        assert (decision.enrollment.eligibility_status, decision.enrollment.payment_status) == ("submitted", "paid")

    def test_makes_nobody_the_guardian(self, stripe: SandboxProcess) -> None:
        pay(stripe, ask_parent(InstanceFactory()), email="stranger@home.test")

        assert [(each.external_id, each.email) for each in Guardian.objects.all()] == [("guardian_456", None)]
        assert StaffTask.objects.get().kind == "guardian_without_address"

    def test_for_an_enrollment_already_paid_is_refunded_as_duplicate(self, stripe: SandboxProcess) -> None:
        instance = InstanceFactory()
        first = ask_parent(instance)
        cancel_decision(decision_id=first.pk, now=utc_now())
        second = pay(stripe, ask_parent(instance))
        assert second.pk != first.pk
        late = Checkout.objects.get(pk=first.checkout_id)
        money = Payment.objects.create(
            workspace=instance.workspace,
            checkout=late,
            purpose=late.purpose,
            subject=late.subject,
            payment_intent_id="pi_late",
            amount_minor=late.amount_minor,
            currency=late.currency,
        )

        from_handlers(money, late)

        refund = Refund.objects.get()
        assert (refund.payment_id, refund.reason) == (money.pk, RefundReason.DUPLICATE)
        assert fresh(second).status == "completed"
        assert fresh(first).status == "cancelled"


class TestAnUnpaidCheckout:
    def test_that_expired_expires_the_decision_and_asking_again_makes_a_new_one(self, stripe: SandboxProcess) -> None:
        instance = InstanceFactory()
        first = ask_parent(instance)
        stripe.advance_clock(seconds=24 * 3600)
        settle_checkout(checkout_id=first.checkout_id, now=utc_now())

        second = ask_parent(instance, now=utc_now() + dt.timedelta(hours=24))

        assert fresh(first).status == "expired"
        assert second.pk != first.pk
        assert second.enrollment_id == first.enrollment_id
        assert second.status == "checkout_required"

    def test_past_its_time_is_settled_with_stripe_before_a_new_one_is_made(self, stripe: SandboxProcess) -> None:
        instance = InstanceFactory()
        first = ask_parent(instance)
        stripe.advance_clock(seconds=24 * 3600)

        second = ask_parent(instance, now=utc_now() + dt.timedelta(hours=24))

        assert fresh(first).status == "expired"
        assert second.status == "checkout_required"
        assert second.pk != first.pk

    def test_past_its_time_but_paid_is_found_paid(self, stripe: SandboxProcess) -> None:
        instance = InstanceFactory()
        first = ask_parent(instance)
        stripe.pay(Checkout.objects.get().url)

        again = ask_parent(instance, now=utc_now() + dt.timedelta(hours=24))

        assert again.pk == first.pk
        assert again.status == "completed"

    def test_takes_a_district_seat_instead_when_one_is_free_the_next_time(self, stripe: SandboxProcess) -> None:
        instance = InstanceFactory()
        first = ask_parent(instance)
        cancel_decision(decision_id=first.pk, now=utc_now())
        allocation = seats(instance.workspace, total=1)

        second = route(instance.workspace, tenant_id=1).decision

        allocation.refresh_from_db()
        assert (second.provision_source, second.status) == ("district", "completed")
        assert second.enrollment.payment_status == "not_required"
        assert allocation.used_seats == 1

    def test_can_be_cancelled_once(self, stripe: SandboxProcess) -> None:
        decision = ask_parent(InstanceFactory())

        cancel_decision(decision_id=decision.pk, now=utc_now())

        assert fresh(decision).status == "cancelled"
        with pytest.raises(TransitionNotAllowed):
            cancel_decision(decision_id=decision.pk, now=utc_now())

    def test_cancelled_after_it_was_paid_is_completed(self, stripe: SandboxProcess) -> None:
        decision = ask_parent(InstanceFactory())
        stripe.pay(Checkout.objects.get().url)

        cancelled = cancel_decision(decision_id=decision.pk, now=utc_now())

        assert cancelled.status == "completed"
        assert cancelled.enrollment.payment_status == "paid"


class TestABankDebit:
    def test_keeps_the_decision_open_until_the_bank_answers(self, stripe: SandboxProcess) -> None:
        decision = pay(stripe, ask_parent(InstanceFactory()), card="async")

        assert decision.status == "checkout_required"
        assert decision.enrollment.payment_status == "pending"

    def test_that_succeeds_completes_it(self, stripe: SandboxProcess) -> None:
        decision = pay(stripe, ask_parent(InstanceFactory()), card="async")
        stripe.settle(decision.checkout.url or stripe_url(stripe, decision))

        settle_checkout(checkout_id=decision.checkout_id, now=utc_now())

        assert fresh(decision).status == "completed"

    def test_that_fails_fails_it_and_the_parent_may_try_again(self, stripe: SandboxProcess) -> None:
        instance = InstanceFactory()
        decision = pay(stripe, ask_parent(instance), card="async")
        stripe.settle(decision.checkout.url or stripe_url(stripe, decision), outcome="failed")
        settle_checkout(checkout_id=decision.checkout_id, now=utc_now())

        second = ask_parent(instance)

        assert fresh(decision).status == "failed"
        assert second.pk != decision.pk
        assert second.enrollment_id == decision.enrollment_id
        changes = (
            second.enrollment.transitions.filter(facet="payment")
            .order_by("number")
            .values_list("from_status", "to_status")
        )
        assert list(changes) == [("not_required", "pending"), ("pending", "failed"), ("failed", "pending")]

    def test_that_fails_is_made_good_by_a_district_seat(self, stripe: SandboxProcess) -> None:
        instance = InstanceFactory()
        decision = pay(stripe, ask_parent(instance), card="async")
        stripe.settle(decision.checkout.url or stripe_url(stripe, decision), outcome="failed")
        settle_checkout(checkout_id=decision.checkout_id, now=utc_now())
        seats(instance.workspace, total=1)

        second = route(instance.workspace, tenant_id=1).decision

        assert (second.status, second.provision_source) == ("completed", "district")
        assert (second.enrollment.eligibility_status, second.enrollment.payment_status) == ("approved", "not_required")


class TestStripeDown:
    def claim(self, key: str = "key-1") -> Claim:
        return Claim(scope="key:1", key=key, fingerprint="same")

    def test_refuses_with_503_and_keeps_the_decision_as_failed(self, stripe: SandboxProcess) -> None:
        instance = InstanceFactory()
        stripe.faults(server_error=True)

        with pytest.raises(PaymentProviderDown):
            ask_parent(instance, claim=self.claim())

        decision = EnrollmentDecision.objects.get()
        assert (decision.status, decision.reason) == ("failed", "no_district")
        assert IdempotencyRecord.objects.count() == 0
        assert stripe_sessions(stripe) == 0

    def test_is_continued_by_the_same_request(self, stripe: SandboxProcess) -> None:
        instance = InstanceFactory()
        stripe.faults(server_error=True)
        with pytest.raises(PaymentProviderDown):
            ask_parent(instance, claim=self.claim())
        failed = EnrollmentDecision.objects.get()
        stripe.clear_faults()

        decision = ask_parent(instance, claim=self.claim())

        assert decision.pk == failed.pk
        assert decision.status == "checkout_required"
        assert Checkout.objects.count() == stripe_sessions(stripe) == Enrollment.objects.count() == 1

    def test_with_the_answer_lost_makes_no_second_session(self, stripe: SandboxProcess) -> None:
        instance = InstanceFactory()
        stripe.faults(lost_answer={"value": True, "times": 1})
        with pytest.raises(PaymentProviderDown):
            ask_parent(instance, claim=self.claim())

        decision = ask_parent(instance, claim=self.claim())

        assert decision.checkout is not None
        assert decision.checkout.stripe_session_id == stripe.ledger()["sessions"][0]["id"]
        assert stripe_sessions(stripe) == 1

    def test_answers_the_same_key_from_the_record_afterwards(self, stripe: SandboxProcess) -> None:
        instance = InstanceFactory()
        first = route(instance.workspace, tenant_id=None, guardian_id="guardian_456", claim=self.claim())

        with pytest.raises(AlreadyAnswered) as answer:
            ask_parent(instance, claim=self.claim())

        assert (answer.value.status, answer.value.body) == (200, first.answer())

    @pytest.mark.parametrize(
        "step", ["enrollments.routing.route.submit_checkout", "enrollments.routing.route._resume_if_interrupted"]
    )
    def test_with_a_database_that_is_busy_is_continued_at_once_by_the_same_request(
        self, stripe: SandboxProcess, monkeypatch: pytest.MonkeyPatch, step: str
    ) -> None:
        instance = InstanceFactory()
        monkeypatch.setattr(step, Mock(side_effect=OperationalError("canceling statement due to lock timeout")))
        with pytest.raises(OperationalError):
            ask_parent(instance, claim=self.claim())
        monkeypatch.undo()

        decision = ask_parent(instance, claim=self.claim())

        assert decision.status == "checkout_required"
        assert stripe_sessions(stripe) == EnrollmentDecision.objects.count() == 1

    def test_between_the_two_transactions_the_key_is_in_flight(
        self, stripe: SandboxProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        instance = InstanceFactory()
        monkeypatch.setattr("enrollments.routing.route.submit_checkout", die)
        with pytest.raises(KeyboardInterrupt):
            ask_parent(instance, claim=self.claim())
        monkeypatch.undo()

        with pytest.raises(RequestInFlight):
            ask_parent(instance, claim=self.claim())

        later = ask_parent(instance, claim=self.claim(), now=utc_now() + dt.timedelta(minutes=2))
        assert later.status == "checkout_required"
        assert stripe_sessions(stripe) == 1


class TestTwoWorkspaces:
    def test_with_the_same_guardian_id_stay_apart(self, stripe: SandboxProcess) -> None:
        ask_parent(InstanceFactory(workspace=WorkspaceFactory()))
        ask_parent(InstanceFactory(workspace=WorkspaceFactory()))

        assert Guardian.objects.filter(external_id="guardian_456").count() == 2
