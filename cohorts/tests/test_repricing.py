"""A course whose price changes while families have their payment pages open."""

import pytest

from billing.checkout import cancel_checkout, settle_checkout
from billing.models import Checkout, Payment, Price
from cohorts.errors import NotForSale
from cohorts.models import Cohort, CohortPlace, StudentPackage, WaitlistEntry
from cohorts.sale.waitlist import join_waitlist
from cohorts.tests.breaches import breaches
from cohorts.tests.browsing import child_of, course_url, signed_in, text
from cohorts.tests.callers import parent_of
from cohorts.tests.factories import cohort_with, pay, start
from cohorts.tests.places import counts
from cohorts.tests.purchases import enroll_url
from core.clock import utc_now
from sandbox.testing import SandboxProcess

pytestmark = pytest.mark.django_db(transaction=True)


def lower(cohort: Cohort) -> None:
    """Change the cohort's price as staff: 39.00 instead of 49.00."""
    price = cohort.instance.price
    assert price is not None
    cohort.instance.price = Price.objects.create(workspace=price.workspace, name="Less", amount_minor=3900)
    cohort.instance.save()


def asked(stripe: SandboxProcess) -> list[tuple[str, int]]:
    return [(session["status"], session["amount"]) for session in stripe.ledger()["sessions"]]


class TestAnOpenCheckout:
    def test_is_replaced_by_the_next_click_and_its_place_held_on(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with(max_enrollment=1)
        child = child_of(cohort)
        start(cohort, child)
        lower(cohort)
        client, _ = signed_in()

        answer = client.post(course_url("course-enroll", cohort), {"learner": child.cuid})

        assert answer["Location"] == Checkout.objects.get(status="open").url
        assert asked(stripe) == [("expired", 4900), ("open", 3900)]
        assert counts(cohort) == (0, 1)
        assert CohortPlace.objects.count() == 1
        assert breaches() == set()

    def test_is_replaced_for_the_api_too(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        child = child_of(cohort)
        family = parent_of(child, email="other@home.test")
        first = family.post(enroll_url(cohort), {"learnerId": child.cuid}).json()
        lower(cohort)

        again = family.post(enroll_url(cohort), {"learnerId": child.cuid}).json()

        assert again["sessionId"] != first["sessionId"]
        assert asked(stripe) == [("expired", 4900), ("open", 3900)]

    @pytest.mark.parametrize("page", ["course", "my-enrollments"])
    def test_is_never_led_to_by_a_page(self, stripe: SandboxProcess, page: str) -> None:
        cohort = cohort_with()
        old = start(cohort, child_of(cohort))
        lower(cohort)
        client, _ = signed_in()
        url = {
            "course": f"/courses/{cohort.instance.program.code}",
            "my-enrollments": "/my/enrollments",
        }[page]

        shown = text(client.get(url, follow=True))

        assert Checkout.objects.get(status="open").url in shown
        assert old.url not in shown
        assert "$39.00" in shown or "39.00 USD" in shown
        assert "49.00" not in shown

    def test_buys_the_place_at_the_price_it_was_paid_at(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        paying = start(cohort)
        lower(cohort)

        package = pay(stripe, paying)

        assert package is not None
        assert (Payment.objects.get().amount_minor, counts(cohort)) == (4900, (1, 0))
        assert breaches() == set()

    def test_that_was_replaced_buys_the_place_at_the_new_price(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        old = start(cohort)
        lower(cohort)
        settle_checkout(checkout_id=old.pk, now=utc_now())

        package = pay(stripe, Checkout.objects.get(status="open"))

        assert package is not None
        assert (Payment.objects.get().amount_minor, counts(cohort)) == (3900, (1, 0))

    def test_of_a_course_that_is_not_sold_any_more_gives_the_place_back(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        child = child_of(cohort)
        start(cohort, child)
        Price.objects.update(active=False)

        with pytest.raises(NotForSale):
            start(cohort, child)

        assert asked(stripe) == [("expired", 4900)]
        assert counts(cohort) == (0, 0)


class TestAnOffer:
    def test_that_was_accepted_is_asked_the_new_price_and_kept(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with(max_enrollment=1)
        child = child_of(cohort)
        first = start(cohort)
        join_waitlist(learner_id=child.pk, cohort_id=cohort.pk, now=utc_now())
        cancel_checkout(checkout_id=first.pk, now=utc_now())
        start(cohort, child)
        lower(cohort)

        renewed = start(cohort, child)

        assert (renewed.amount_minor, renewed.status) == (3900, "open")
        assert WaitlistEntry.objects.get().status == "offered"
        assert pay(stripe, renewed) == StudentPackage.objects.get()
        assert WaitlistEntry.objects.get().status == "accepted"
