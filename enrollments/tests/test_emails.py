"""The mails to families that pay about their enrollments, and the absence of mails about a district's learners."""

import datetime as dt
from typing import Any

import pytest
from django.core import mail
from django.db import transaction

from accounts.tests.factories import LeadFactory
from billing.checkout import settle_checkout
from billing.models import Payment
from billing.refunds import request_refund, submit_refund
from billing.states import RefundReason
from core.clock import utc_now
from core.local_time import local_date
from enrollments.deletion import delete_enrollment
from enrollments.emails import tell_family
from enrollments.events import EnrollmentStatusChanged
from enrollments.lifecycle import (
    approve_enrollment,
    evaluate_enrollment,
    reject_enrollment,
    submit_enrollment,
    unenroll_enrollment,
)
from enrollments.models import Enrollment, EnrollmentDecision, ProgramInstance
from enrollments.states import ReviewMode
from enrollments.tests.factories import STAFF, CandidateFactory, InstanceFactory, approved_enrollment, route, seats
from notifications.models import Notification
from notifications.sending import send_due_notifications
from notifications.wording import begin_letter, change_letter
from sandbox.testing import SandboxProcess

pytestmark = pytest.mark.django_db


@pytest.fixture
def instance() -> ProgramInstance:
    made = InstanceFactory(name="Spring term", start_date=dt.date(2031, 1, 14), workspace__name="Riverside Academy")
    made.program.title = "Robotics"
    made.program.save()
    return made


def paid(stripe: SandboxProcess, instance: ProgramInstance) -> EnrollmentDecision:
    """Return a decision that the parent paid for."""
    decision = route(instance.workspace, tenant_id=None, guardian_id="g1", email="parent@example.test").decision
    assert decision.checkout is not None
    stripe.pay(decision.checkout.url, email="parent@example.test")
    settle_checkout(checkout_id=decision.checkout.pk, now=utc_now())
    return EnrollmentDecision.objects.get(pk=decision.pk)


def read() -> list[Any]:
    """Return all mails except the invoice."""
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

    @pytest.mark.sqlite
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
            is_answered=True,
        )

        with django_assert_num_queries(0):
            tell_family(event)


def enrolled_by_an_integrator(instance: ProgramInstance, **more: Any) -> Enrollment:
    """Return a candidate with an address, in an instance that staff review."""
    ProgramInstance.objects.filter(pk=instance.pk).update(review_mode=ReviewMode.MANUAL)
    instance.refresh_from_db()
    made: Enrollment = CandidateFactory(instance=instance, workspace=instance.workspace, **more)
    return made


def move(use_case: Any, enrollment: Enrollment, **more: Any) -> None:
    use_case(enrollment_id=enrollment.pk, actor=STAFF, now=utc_now(), **more)


class TestAnEnrollmentThatNobodyElseAnswersFor:
    def test_is_told_step_by_step(self, instance: ProgramInstance) -> None:
        enrollment = enrolled_by_an_integrator(instance)
        told: list[list[str]] = []

        for use_case, more in (
            (evaluate_enrollment, {}),
            (submit_enrollment, {}),
            (approve_enrollment, {}),
            (unenroll_enrollment, {"reason": "You moved away."}),
        ):
            move(use_case, enrollment, **more)
            told.append([message.subject for message in read()[len(told) :]])

        assert told == [
            ["Jane meets the criteria of Robotics"],
            ["We have the request for Jane"],
            ["Jane is enrolled in Robotics"],
            ["Jane is no longer enrolled in Robotics"],
        ]

    def test_is_told_of_what_is_so_when_the_mail_goes_and_not_of_the_steps_before(
        self, instance: ProgramInstance
    ) -> None:
        enrollment = enrolled_by_an_integrator(instance)
        move(evaluate_enrollment, enrollment)
        move(submit_enrollment, enrollment)

        assert [message.subject for message in read()] == ["We have the request for Jane"]

    def test_is_told_the_reason_for_which_it_is_not_eligible(self, instance: ProgramInstance) -> None:
        enrollment = enrolled_by_an_integrator(instance)

        move(evaluate_enrollment, enrollment, is_eligible=False, reason="The course needs grade 7.")
        (message,) = read()

        assert message.subject == "Jane does not meet the criteria of Robotics"
        assert "The reason: The course needs grade 7.\n" in message.body

    @pytest.mark.parametrize(("days_ago", "is_told"), [(0, True), (1, False)])
    def test_is_not_told_that_what_has_started_starts(
        self, instance: ProgramInstance, days_ago: int, is_told: bool
    ) -> None:
        today = local_date(utc_now(), instance.zone)
        ProgramInstance.objects.update(start_date=today - dt.timedelta(days=days_ago))
        approved_enrollment(CandidateFactory(instance=instance, workspace=instance.workspace))

        (message,) = read()

        assert ("It starts on " in message.body) == is_told

    def test_is_told_once_after_a_retry(self, instance: ProgramInstance) -> None:
        enrollment = enrolled_by_an_integrator(instance)
        move(evaluate_enrollment, enrollment)
        change = enrollment.transitions.get()
        event = EnrollmentStatusChanged(
            workspace_id=instance.workspace_id,
            occurred_at=utc_now(),
            enrollment_cuid=enrollment.cuid,
            program_instance_cuid=instance.cuid,
            facet="eligibility",
            from_status="candidate",
            to_status="eligible",
            number=change.number,
            reason="",
            payment_status="not_required",
        )

        with transaction.atomic():
            tell_family(event)

        assert len(read()) == 1

    def test_that_was_deleted_is_not_written_about(self, instance: ProgramInstance) -> None:
        enrollment = enrolled_by_an_integrator(instance)
        move(evaluate_enrollment, enrollment)
        move(delete_enrollment, enrollment)

        assert read() == []

    def test_of_a_lead_is_told_to_the_lead(self, instance: ProgramInstance) -> None:
        lead = LeadFactory(workspace=instance.workspace, email="lead@home.test", first_name="Leo")
        enrollment = enrolled_by_an_integrator(instance, learner=None, lead=lead)

        move(evaluate_enrollment, enrollment)
        (message,) = read()

        assert (message.to, message.subject) == (["lead@home.test"], "Leo meets the criteria of Robotics")
        assert "://" not in message.body  # the family's page shows nothing of a lead

    def test_is_told_in_the_words_of_its_workspace(self, instance: ProgramInstance) -> None:
        letter = begin_letter(
            workspace_id=instance.workspace_id, kind="enrollment_eligible", actor=STAFF, now=utc_now()
        )
        change_letter(
            letter_id=letter.pk,
            subject="{learner} may come to {workspace}",
            body="See you in {instance}.",
            is_on=True,
            actor=STAFF,
            now=utc_now(),
        )

        move(evaluate_enrollment, enrolled_by_an_integrator(instance))
        (message,) = read()

        assert (message.subject, message.body) == ("Jane may come to Riverside Academy", "See you in Spring term.\n")
