"""A held place: one payment at a time, and the payer can return to the page."""

import pytest

from accounts.tests.factories import LearnerFactory
from billing.checkout import settle_checkout
from billing.models import Checkout
from cohorts.errors import CohortNotFound, CourseNotFound
from cohorts.models import StudentPackage, WaitlistEntry
from cohorts.sale import checkout as checkout_module
from cohorts.sale.checkout import start_checkout
from cohorts.sale.opening import close_cohort
from cohorts.sale.waitlist import join_waitlist
from cohorts.tests.browsing import child_of, course_url, signed_in, text
from cohorts.tests.callers import problem, student_of
from cohorts.tests.factories import CohortFactory, cohort_with, pay, start
from cohorts.tests.places import children, counts, written
from cohorts.tests.purchases import enroll_url
from core.actors import SYSTEM
from core.clock import utc_now
from enrollments.errors import PaymentOnItsWay
from enrollments.models import ProgramInstance
from sandbox.testing import SandboxProcess

pytestmark = pytest.mark.django_db(transaction=True)


class TestASecondClickDuringABankDebit:
    def test_says_that_the_payment_is_on_its_way(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with(name="Fall")
        family, learner = student_of(cohort.instance.workspace)
        family.post(enroll_url(cohort))
        pay(stripe, Checkout.objects.get(), card="async")
        before = written()

        refused = family.post(enroll_url(cohort), **{"Idempotency-Key": "k1"})

        assert problem(refused) == (409, "payment_on_its_way")
        assert refused.json()["detail"].startswith("The bank is working on the payment for Fall")
        with pytest.raises(PaymentOnItsWay):
            start(cohort, learner)
        assert written() == before
        assert counts(cohort) == (0, 1)
        assert len(stripe.ledger()["sessions"]) == 1

    def test_in_another_cohort_of_the_course_opens_no_second_payment(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        other = CohortFactory(instance=cohort.instance)
        family, _ = student_of(cohort.instance.workspace)
        family.post(enroll_url(cohort))
        pay(stripe, Checkout.objects.get(), card="async")

        refused = family.post(enroll_url(other))

        assert problem(refused) == (409, "payment_on_its_way")
        assert (counts(cohort), counts(other)) == ((0, 1), (0, 0))
        assert Checkout.objects.get().cancel_requested_at is None

    def test_of_another_course_is_another_matter(self, stripe: SandboxProcess) -> None:
        """Control: only the course whose payment is being processed is refused."""
        cohort = cohort_with()
        other = cohort_with(instance__workspace=cohort.instance.workspace)
        family, _ = student_of(cohort.instance.workspace)
        family.post(enroll_url(cohort))
        pay(stripe, Checkout.objects.get(), card="async")

        response = family.post(enroll_url(other))

        assert response.status_code == 200
        assert counts(other) == (0, 1)

    @pytest.mark.parametrize(("outcome", "status"), [("succeeded", 409), ("failed", 200)])
    def test_is_answered_anew_when_the_bank_has_spoken(self, stripe: SandboxProcess, outcome: str, status: int) -> None:
        cohort = cohort_with()
        family, _ = student_of(cohort.instance.workspace)
        family.post(enroll_url(cohort))
        checkout = Checkout.objects.get()
        pay(stripe, checkout, card="async")
        stripe.settle(checkout.url, outcome=outcome)
        settle_checkout(checkout_id=checkout.pk, now=utc_now())

        response = family.post(enroll_url(cohort))

        assert response.status_code == status
        assert StudentPackage.objects.count() == (1 if outcome == "succeeded" else 0)

    def test_is_explained_on_the_page(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with(name="Fall")
        child = child_of(cohort)
        client, _ = signed_in()
        client.post(course_url("course-enroll", cohort), {"learner": child.cuid})
        pay(stripe, Checkout.objects.get(), card="async")

        answer = client.post(course_url("course-enroll", cohort), {"learner": child.cuid})

        assert answer.status_code == 409
        assert "A payment for this course is on its way" in text(answer)
        assert "do not pay again" in text(answer)


class TestWhoIsPaying:
    @pytest.mark.parametrize("change", ["closed", "off"])
    def test_gets_back_to_the_page_whatever_was_changed_meanwhile(self, stripe: SandboxProcess, change: str) -> None:
        cohort = cohort_with()
        family, _ = student_of(cohort.instance.workspace)
        first = family.post(enroll_url(cohort))
        if change == "closed":
            close_cohort(cohort_id=cohort.pk)
        else:
            ProgramInstance.objects.update(active=False)

        again = family.post(enroll_url(cohort))
        somebody_else, _ = student_of(cohort.instance.workspace, email="late@school.test")
        late = somebody_else.post(enroll_url(cohort))

        assert (again.status_code, again.json()) == (200, first.json())
        assert problem(late) == (400, "cohort_not_active")
        assert counts(cohort) == (0, 1)

    def test_in_a_place_that_was_held_a_moment_ago_is_asked_to_look_again(
        self, stripe: SandboxProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The sweep offers them a place after they looked for one: the constraint decides, with a worded refusal."""
        cohort = cohort_with(max_enrollment=2)
        family, _ = student_of(cohort.instance.workspace)
        family.post(enroll_url(cohort))
        before = written()
        monkeypatch.setattr(checkout_module, "_held_place", lambda learner, cohort: None)

        refused = family.post(enroll_url(cohort))

        assert problem(refused) == (409, "place_awaits_payment")
        assert written() == before
        assert counts(cohort) == (0, 1)


class TestALearnerOfAnotherWorkspace:
    def test_finds_no_such_course(self, stripe: SandboxProcess) -> None:
        cohort, stranger = cohort_with(), LearnerFactory()
        before = written()

        with pytest.raises(CourseNotFound):
            start_checkout(
                learner_id=stranger.pk,
                course_code=cohort.instance.program.code,
                cohort_id=cohort.pk,
                success_url="x",
                cancel_url="x",
                actor=SYSTEM,
                now=utc_now(),
            )

        assert written() == before
        assert counts(cohort) == (0, 0)

    def test_finds_no_line_to_wait_in(self, stripe: SandboxProcess) -> None:
        cohort, stranger = cohort_with(max_enrollment=1), LearnerFactory()
        start(cohort)

        with pytest.raises(CohortNotFound):
            join_waitlist(learner_id=stranger.pk, cohort_id=cohort.pk, now=utc_now())

        assert WaitlistEntry.objects.count() == 0

    def test_differs_from_ours_by_the_workspace_alone(self, stripe: SandboxProcess) -> None:
        """Control: only the workspace differs."""
        cohort = cohort_with(max_enrollment=1)
        ours, late = children(cohort, 2)

        start(cohort, ours)
        join_waitlist(learner_id=late.pk, cohort_id=cohort.pk, now=utc_now())

        assert counts(cohort) == (0, 1)
        assert WaitlistEntry.objects.get().learner == late
