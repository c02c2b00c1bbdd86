"""What a family's page says of an enrollment whose money moved: where it stands, its steps, its history, and why."""

from dataclasses import replace

import pytest

from billing.models import Checkout, Payment
from billing.offline import reverse_offline_payment
from billing.refunds import request_refund
from billing.states import RefundReason
from billing.tests.snapshots import arrive, refund, tell
from core.clock import utc_now
from enrollments.cards import EnrollmentCard, view_card
from enrollments.lifecycle import finish_participation, reject_enrollment, unenroll_enrollment
from enrollments.models import Enrollment
from enrollments.states import ReviewMode
from enrollments.tests.factories import STAFF, InstanceFactory
from enrollments.tests.parents import ask_parent
from enrollments.tests.test_stakes import bought, paid_at_the_desk

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("stripe_is_not_asked")]

DECLINED = {"status": "complete", "payment_status": "unpaid", "payment_intent_status": "requires_payment_method"}


def card() -> EnrollmentCard:
    return view_card(Enrollment.objects.get(), sale=None, now=utc_now())


def states() -> dict[str, str]:
    return {step.label: step.state for step in card().steps}


def said() -> list[str]:
    return [moment.sentence for moment in card().history]


class TestAFullRefund:
    def test_leaves_the_learner_enrolled_until_the_money_is_back(self) -> None:
        bought()
        payment = Payment.objects.get()
        asked = request_refund(
            payment_id=payment.pk, amount_minor=None, reason=RefundReason.REQUESTED, actor=STAFF, now=utc_now()
        )

        before = card()
        assert (before.view.standing, before.view.is_over_unpaid) == ("enrolled", False)
        assert str(before.view.refunded) == "49.00 USD"

        arrive(payment, replace(refund(4900), reference=asked.reference))
        after = card()
        assert (after.view.standing, after.view.is_over_unpaid, after.why) == (
            "refunded",
            True,
            "The payment was refunded",
        )

    def test_of_a_part_that_comes_back_is_not_told_as_a_second_payment(self) -> None:
        bought()
        arrive(Payment.objects.get(), refund(1000))
        arrive(Payment.objects.get(), refund(1000, status="failed"))

        assert said()[-3:] == [
            "Accepted into the program",
            "Part of the payment was returned",
            "The part that was returned came back",
        ]


class TestMoneyOutsideOfStripe:
    def test_counts_as_paid_when_the_learner_has_left(self) -> None:
        enrollment = paid_at_the_desk()
        unenroll_enrollment(enrollment_id=enrollment.pk, actor=STAFF, reason="Moved away", now=utc_now())

        assert states() == {"Request": "done", "Payment": "done", "Enrolled": "stopped"}

    @pytest.mark.parametrize(
        ("is_returned", "payment", "last"),
        [(False, "current", "The payment did not arrive after all"), (True, "done", "Left the program")],
    )
    def test_that_is_reversed_is_told_as_what_it_was(self, is_returned: bool, payment: str, last: str) -> None:
        paid_at_the_desk()
        reverse_offline_payment(
            payment_id=Payment.objects.get().pk, is_returned=is_returned, note="Told", actor=STAFF, now=utc_now()
        )

        assert states()["Payment"] == payment
        assert said()[-1] == last


class TestWhatIsOwed:
    def test_is_shown_where_no_payment_page_says_it(self) -> None:
        paid_at_the_desk()
        paid = card().view.amount
        reverse_offline_payment(
            payment_id=Payment.objects.get().pk, is_returned=False, note="Told", actor=STAFF, now=utc_now()
        )

        assert (paid, str(card().view.amount)) == (None, "49.00 USD")


class TestWhy:
    def test_is_not_asked_of_a_completed_program_that_was_left_afterwards(self) -> None:
        enrollment = bought()
        finish_participation(enrollment_id=enrollment.pk, actor=STAFF, reason="Over", now=utc_now())
        unenroll_enrollment(enrollment_id=enrollment.pk, actor=STAFF, reason="Moved away", now=utc_now())

        assert (card().view.standing, card().why) == ("completed", "")

    def test_is_given_although_the_payment_failed_after_the_end(self) -> None:
        enrollment = ask_parent(InstanceFactory(review_mode=ReviewMode.MANUAL)).enrollment
        checkout = Checkout.objects.get()
        tell(checkout, status="complete", payment_status="unpaid", payment_intent_status="processing")
        reject_enrollment(enrollment_id=enrollment.pk, actor=STAFF, reason="The group is full", now=utc_now())
        tell(checkout, **DECLINED)

        assert said()[-2:] == ["Not accepted", "The payment did not go through"]
        assert card().why == "The group is full"

    def test_is_none_while_it_goes_on(self) -> None:
        bought()

        assert card().why == ""
