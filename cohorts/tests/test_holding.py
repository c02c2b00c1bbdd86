"""What keeps places from being held without need: one payment at a time, few unpaid places for one account."""

import pytest
from pytest_django import Settings

from accounts.models import Learner
from accounts.tests.factories import LearnerFactory
from billing.checkout import cancel_checkout, settle_checkout
from billing.models import Checkout
from cohorts import checkout as checkout_module
from cohorts.checkout import start_checkout
from cohorts.errors import CohortNotFound, CourseNotFound, PaymentOnItsWay
from cohorts.models import Cohort, CohortPlace, StudentPackage, WaitlistEntry
from cohorts.opening import close_cohort
from cohorts.tests.browsing import child_of, course_url, signed_in, text
from cohorts.tests.callers import Family, parent_of, problem, student_of
from cohorts.tests.factories import CohortFactory, cohort_with, pay, start
from cohorts.tests.purchases import enroll_url
from cohorts.waitlist import join_waitlist
from enrollment_project.core.actors import SYSTEM
from enrollment_project.core.models import IdempotencyRecord
from enrollments.models import Enrollment, ProgramInstance
from events.models import OutboxEvent
from sandbox.testing import SandboxProcess

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]


def counts(cohort: Cohort) -> tuple[int, int]:
    """(taken, held)"""
    return Cohort.objects.values_list("current_enrollment", "held_places").get(pk=cohort.pk)


def written() -> tuple[int, ...]:
    """What a refusal must leave as it was."""
    models = (CohortPlace, Checkout, Enrollment, Learner, OutboxEvent, IdempotencyRecord)
    return tuple(model.objects.count() for model in models)


def children(cohort: Cohort, count: int) -> list[Learner]:
    return LearnerFactory.create_batch(count, workspace=cohort.instance.workspace)


