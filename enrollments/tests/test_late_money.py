"""Money that arrives, fails, or is refunded when a decision is no longer what it was; on rows, without Stripe."""

import pytest
from django.db import transaction

from billing.models import Checkout, Payment, Refund
from billing.states import RefundReason
from billing.tests.snapshots import AWAITING_THE_BANK, EXPIRED, REFUSED_BY_THE_BANK, arrive, refund, tell
from core.clock import utc_now
from enrollments.lifecycle import unenroll_enrollment
from enrollments.models import Enrollment, EnrollmentDecision, ProgramInstance
from enrollments.tests.factories import STAFF, InstanceFactory, route, seats

from .parents import ask_parent, fresh

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("stripe_is_not_asked")]


@pytest.fixture
def instance() -> ProgramInstance:
    return InstanceFactory()


def asked(decision: EnrollmentDecision) -> Checkout:
    return Checkout.objects.get(pk=decision.checkout_id)


def standing(decision: EnrollmentDecision) -> tuple[str, str, str]:
    """Return the states of the decision and of its enrollment."""
    now = fresh(decision)
    return now.status, now.enrollment.eligibility_status, now.enrollment.payment_status


def wanted_back() -> list[tuple[int, str]]:
    return list(Refund.objects.order_by("pk").values_list("payment_id", "reason"))


class TestALatePayment:
    def test_while_a_second_decision_waits_goes_back_and_that_one_waits_on(self, instance: ProgramInstance) -> None:
        first = ask_parent(instance)
        tell(asked(first), **EXPIRED)
        second = ask_parent(instance)

        tell(asked(first))

        payment = Payment.objects.get()
        assert wanted_back() == [(payment.pk, RefundReason.DUPLICATE)]
        assert standing(second) == ("checkout_required", "submitted", "pending")
        assert fresh(first).status == "expired"

    def test_for_an_enrollment_that_has_a_district_seat_by_now_goes_back(self, instance: ProgramInstance) -> None:
        first = ask_parent(instance)
        tell(asked(first), **EXPIRED)
        seats(instance.workspace, total=1)
        second = route(instance.workspace, tenant_id=1).decision

        tell(asked(first))

        assert [reason for _, reason in wanted_back()] == [RefundReason.DUPLICATE]
        assert standing(second) == ("completed", "approved", "not_required")

    @pytest.mark.sqlite
    def test_for_an_enrollment_that_was_rejected_goes_back(self, instance: ProgramInstance) -> None:
        decision = ask_parent(instance)
        Enrollment.objects.update(eligibility_status="rejected")

        tell(asked(decision))

        assert [reason for _, reason in wanted_back()] == [RefundReason.NOT_NEEDED]
        assert standing(decision) == ("cancelled", "rejected", "pending")


class TestARefundedDuplicate:
    def test_leaves_the_child_enrolled_whose_other_payment_stands(self, instance: ProgramInstance) -> None:
        decision = ask_parent(instance)
        checkout = asked(decision)
        tell(checkout)
        tell(checkout, payment_intent_id="pi_again")
        stands, duplicate = Payment.objects.order_by("pk")

        arrive(duplicate, refund(4900))

        assert wanted_back()[0] == (duplicate.pk, RefundReason.DUPLICATE)
        assert Payment.objects.get(pk=duplicate.pk).status == "refunded"
        assert standing(decision) == ("completed", "approved", "paid")
        assert fresh(decision).payment_id == stands.pk

    @pytest.mark.sqlite
    @pytest.mark.parametrize("status", ["succeeded", "failed"])
    def test_in_part_is_not_noted_on_the_enrollment(self, instance: ProgramInstance, status: str) -> None:
        decision = ask_parent(instance)
        checkout = asked(decision)
        tell(checkout)
        tell(checkout, payment_intent_id="pi_again")

        arrive(Payment.objects.order_by("pk")[1], refund(900), refund(900, status=status))

        assert standing(decision) == ("completed", "approved", "paid")


class TestABankThatRefuses:
    def test_leaves_nothing_pending(self, instance: ProgramInstance) -> None:
        decision = ask_parent(instance)
        tell(asked(decision), **AWAITING_THE_BANK)
        before = standing(decision)

        tell(asked(decision), **REFUSED_BY_THE_BANK)

        assert before == ("checkout_required", "submitted", "pending")
        assert standing(decision) == ("failed", "submitted", "failed")

    def test_of_one_decision_does_not_fail_the_payment_of_another(self, instance: ProgramInstance) -> None:
        decision = ask_parent(instance)
        tell(asked(decision))

        tell(asked(decision), payment_intent_id="pi_other", **REFUSED_BY_THE_BANK)

        assert standing(decision) == ("completed", "approved", "paid")


class TestAnExpiredCheckout:
    def test_of_a_decision_that_was_given_up_in_an_outage_leaves_it_failed(self, instance: ProgramInstance) -> None:
        decision = ask_parent(instance)
        EnrollmentDecision.objects.update(status="failed")

        ended = tell(asked(decision), **EXPIRED)

        assert ended.status == "expired"
        assert standing(decision) == ("failed", "submitted", "pending")

    def test_that_was_paid_before_changes_nothing(self, instance: ProgramInstance) -> None:
        decision = ask_parent(instance)
        tell(asked(decision))

        tell(asked(decision), **EXPIRED)

        assert standing(decision) == ("completed", "approved", "paid")


class TestARefundOfAnEndedEnrollment:
    def test_in_full_is_noted_and_ends_nothing_twice(self, instance: ProgramInstance) -> None:
        decision = ask_parent(instance)
        tell(asked(decision))
        with transaction.atomic():
            unenroll_enrollment(enrollment_id=decision.enrollment_id, reason="moved away", actor=STAFF, now=utc_now())

        arrive(Payment.objects.get(), refund(4900))

        assert standing(decision) == ("released", "unenrolled", "refunded")
