"""What a family that pays reads about its enrollment; and that a district's learner is not written to."""

import datetime as dt
from typing import Any

import pytest
from django.core import mail

from billing.checkout import settle_checkout
from billing.models import Payment
from billing.refunds import request_refund, submit_refund
from billing.states import RefundReason
from core.clock import utc_now
from enrollments.emails import tell_family
from enrollments.events import EnrollmentStatusChanged
from enrollments.lifecycle import approve_enrollment, reject_enrollment
from enrollments.models import EnrollmentDecision, ProgramInstance
from enrollments.states import ReviewMode
from enrollments.tests.factories import STAFF, InstanceFactory, route, seats
from notifications.models import Notification
from notifications.sending import send_due_notifications
from sandbox.testing import SandboxProcess

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


@pytest.fixture
def instance() -> ProgramInstance:
    made = InstanceFactory(name="Spring term", start_date=dt.date(2031, 1, 14), workspace__name="Riverside Academy")
    made.program.title = "Robotics"
    made.program.save()
    return made


def paid(stripe: SandboxProcess, instance: ProgramInstance) -> EnrollmentDecision:
    """A decision that the parent paid for."""
    decision = route(instance.workspace, tenant_id=None, guardian_id="g1", email="parent@example.test").decision
    assert decision.checkout is not None
    stripe.pay(decision.checkout.url, email="parent@example.test")
    settle_checkout(checkout_id=decision.checkout.pk, now=utc_now())
    return EnrollmentDecision.objects.get(pk=decision.pk)


def read() -> list[Any]:
    """All that was written, without the invoice."""
    send_due_notifications(now=utc_now())
    return [message for message in mail.outbox if "invoice" not in message.subject]


class TestAPaidEnrollment:
    def test_is_confirmed_to_the_family(self, stripe: SandboxProcess, instance: ProgramInstance) -> None:
        paid(stripe, instance)

        (message,) = read()

        assert message.to == ["parent@example.test"]
        assert message.subject == "Jane is enrolled in Robotics"
        assert message.body == (
            "Good news: Jane is enrolled in Robotics (Spring term). It starts on Tuesday, January 14, 2031.\n\n"
            "See the enrollment: http://127.0.0.1:8000/my/enrollments\n\n"
            "Riverside Academy\n"
        )

    def test_that_waits_for_review_is_confirmed_when_it_is_approved(
        self, stripe: SandboxProcess, instance: ProgramInstance
    ) -> None:
        ProgramInstance.objects.update(review_mode=ReviewMode.MANUAL)
        decision = paid(stripe, instance)
        before = read()

        approve_enrollment(enrollment_id=decision.enrollment_id, actor=STAFF, now=utc_now())

        assert before == []
        assert [message.subject for message in read()] == ["Jane is enrolled in Robotics"]

    def test_that_is_rejected_says_why_and_that_the_money_goes_back(
        self, stripe: SandboxProcess, instance: ProgramInstance
    ) -> None:
        ProgramInstance.objects.update(review_mode=ReviewMode.MANUAL)
        decision = paid(stripe, instance)

        reject_enrollment(
            enrollment_id=decision.enrollment_id, actor=STAFF, reason="The course needs grade 7.", now=utc_now()
        )
        (message,) = read()

        assert message.subject == "Jane was not accepted into Robotics"
        assert "The reason given: The course needs grade 7.\n" in message.body
        assert "We are returning the payment in full." in message.body

    def test_that_is_refunded_is_told_by_the_refund_alone(
        self, stripe: SandboxProcess, instance: ProgramInstance
    ) -> None:
        paid(stripe, instance)
        read()
        payment = Payment.objects.get()

        asked = request_refund(
            payment_id=payment.pk, amount_minor=None, reason=RefundReason.REQUESTED, actor=STAFF, now=utc_now()
        )
        submit_refund(refund_id=asked.pk, now=utc_now())

        assert [message.subject for message in read()][1:] == ["We sent 49.00 USD back to you"]


class TestADistrictSLearner:
    def test_is_told_by_the_integrator(self, instance: ProgramInstance) -> None:
        seats(instance.workspace, total=1)

        decision = route(instance.workspace).decision

        assert decision.enrollment.eligibility_status == "approved"
        assert Notification.objects.count() == 0

    def test_costs_no_query(self, django_assert_num_queries: Any) -> None:
        event = EnrollmentStatusChanged(
            workspace_id=1,
            occurred_at=utc_now(),
            enrollment_cuid="c1",
            program_instance_cuid="c2",
            facet="eligibility",
            from_status="submitted",
            to_status="approved",
            number=3,
            reason="",
            payment_status="not_required",
        )

        with django_assert_num_queries(0):
            tell_family(event)
