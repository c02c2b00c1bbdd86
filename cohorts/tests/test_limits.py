"""How much one account, and one family, may hold, wait for, and add."""

import pytest
from django.urls import reverse
from pytest_django import Settings

from accounts.models import Guardian, Learner, User
from billing.checkout import cancel_checkout
from billing.models import Checkout
from cohorts.models import Cohort, CohortPlace, WaitlistEntry
from cohorts.sale.opening import change_capacity
from cohorts.sale.waitlist import join_waitlist
from cohorts.tests.browsing import child_of, course_url, signed_in, text
from cohorts.tests.callers import Family, parent_of, problem, student_of
from cohorts.tests.factories import CohortFactory, buy_on_rows, cohort_with, pay, reserve, start
from cohorts.tests.places import children, counts, written
from cohorts.tests.purchases import enroll_url
from core.actors import SYSTEM, Actor
from core.clock import utc_now
from sandbox.testing import SandboxProcess

pytestmark = pytest.mark.django_db(transaction=True)


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
            "2 unpaid places are held for your family and it waits for 0, 2 in all being the most at a time. Pay for "
            "one, give one back or leave a waiting list; then try again."
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
            cancel_checkout(checkout_id=checkout.pk, now=utc_now())
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
        join_waitlist(learner_id=ben.pk, cohort_id=cohort.pk, now=utc_now())
        cancel_checkout(checkout_id=elsewhere.pk, now=utc_now())

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
        assert "Pay for one, give one back or leave a waiting list" in text(answer)
        assert counts(cohort) == (0, 1)


def named(number: int) -> dict[str, str]:
    return {"learner": "child", "child-first_name": f"Child {number}", "child-last_name": "Doe"}


@pytest.mark.unordered_locks  # the learner is new after the account is locked, so nobody else knows the row
class TestALine:
    """Waiting-list entries count together with held places: each becomes an offer, which blocks a place for a day."""

    @pytest.fixture
    def full(self, settings: Settings) -> Cohort:
        settings.HELD_PLACES_PER_ACCOUNT = 3
        cohort = cohort_with(max_enrollment=1)
        buy_on_rows(cohort)
        return cohort

    def test_takes_so_many_of_one_account_and_leaves_no_trace_of_the_rest(self, full: Cohort) -> None:
        client, user = signed_in()
        before = Learner.objects.count(), Guardian.objects.count()

        answers = [client.post(course_url("course-wait", full), named(number)) for number in range(6)]

        assert [answer.status_code for answer in answers] == [302] * 3 + [409] * 3
        assert "leave a waiting list" in text(answers[-1])
        assert WaitlistEntry.objects.filter(joined_by=user).count() == 3
        assert (Learner.objects.count(), Guardian.objects.count()) == (before[0] + 3, before[1] + 1)

    def test_takes_so_many_by_the_api_too(self, full: Cohort) -> None:
        family = Family("new@home.test")
        url = f"/api/course-programs/{full.instance.program.code}/cohorts/{full.pk}/waitlist"
        before = Learner.objects.count()

        answers = [family.post(url, {"firstName": f"Child {number}", "lastName": "Doe"}) for number in range(5)]

        assert [answer.status_code for answer in answers] == [201] * 3 + [409] * 2
        assert problem(answers[-1]) == (409, "too_many_places_held")
        assert Learner.objects.count() == before + 3

    def test_counts_with_what_is_held(self, full: Cohort) -> None:
        client, user = signed_in()
        open_one = CohortFactory(instance=full.instance)
        for number in range(2):
            client.post(course_url("course-wait", full), named(number))
        reserve_for_child(open_one, user)

        answer = client.post(course_url("course-wait", full), named(9))

        assert answer.status_code == 409
        assert WaitlistEntry.objects.count() == 2

    def test_counts_against_what_is_held_next(self, full: Cohort) -> None:
        client, _ = signed_in()
        open_one = CohortFactory(instance=full.instance)
        for number in range(3):
            client.post(course_url("course-wait", full), named(number))
        before = written()

        answer = client.post(course_url("course-enroll", open_one), named(9))

        assert answer.status_code == 409
        assert written() == before
        assert counts(open_one) == (0, 0)

    def test_counts_an_offer_as_much_as_the_place_in_line_it_was(self, full: Cohort) -> None:
        client, _ = signed_in()
        for number in range(3):
            client.post(course_url("course-wait", full), named(number))
        change_capacity(cohort_id=full.pk, max_enrollment=3, now=utc_now())

        answer = client.post(course_url("course-wait", full), named(9))

        assert sorted(WaitlistEntry.objects.values_list("status", flat=True)) == ["offered", "offered", "waiting"]
        assert answer.status_code == 409

    def test_takes_another_once_one_is_left(self, full: Cohort) -> None:
        client, _ = signed_in()
        for number in range(3):
            client.post(course_url("course-wait", full), named(number))
        client.post(reverse("waitlist-leave", args=[WaitlistEntry.objects.latest("pk").pk]))

        answer = client.post(course_url("course-wait", full), named(9))

        assert answer.status_code == 302

    def test_says_to_who_is_in_it_that_they_are(self, full: Cohort) -> None:
        client, _ = signed_in()
        for number in range(3):
            client.post(course_url("course-wait", full), named(number))

        answer = client.post(course_url("course-wait", full), named(2))

        assert "You are already on this waiting list." in text(answer)

    def test_is_open_to_staff_without_a_limit(self, full: Cohort) -> None:
        for child in children(full, 5):
            join_waitlist(learner_id=child.pk, cohort_id=full.pk, actor=SYSTEM, now=utc_now())

        assert WaitlistEntry.objects.filter(status="waiting", joined_by=None).count() == 5


