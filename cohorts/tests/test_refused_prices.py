"""A course whose price Stripe rejects: nothing stays held, the family reads our words, and a corrected price sells."""

from typing import Any

import pytest

from accounts.models import StaffTask
from accounts.tests.factories import LearnerFactory
from billing.errors import PaymentRejected
from billing.models import Checkout, Price
from cohorts.models import Cohort, CohortPlace, WaitlistEntry
from cohorts.sale.waitlist import join_waitlist
from cohorts.tests.browsing import child_of, course_url, signed_in, text
from cohorts.tests.callers import parent_of, problem
from cohorts.tests.factories import cohort_with
from cohorts.tests.purchases import enroll_url
from core.clock import utc_now
from core.models import IdempotencyRecord
from sandbox.testing import SandboxProcess

pytestmark = pytest.mark.django_db(transaction=True)

REFUSED = "price_archived"


def refused_cohort(**cohort: Any) -> Cohort:
    made = cohort_with(**cohort)
    Price.objects.filter(pk=made.instance.price_id).update(stripe_price_id=REFUSED)
    return made


def mend() -> None:
    Price.objects.update(stripe_price_id="")


def held(cohort: Cohort) -> int:
    return Cohort.objects.values_list("held_places", flat=True).get(pk=cohort.pk)


class TestThePage:
    def test_says_it_in_our_words_and_holds_nothing(self, stripe: SandboxProcess) -> None:
        cohort = refused_cohort()
        child = child_of(cohort)
        client, _ = signed_in()

        answer = client.post(course_url("course-enroll", cohort), {"learner": child.cuid})

        assert answer.status_code == 409
        assert "take this payment at the moment. Nothing was charged" in text(answer)
        assert REFUSED not in answer.content.decode()
        assert (held(cohort), CohortPlace.objects.get().status) == (0, "released")
        assert REFUSED in StaffTask.objects.get().summary

    def test_leads_to_the_payment_page_once_the_price_is_mended(self, stripe: SandboxProcess) -> None:
        cohort = refused_cohort()
        child = child_of(cohort)
        client, _ = signed_in()
        client.post(course_url("course-enroll", cohort), {"learner": child.cuid})
        mend()

        answer = client.post(course_url("course-enroll", cohort), {"learner": child.cuid})

        assert answer["Location"] == Checkout.objects.get(status="open").url
        assert held(cohort) == 1


class TestTheApi:
    def test_answers_with_a_stable_code_and_nothing_of_the_vendor_s(self, stripe: SandboxProcess) -> None:
        cohort = refused_cohort()
        child = LearnerFactory(workspace=cohort.instance.workspace)
        family = parent_of(child)

        refused = family.post(enroll_url(cohort), {"learnerId": child.cuid}, **{"Idempotency-Key": "k1"})

        assert problem(refused) == (409, "payment_rejected")
        assert REFUSED not in refused.content.decode()
        assert held(cohort) == 0
        assert not IdempotencyRecord.objects.exists()
        mend()
        assert (
            family.post(enroll_url(cohort), {"learnerId": child.cuid}, **{"Idempotency-Key": "k1"}).status_code == 200
        )

    def test_does_not_count_what_was_refused_as_held(self, stripe: SandboxProcess) -> None:
        cohort = refused_cohort()
        children = LearnerFactory.create_batch(6, workspace=cohort.instance.workspace)
        family = parent_of(*children)

        answers = [family.post(enroll_url(cohort), {"learnerId": child.cuid}) for child in children]

        assert {problem(answer) for answer in answers} == {(409, "payment_rejected")}


class TestTheLine:
    def test_is_served_with_the_place_that_nobody_can_pay(self, monkeypatch: pytest.MonkeyPatch) -> None:
        cohort = cohort_with(max_enrollment=1)
        first, second = LearnerFactory.create_batch(2, workspace=cohort.instance.workspace)
        family = parent_of(first)

        def join_and_refuse(_: Checkout) -> None:
            join_waitlist(
                learner_id=second.pk, cohort_id=cohort.pk, now=utc_now()
            )  # the cohort is full while Stripe is called
            raise PaymentRejected

        monkeypatch.setattr("billing.checkout.session._create_session", join_and_refuse)

        answer = family.post(enroll_url(cohort), {"learnerId": first.cuid})

        assert problem(answer) == (409, "payment_rejected")
        assert WaitlistEntry.objects.get().status == "offered"
        assert CohortPlace.objects.get(status="held").learner == second
