"""Every ending has its mail, with the true reason: the table of docs/notifications.md, row by row."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core import mail

from accounts.tests.factories import GuardianshipFactory
from billing.checkout import settle_checkout
from billing.disputes import record_dispute
from billing.gateways.contract import DisputeSnapshot
from billing.models import Checkout, Payment
from billing.refunds import request_refund, submit_refund
from billing.states import RefundReason
from cohorts.models import StudentPackage
from cohorts.tests.factories import cohort_with, start
from core.clock import utc_now
from enrollments.lifecycle import reject_enrollment, unenroll_enrollment
from enrollments.models import Enrollment, EnrollmentDecision
from enrollments.states import ReviewMode
from enrollments.tests.factories import STAFF, InstanceFactory, route, seats
from enrollments.tests.parents import ask_parent
from notifications.sending import send_due_notifications
from sandbox.testing import SandboxProcess

pytestmark = pytest.mark.django_db

NOTE = "Father called twice, rather rude"
PAYER, GUARDIAN = "payer@example.test", "mother@example.test"


def told() -> dict[str, list[tuple[str, str]]]:
    """Return the subject and text of the mails each address got since the last look, excluding invoices."""
    send_due_notifications(now=utc_now())
    mails, mail.outbox = mail.outbox, []
    found: dict[str, list[tuple[str, str]]] = {}
    for message in mails:
        assert NOTE not in message.body
        if "invoice" not in message.subject:
            found.setdefault(message.to[0], []).append((str(message.subject), str(message.body)))
    return found


def subjects(found: dict[str, list[tuple[str, str]]]) -> dict[str, list[str]]:
    return {address: [subject for subject, _ in letters] for address, letters in found.items()}


def asked(review: str = ReviewMode.MANUAL) -> EnrollmentDecision:
    """Create a request that a parent is asked to pay for."""
    instance = InstanceFactory(review_mode=review, name="Spring term", program__title="Robotics")
    decision = ask_parent(instance)
    GuardianshipFactory(learner=decision.learner, guardian__workspace=instance.workspace, guardian__email=GUARDIAN)
    return decision


def paid(stripe: SandboxProcess, review: str = ReviewMode.MANUAL) -> EnrollmentDecision:
    decision = asked(review)
    _pay(stripe, decision.checkout)
    told()
    return decision


def bought(stripe: SandboxProcess) -> StudentPackage:
    """Buy a course, paid by somebody who is not the guardian."""
    cohort = cohort_with(options=(1,), name="Fall cohort", instance__program__title="Algebra")
    guardianship = GuardianshipFactory(
        guardian__workspace=cohort.instance.workspace, guardian__email=GUARDIAN, learner__first_name="Ana"
    )
    _pay(stripe, start(cohort, guardianship.learner))
    told()
    return StudentPackage.objects.get()


def _pay(stripe: SandboxProcess, checkout: Checkout, **form: str) -> None:
    stripe.pay(checkout.url, email=PAYER, **form)
    settle_checkout(checkout_id=checkout.pk, now=utc_now())


def refund(amount_minor: int | None = None) -> None:
    payment = Payment.objects.get()
    made = request_refund(
        payment_id=payment.pk,
        amount_minor=amount_minor,
        reason=RefundReason.REQUESTED,
        actor=STAFF,
        note=NOTE,
        now=utc_now(),
    )
    submit_refund(refund_id=made.pk, now=utc_now())


def lose_dispute() -> None:
    payment = Payment.objects.get()
    snapshot = DisputeSnapshot(
        id="du_1",
        payment_intent_id=str(payment.payment_intent_id),
        amount_minor=payment.amount_minor,
        reason="fraudulent",
        status="lost",
        created_at=utc_now(),
    )
    record_dispute(payment_id=payment.pk, snapshot=snapshot, now=utc_now())


class TestARejection:
    def test_after_payment_is_told_as_what_it_is(self, stripe: SandboxProcess) -> None:
        decision = paid(stripe)

        reject_enrollment(
            enrollment_id=decision.enrollment_id, actor=STAFF, reason="Grade 7 is needed.", note=NOTE, now=utc_now()
        )
        rejected = told()
        submit_refund(refund_id=Payment.objects.get().refunds.get().pk, now=utc_now())
        refunded = told()

        assert GUARDIAN in rejected
        (subject, text), *_ = rejected[GUARDIAN]
        assert subject == "Jane was not accepted into Robotics"
        assert "The reason given: Grade 7 is needed." in text
        assert "We are returning the payment in full." in text
        assert list(refunded) == [PAYER]
        ((subject, text),) = refunded[PAYER]
        assert subject == "We sent 49.00 USD back to you"
        assert "The enrollment that you paid for was not accepted, so we are returning your payment in full." in text
        assert "- Learner: Jane\n" in text
        assert "had ended" not in text

    def test_before_payment_says_that_nothing_has_to_be_paid(self, stripe: SandboxProcess) -> None:
        decision = asked()

        reject_enrollment(
            enrollment_id=decision.enrollment_id, actor=STAFF, reason="Grade 7 is needed.", note=NOTE, now=utc_now()
        )

        ((subject, text),) = told()[GUARDIAN]
        assert subject == "Jane was not accepted into Robotics"
        assert "There is nothing to pay." in text
        assert "We are returning" not in text

    def test_of_a_districts_learner_is_told_by_the_integrator(self) -> None:
        instance = InstanceFactory(review_mode=ReviewMode.MANUAL)
        seats(instance.workspace, total=1)
        decision = route(instance.workspace).decision

        reject_enrollment(enrollment_id=decision.enrollment_id, actor=STAFF, reason="Grade 7 is needed.", now=utc_now())

        assert told() == {}


class TestAnExit:
    def test_of_a_paid_enrollment_tells_the_family_why(self, stripe: SandboxProcess) -> None:
        decision = paid(stripe, ReviewMode.AUTOMATIC)

        unenroll_enrollment(
            enrollment_id=decision.enrollment_id, actor=STAFF, reason="You asked us to.", note=NOTE, now=utc_now()
        )

        (subject, text), *_ = told()[GUARDIAN]
        assert subject == "Jane is no longer enrolled in Robotics"
        assert text == (
            "The enrollment of Jane in Robotics (Spring term) has ended.\n\nThe reason given: You asked us to.\n\n"
            "We are deciding whether to return some of the payment. If so, we will write to the person who paid when "
            "it is on its way.\n\n"
            f"See the enrollment: http://127.0.0.1:8000/my/enrollments\n\n{decision.workspace.name}\n"
        )

    def test_of_a_bought_course_tells_the_family_why(self, stripe: SandboxProcess) -> None:
        package = bought(stripe)

        unenroll_enrollment(
            enrollment_id=package.enrollment_id, actor=STAFF, reason="You asked us to.", note=NOTE, now=utc_now()
        )

        (subject, text), *_ = told()[GUARDIAN]
        assert subject == "Ana is no longer enrolled in Algebra"
        assert "The reason given: You asked us to." in text


class TestARefund:
    @pytest.mark.parametrize("make", [bought, lambda stripe: paid(stripe, ReviewMode.AUTOMATIC)])
    def test_of_everything_tells_the_payer_and_the_rest_of_the_family(
        self, stripe: SandboxProcess, make: Callable[[SandboxProcess], Any]
    ) -> None:
        make(stripe)
        enrollment = Enrollment.objects.get()

        refund()
        found = told()

        name, title = enrollment.learner.first_name, enrollment.instance.program.title
        assert subjects(found) == {
            PAYER: ["We sent 49.00 USD back to you"],
            GUARDIAN: [f"{name} is no longer enrolled in {title}"],
        }
        assert f"- Learner: {name}\n" in found[PAYER][0][1]
        assert "The whole payment has been refunded, and what it paid for has ended." in found[PAYER][0][1]
        assert "The payment for it was returned to the person who paid." in found[GUARDIAN][0][1]

    def test_of_everything_before_review_is_not_told_as_a_rejection(self, stripe: SandboxProcess) -> None:
        paid(stripe)

        refund()

        assert subjects(told()) == {
            PAYER: ["We sent 49.00 USD back to you"],
            GUARDIAN: ["Jane is no longer enrolled in Robotics"],
        }

    def test_in_parts_ends_with_the_last(self, stripe: SandboxProcess) -> None:
        bought(stripe)

        refund(900)
        first = told()
        refund()
        last = told()

        assert subjects(first) == {PAYER: ["We sent 9.00 USD back to you"]}
        assert "has ended" not in first[PAYER][0][1]
        assert "The whole payment has been refunded, and what it paid for has ended." in last[PAYER][0][1]

    def test_by_the_bank_tells_the_family_that_it_has_ended(self, stripe: SandboxProcess) -> None:
        bought(stripe)

        lose_dispute()

        assert subjects(told())[GUARDIAN] == ["Ana is no longer enrolled in Algebra"]


@pytest.mark.sqlite
class TestAPaymentThatTheBankRefuses:
    def test_is_told_to_who_waits_for_it(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with(options=(1,), name="Fall cohort", instance__program__title="Algebra")
        checkout = start(cohort)
        _pay(stripe, checkout, card="async")
        stripe.settle(checkout.url, outcome="failed")

        settle_checkout(checkout_id=checkout.pk, now=utc_now())

        ((subject, text),) = told()[PAYER]
        assert subject == "Your payment of 49.00 USD did not go through"
        assert "Your bank refused the payment of 49.00 USD. Nothing was charged" in text
        assert "- For: Algebra: Fall cohort\n- Learner: Jane\n" in text


class TestACheckoutThatRunsOut:
    def test_is_told_to_nobody(self, stripe: SandboxProcess) -> None:
        checkout = start(cohort_with(options=(1,)))
        stripe.advance_clock(seconds=3600)

        settle_checkout(checkout_id=checkout.pk, now=utc_now())

        assert Checkout.objects.get().status == "expired"
        assert told() == {}
