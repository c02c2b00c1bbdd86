"""The result of a checkout session over the API: a package, nothing yet, or why nothing."""

import pytest

from billing.checkout import cancel_checkout, settle_checkout
from billing.models import Checkout, Refund
from billing.refunds import request_refund, submit_refund
from billing.states import RefundReason
from cohorts.models import Cohort, CohortPlace, StudentPackage
from cohorts.sale.transfer import move_package
from cohorts.tests.callers import Family, problem, student_of
from cohorts.tests.factories import CohortFactory, buy, buy_on_rows, cohort_with, pay, start
from core.clock import utc_now
from enrollments.lifecycle import unenroll_enrollment
from enrollments.tests.factories import STAFF
from sandbox.testing import SandboxProcess

pytestmark = pytest.mark.django_db


def session_url(checkout: Checkout) -> str:
    return f"/api/enrollment/session/{checkout.stripe_session_id}"


class TestTheSession:
    def test_names_the_package_once_it_is_fulfilled(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        family, learner = student_of(cohort.instance.workspace)
        checkout = start(cohort, learner)
        package = pay(stripe, checkout)

        response = family.get(session_url(checkout))

        assert package is not None
        assert (response.status_code, response.json()) == (200, {"packageId": package.pk})

    def test_fulfils_what_is_paid_before_the_notice_came(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        family, learner = student_of(cohort.instance.workspace)
        checkout = start(cohort, learner)
        stripe.pay(checkout.url)

        response = family.get(session_url(checkout))
        settle_checkout(checkout_id=checkout.pk, now=utc_now())  # now the event is handled

        assert (response.status_code, response.json()) == (200, {"packageId": StudentPackage.objects.get().pk})
        assert Cohort.objects.get().current_enrollment == 1

    @pytest.mark.parametrize("card", [None, "declined", "async"])
    def test_is_processing_while_no_money_is_there(self, stripe: SandboxProcess, card: str | None) -> None:
        cohort = cohort_with()
        family, learner = student_of(cohort.instance.workspace)
        checkout = start(cohort, learner)
        if card:
            stripe.pay(checkout.url, card=card)

        response = family.get(session_url(checkout))

        assert (response.status_code, response.json()) == (202, {"status": "processing"})
        assert not StudentPackage.objects.exists()
        assert Cohort.objects.get().current_enrollment == 0

    def test_is_processing_while_stripe_can_not_be_asked(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        family, learner = student_of(cohort.instance.workspace)
        checkout = start(cohort, learner)
        stripe.pay(checkout.url)
        stripe.faults(server_error=True)

        response = family.get(session_url(checkout))

        assert (response.status_code, response.json()) == (202, {"status": "processing"})

    @pytest.mark.parametrize(
        ("end", "code"),
        [("expired", "checkout_expired"), ("cancelled", "checkout_cancelled"), ("refused", "payment_failed")],
    )
    def test_that_brought_nothing_says_why(self, stripe: SandboxProcess, end: str, code: str) -> None:
        cohort = cohort_with()
        family, learner = student_of(cohort.instance.workspace)
        checkout = start(cohort, learner)
        if end == "expired":
            stripe.advance_clock(seconds=3600)
        elif end == "cancelled":
            cancel_checkout(checkout_id=checkout.pk, now=utc_now())
        else:
            stripe.pay(checkout.url, card="async")
            stripe.settle(checkout.url, outcome="failed")

        response = family.get(session_url(checkout))

        assert problem(response) == (409, code)

    def test_whose_place_was_lost_says_that_the_money_goes_back(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with(max_enrollment=1)
        family, learner = student_of(cohort.instance.workspace)
        checkout = start(cohort, learner)
        CohortPlace.objects.update(status="released")  # this must never happen while the session can be paid
        Cohort.objects.update(held_places=0)
        buy(stripe, cohort)
        stripe.pay(checkout.url)

        response = family.get(session_url(checkout))

        assert problem(response) == (409, "place_lost")
        assert Refund.objects.get().reason == RefundReason.PLACE_LOST

    def test_that_paid_a_second_time_says_that_the_money_goes_back(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        second = CohortFactory(instance=cohort.instance)
        family, learner = student_of(cohort.instance.workspace)
        first = start(cohort, learner)
        other = start(second, learner)  # gives up the first one, but the worker has not told Stripe yet
        stripe.pay(first.url)
        stripe.pay(other.url)

        answers = [family.get(session_url(checkout)) for checkout in (first, other)]

        assert answers[0].json() == {"packageId": StudentPackage.objects.get().pk}
        assert problem(answers[1]) == (409, "already_owned")
        assert Refund.objects.get().reason == RefundReason.DUPLICATE

    def test_of_a_refunded_course_says_so(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        family, learner = student_of(cohort.instance.workspace)
        checkout = start(cohort, learner)
        package = pay(stripe, checkout)
        assert package is not None and package.payment_id is not None  # noqa: PT018
        refund = request_refund(
            payment_id=package.payment_id, amount_minor=None, reason=RefundReason.REQUESTED, actor=STAFF, now=utc_now()
        )
        submit_refund(refund_id=refund.pk, now=utc_now())

        response = family.get(session_url(checkout))

        assert problem(response) == (409, "refunded")

    def test_of_an_ended_course_whose_money_is_still_here_says_so(self) -> None:
        cohort = cohort_with()
        family, learner = student_of(cohort.instance.workspace)
        package = buy_on_rows(cohort, learner)
        unenroll_enrollment(enrollment_id=package.enrollment_id, actor=STAFF, reason="Moved away", now=utc_now())

        response = family.get(session_url(Checkout.objects.get()))

        assert problem(response) == (409, "enrollment_ended")

    def test_still_names_the_package_after_it_was_moved(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        family, learner = student_of(cohort.instance.workspace)
        checkout = start(cohort, learner)
        package = pay(stripe, checkout)
        assert package is not None
        move_package(package_id=package.pk, cohort_id=CohortFactory(instance=cohort.instance).pk, now=utc_now())

        response = family.get(session_url(checkout))

        assert response.json() == {"packageId": package.pk}

    @pytest.mark.sqlite
    def test_of_another_student_is_forbidden(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        checkout = start(cohort)
        stripe.pay(checkout.url)
        family, _ = student_of(cohort.instance.workspace)

        response = family.get(session_url(checkout))

        assert problem(response) == (403, "not_your_payment")
        assert not StudentPackage.objects.exists()

    @pytest.mark.parametrize("session_id", ["cs_unknown", "%01", "x" * 500])
    def test_that_does_not_exist_is_not_found(self, session_id: str) -> None:
        response = Family("jane@school.test").get(f"/api/enrollment/session/{session_id}")

        assert problem(response) == (404, "not_found")
