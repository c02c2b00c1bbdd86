"""What a family sees of a place that it did not pay for at once, on every page."""

import datetime as dt
import re

import pytest
from django.test import Client
from django.urls import reverse

from billing.checkout import cancel_checkout, settle_checkout
from billing.models import Checkout
from cohorts.models import Cohort, CohortPlace
from cohorts.tests.browsing import child_of, course_url, home, signed_in, text
from cohorts.tests.factories import buy, cohort_with, pay, start
from core.clock import utc_now
from enrollments.models import Program
from sandbox.testing import SandboxProcess

pytestmark = pytest.mark.django_db(transaction=True)


def enroll_link(cohort: Cohort) -> str:
    return f'href="{course_url("course-enroll", cohort)}?learner={CohortPlace.objects.latest("pk").learner.cuid}"'


def leave_form(cohort: Cohort) -> str:
    return f'action="{course_url("course-leave-payment", cohort)}"'


def course_page(client: Client, cohort: Cohort) -> str:
    return text(client.get(reverse("course", args=[cohort.instance.program.code])))


class TestAnOpenCheckout:
    def test_can_be_continued_or_called_off_from_every_page(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        client, _ = signed_in()
        checkout = start(cohort, child_of(cohort))

        pages = [course_page(client, cohort), home(client)]

        assert [page.count(f'href="{checkout.url}">Continue to payment<') for page in pages] == [1, 1]
        assert [page.count(leave_form(cohort)) for page in pages] == [1, 1]
        assert [page.count("It costs 49.00 USD and is not paid yet.") for page in pages] == [1, 1]

    def test_that_is_called_off_gives_the_place_back(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        client, _ = signed_in()
        start(cohort, child_of(cohort))
        form = re.search(rf"<form[^>]*{re.escape(leave_form(cohort))}.*?</form>", home(client))
        assert form is not None
        learner = re.search(r'name="learner" value="([^"]+)"', form[0])
        assert learner is not None

        answer = client.post(course_url("course-leave-payment", cohort), {"learner": learner[1]}, follow=True)

        assert "Nothing was charged, and the place of Jane Doe was given back." in text(answer)
        assert Cohort.objects.get().held_places == 0
        assert "Payment canceled" in home(client)

    def test_whose_end_stripe_has_not_confirmed_offers_no_payment(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        client, _ = signed_in()
        start(cohort, child_of(cohort))
        Checkout.objects.update(cancel_requested_at=utc_now())

        pages = [course_page(client, cohort), home(client)]

        assert ["Continue to payment" in page for page in pages] == [False, False]
        assert ["is being given back" in page for page in pages] == [True, True]
        assert "Payment canceled" in pages[1]

    def test_whose_time_is_over_offers_no_closed_page(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        client, _ = signed_in()
        start(cohort, child_of(cohort))
        Checkout.objects.update(expires_at=utc_now() - dt.timedelta(seconds=1))

        pages = [course_page(client, cohort), home(client)]

        assert ["Continue to payment" in page for page in pages] == [False, False]
        assert enroll_link(cohort) in pages[0]


class TestACheckoutThatEndedUnpaid:
    def test_in_time_offers_to_enroll_again(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        client, _ = signed_in()
        checkout = start(cohort, child_of(cohort))
        stripe.advance_clock(seconds=3600)
        settle_checkout(checkout_id=checkout.pk, now=utc_now())

        page = home(client)

        assert "was not paid for in time, so it is no longer held" in page
        assert "Payment time ran out" in page
        assert enroll_link(cohort) in page
        assert "Continue to payment" not in page

    def test_by_the_payer_s_wish_offers_to_enroll_again_where_enrollments_are_listed(
        self, stripe: SandboxProcess
    ) -> None:
        cohort = cohort_with()
        client, _ = signed_in()
        cancel_checkout(checkout_id=start(cohort, child_of(cohort)).pk, now=utc_now())

        page = home(client)

        assert "Payment canceled" in page
        assert "was canceled. Nothing was charged, and the place in" in page
        assert enroll_link(cohort) in page

    def test_by_the_bank_s_refusal_says_so(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        client, _ = signed_in()
        checkout = start(cohort, child_of(cohort))
        pay(stripe, checkout, card="async")
        stripe.settle(checkout.url, outcome="failed")
        settle_checkout(checkout_id=checkout.pk, now=utc_now())

        page = home(client)

        assert "The bank refused the payment" in page
        assert "Payment failed" in page
        assert enroll_link(cohort) in page

    def test_is_chosen_again_in_one_step(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        client, _ = signed_in()
        cancel_checkout(checkout_id=start(cohort, child_of(cohort)).pk, now=utc_now())
        link = re.search(r'href="([^"]+)">Enroll again<', home(client))
        assert link is not None

        page = text(client.get(link[1]))

        assert re.search(r'<input type="radio" name="learner" value="[^"]+" checked', page)

    def test_in_a_cohort_that_closed_meanwhile_offers_nothing(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        client, _ = signed_in()
        checkout = start(cohort, child_of(cohort))
        stripe.advance_clock(seconds=3600)
        settle_checkout(checkout_id=checkout.pk, now=utc_now())
        Cohort.objects.update(enrollment_deadline=utc_now() - dt.timedelta(minutes=1))

        assert "Enroll again" not in home(client)

    def test_of_a_course_that_was_taken_off_offers_nothing(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        client, _ = signed_in()
        checkout = start(cohort, child_of(cohort))
        stripe.advance_clock(seconds=3600)
        settle_checkout(checkout_id=checkout.pk, now=utc_now())
        Program.objects.update(listed=False)

        assert "Enroll again" not in home(client)

    def test_is_forgotten_after_a_week_and_after_another_try(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        client, _ = signed_in()
        jane, leo = child_of(cohort, "Jane"), child_of(cohort, "Leo")
        checkouts = [start(cohort, learner) for learner in (jane, leo)]
        stripe.advance_clock(seconds=3600)
        for checkout in checkouts:
            settle_checkout(checkout_id=checkout.pk, now=utc_now())
        stripe.reset()
        fresh = home(client)
        lapsed = CohortPlace.objects.filter(learner=jane).values("checkout")
        Checkout.objects.filter(pk__in=lapsed).update(settled_at=utc_now() - dt.timedelta(days=8))
        buy(stripe, cohort, leo)

        assert fresh.count("was not paid for in time") == 2
        later = home(client)
        assert later.count("was not paid for in time") == 1
        assert later.index("1 that is over") < later.index("was not paid for in time")


class TestABankDebit:
    def test_on_its_way_needs_nothing_more(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        client, _ = signed_in()
        checkout = start(cohort, child_of(cohort))
        pay(stripe, checkout, card="async")

        pages = [course_page(client, cohort), home(client)]

        assert ["nothing more to do" in page for page in pages] == [True, True]
        assert ["Continue to payment" in page for page in pages] == [False, False]
        assert [leave_form(cohort) in page for page in pages] == [False, False]


class TestThoseOfOthers:
    def test_are_not_shown(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        checkout = start(cohort, child_of(cohort))
        client, _ = signed_in("stranger@families.test")

        pages = [course_page(client, cohort), home(client)]

        assert [checkout.url in page for page in pages] == [False, False]
        assert ["Jane" in page for page in pages] == [False, False]