class TestOneAccount:
    def test_has_only_so_many_unpaid_places_held(self, stripe: SandboxProcess, settings: Settings) -> None:
        settings.HELD_PLACES_PER_ACCOUNT = 2
        cohort = cohort_with()
        mine = children(cohort, 3)
        family = parent_of(*mine)
        for child in mine[:2]:
            assert family.post(enroll_url(cohort), {"learnerId": child.cuid}).status_code == 200
        before = written()

        refused = family.post(enroll_url(cohort), {"learnerId": mine[2].cuid}, **{"Idempotency-Key": "k1"})

        assert problem(refused) == (409, "too_many_places_held")
        assert refused.json()["detail"] == (
            "We hold 2 unpaid places for you, the most at a time. Pay for one or give it back, then enroll again."
        )
        assert written() == before
        assert counts(cohort) == (0, 2)
        assert len(stripe.ledger()["sessions"]) == 2

    def test_can_not_pass_that_by_naming_ever_new_learners(self, stripe: SandboxProcess, settings: Settings) -> None:
        settings.HELD_PLACES_PER_ACCOUNT = 1
        cohort = cohort_with()
        family = Family("new@home.test")
        family.post(enroll_url(cohort), {"firstName": "Ann", "lastName": "Lee"})

        refused = family.post(enroll_url(cohort), {"firstName": "Ben", "lastName": "Lee"})

        assert problem(refused) == (409, "too_many_places_held")
        assert [str(learner) for learner in Learner.objects.all()] == ["Ann Lee"]
        assert counts(cohort) == (0, 1)

    def test_holds_five_unless_told_otherwise(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        mine = children(cohort, 6)
        family = parent_of(*mine)

        answers = [family.post(enroll_url(cohort), {"learnerId": child.cuid}) for child in mine]

        assert [answer.status_code for answer in answers] == [200] * 5 + [409]
        assert counts(cohort) == (0, 5)

    def test_is_not_kept_from_the_page_that_is_open(self, stripe: SandboxProcess, settings: Settings) -> None:
        settings.HELD_PLACES_PER_ACCOUNT = 1
        cohort = cohort_with()
        family, _ = student_of(cohort.instance.workspace)
        first = family.post(enroll_url(cohort))

        again = family.post(enroll_url(cohort))

        assert (again.status_code, again.json()) == (200, first.json())

    @pytest.mark.parametrize("ending", ["paid", "given back", "at the bank"])
    def test_may_hold_the_next_once_one_is(self, stripe: SandboxProcess, settings: Settings, ending: str) -> None:
        settings.HELD_PLACES_PER_ACCOUNT = 1
        cohort = cohort_with()
        ann, ben = children(cohort, 2)
        family = parent_of(ann, ben)
        family.post(enroll_url(cohort), {"learnerId": ann.cuid})
        checkout = Checkout.objects.get()
        if ending == "given back":
            cancel_checkout(checkout_id=checkout.pk)
        else:
            pay(stripe, checkout, card="ok" if ending == "paid" else "async")

        response = family.post(enroll_url(cohort), {"learnerId": ben.cuid})

        assert response.status_code == 200
        assert CohortPlace.objects.get(learner=ben).held_by == family.user

    def test_takes_the_place_it_is_offered_all_the_same(self, stripe: SandboxProcess, settings: Settings) -> None:
        settings.HELD_PLACES_PER_ACCOUNT = 1
        cohort = cohort_with(max_enrollment=2)
        elsewhere = start(cohort)
        ann, ben = children(cohort, 2)
        family = parent_of(ann, ben)
        family.post(enroll_url(cohort), {"learnerId": ann.cuid})
        join_waitlist(learner_id=ben.pk, cohort_id=cohort.pk)
        cancel_checkout(checkout_id=elsewhere.pk)

        response = family.post(enroll_url(cohort), {"learnerId": ben.cuid})

        assert response.status_code == 200
        assert counts(cohort) == (0, 2)

    def test_leaves_other_accounts_alone(self, stripe: SandboxProcess, settings: Settings) -> None:
        settings.HELD_PLACES_PER_ACCOUNT = 1
        cohort = cohort_with()
        ann, ben = children(cohort, 2)
        parent_of(ann).post(enroll_url(cohort), {"learnerId": ann.cuid})

        response = parent_of(ben, email="other@home.test").post(enroll_url(cohort), {"learnerId": ben.cuid})

        assert response.status_code == 200

    def test_reads_on_its_page_what_to_do(self, stripe: SandboxProcess, settings: Settings) -> None:
        settings.HELD_PLACES_PER_ACCOUNT = 1
        cohort = cohort_with()
        ann, ben = child_of(cohort, "Ann"), child_of(cohort, "Ben")
        client, _ = signed_in()
        client.post(course_url("course-enroll", cohort), {"learner": ann.cuid})

        answer = client.post(course_url("course-enroll", cohort), {"learner": ben.cuid})

        assert answer.status_code == 409
        assert "Pay for one or give it back" in text(answer)
        assert counts(cohort) == (0, 1)


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
        """Control: only the course whose payment is on its way is refused."""
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
        settle_checkout(checkout_id=checkout.pk)

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
    @pytest.mark.parametrize("change", ["closed", "off", "unpriced"])
    def test_gets_back_to_the_page_whatever_was_changed_meanwhile(self, stripe: SandboxProcess, change: str) -> None:
        cohort = cohort_with()
        family, _ = student_of(cohort.instance.workspace)
        first = family.post(enroll_url(cohort))
        if change == "closed":
            close_cohort(cohort_id=cohort.pk)
        elif change == "off":
            ProgramInstance.objects.update(active=False)
        else:
            ProgramInstance.objects.update(price=None)

        again = family.post(enroll_url(cohort))
        somebody_else, _ = student_of(cohort.instance.workspace, email="late@school.test")
        late = somebody_else.post(enroll_url(cohort))

        assert (again.status_code, again.json()) == (200, first.json())
        assert problem(late) == (400, "not_for_sale" if change == "unpriced" else "cohort_not_active")
        assert counts(cohort) == (0, 1)

    def test_in_a_place_that_was_held_a_moment_ago_is_asked_to_look_again(
        self, stripe: SandboxProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The sweep offers them a place after they looked for one: the constraint decides, in words."""
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
            )

        assert written() == before
        assert counts(cohort) == (0, 0)

    def test_finds_no_line_to_wait_in(self, stripe: SandboxProcess) -> None:
        cohort, stranger = cohort_with(max_enrollment=1), LearnerFactory()
        start(cohort)

        with pytest.raises(CohortNotFound):
            join_waitlist(learner_id=stranger.pk, cohort_id=cohort.pk)

        assert WaitlistEntry.objects.count() == 0

    def test_differs_from_ours_by_the_workspace_alone(self, stripe: SandboxProcess) -> None:
        """Control."""
        cohort = cohort_with(max_enrollment=1)
        ours, late = children(cohort, 2)

        start(cohort, ours)
        join_waitlist(learner_id=late.pk, cohort_id=cohort.pk)

        assert counts(cohort) == (0, 1)
        assert WaitlistEntry.objects.get().learner == late