class TestOneFamily:
    """Two parents, each with an account, of the same children."""

    def test_has_together_what_one_account_may_have(self, settings: Settings) -> None:
        settings.HELD_PLACES_PER_ACCOUNT = 2
        cohort = cohort_with(max_enrollment=1)
        buy_on_rows(cohort)
        mine = children(cohort, 3)
        mother, father = parent_of(*mine, email="mother@home.test"), parent_of(*mine, email="father@home.test")
        url = f"/api/course-programs/{cohort.instance.program.code}/cohorts/{cohort.pk}/waitlist"

        answers = [
            mother.post(url, {"learnerId": mine[0].cuid}),
            father.post(url, {"learnerId": mine[1].cuid}),
            father.post(url, {"learnerId": mine[2].cuid}),
        ]

        assert [answer.status_code for answer in answers] == [201, 201, 409]

    def test_counts_a_child_that_only_the_other_parent_asked_for(self, settings: Settings) -> None:
        settings.HELD_PLACES_PER_ACCOUNT = 1
        cohort = cohort_with(max_enrollment=1)
        buy_on_rows(cohort)
        shared, hers = children(cohort, 2)
        mother = parent_of(shared, hers, email="mother@home.test")
        father = parent_of(shared, email="father@home.test")
        url = f"/api/course-programs/{cohort.instance.program.code}/cohorts/{cohort.pk}/waitlist"

        answers = [mother.post(url, {"learnerId": hers.cuid}), father.post(url, {"learnerId": shared.cuid})]

        assert [answer.status_code for answer in answers] == [201, 409]


@pytest.mark.unordered_locks  # the learner is new after the account is locked, so nobody else knows the row
class TestTheLearnersOfAnAccount:
    def test_are_so_many_at_most(self, settings: Settings) -> None:
        settings.LEARNERS_PER_ACCOUNT = 2
        cohort = cohort_with(max_enrollment=1)
        buy_on_rows(cohort)
        child_of(cohort_with())  # one of another workspace does not count
        client, _ = signed_in()
        before = Learner.objects.count()

        answers = [client.post(course_url("course-wait", cohort), named(number)) for number in (0, 1, 2, 1)]

        assert [answer.status_code for answer in answers] == [302, 302, 409, 409]
        assert "Your account has 2 learners here" in text(answers[2])
        assert "You are already on this waiting list." in text(answers[3])
        assert Learner.objects.count() == before + 2


def reserve_for_child(cohort: Cohort, user: User) -> None:
    """Hold a place for a child of theirs by a recorded checkout, without Stripe."""
    (child,) = children(cohort, 1)
    reserve(cohort, child, actor=Actor("user", user.pk))
