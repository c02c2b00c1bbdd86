"""From the course to the payment page, and what the page after it says."""

import datetime as dt
import json
import re

import httpx
import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from accounts.models import Consent, Learner
from accounts.tests.factories import ConsentTextFactory, UserFactory
from billing.checkout import cancel_checkout, settle_checkout
from billing.gateways import stripe as stripe_gateway
from billing.models import Checkout
from billing.refunds import request_refund, submit_refund
from billing.states import RefundReason
from cohorts.models import Cohort, CohortPlace, StudentPackage
from cohorts.tests.browsing import PARENT, child_of, course_url, signed_in, text
from cohorts.tests.factories import buy, buy_on_rows, cohort_with, start
from cohorts.tests.test_buying import release_behind_stripe_s_back
from core.clock import utc_now
from enrollments.lifecycle import unenroll_enrollment
from enrollments.tests.factories import STAFF
from sandbox.testing import SandboxProcess

pytestmark = pytest.mark.django_db(transaction=True)


class TestEnrolling:
    def test_asks_a_visitor_to_sign_in_and_comes_back(self, client: Client) -> None:
        url = course_url("course-enroll", cohort_with())

        answer = client.get(url)

        assert answer.status_code == 302
        assert answer["Location"] == f"{reverse('account_request_login_code')}?next={url}"

    def test_is_not_for_an_address_nobody_has_proven(self, client: Client) -> None:
        cohort = cohort_with()
        client.force_login(UserFactory(email=PARENT), backend="django.contrib.auth.backends.ModelBackend")

        answer = client.post(course_url("course-enroll", cohort), {"learner": child_of(cohort).cuid})

        assert answer.status_code == 403
        assert CohortPlace.objects.count() == 0

    def test_of_a_known_child_leads_to_the_payment_page(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        child = child_of(cohort)
        client, _ = signed_in()

        answer = client.post(course_url("course-enroll", cohort), {"learner": child.cuid})

        checkout = Checkout.objects.get()
        assert (answer.status_code, answer["Location"]) == (302, checkout.url)
        assert CohortPlace.objects.get().learner == child
        assert checkout.success_url == f"{settings.PUBLIC_URL}/courses/enrolled?session_id={{CHECKOUT_SESSION_ID}}"
        left = course_url("course-leave-payment", cohort)
        assert checkout.cancel_url.startswith(f"{settings.PUBLIC_URL}{left}?learner={child.cuid}&leaving=")

    def test_tells_the_payment_page_who_pays_and_nothing_of_the_child(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        child = child_of(cohort, first_name="Philippa")
        client, _ = signed_in()

        client.post(course_url("course-enroll", cohort), {"learner": child.cuid})

        checkout = Checkout.objects.get()
        page = httpx.get(checkout.url).text
        assert checkout.customer_email == PARENT
        assert f'value="{PARENT}" readonly' in page
        told = json.dumps(stripe.ledger()) + page
        assert "Philippa" not in told

    def test_is_paid_by_the_address_that_was_told(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        client, _ = signed_in()
        client.post(course_url("course-enroll", cohort), {"learner": child_of(cohort).cuid})
        checkout = Checkout.objects.get()

        stripe.pay(checkout.url, email="somebody.else@example.test")
        settle_checkout(checkout_id=checkout.pk, now=utc_now())

        assert Checkout.objects.get().payer_email == PARENT

    @pytest.mark.unordered_locks  # nobody else knows the new learner's row
    def test_of_a_new_child_makes_a_learner_with_the_parent_as_guardian(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        client, _ = signed_in()
        asked = {"learner": "child", "child-first_name": "Ann", "child-last_name": "Lee"}

        client.post(course_url("course-enroll", cohort), asked)
        client.post(course_url("course-enroll", cohort), asked)

        child = Learner.objects.get()
        assert (str(child), child.email, child.user) == ("Ann Lee", PARENT, None)
        assert [guardian.email for guardian in child.guardians.all()] == [PARENT]
        assert CohortPlace.objects.get().learner == child

    @pytest.mark.unordered_locks  # nobody else knows the new learner's row
    def test_of_a_new_child_needs_the_consents_that_are_required(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        records = ConsentTextFactory(workspace=cohort.instance.workspace)
        client, _ = signed_in()
        asked = {"learner": "child", "child-first_name": "Ann", "child-last_name": "Lee"}

        refused = client.post(course_url("course-enroll", cohort), asked)
        assert (refused.status_code, Learner.objects.count()) == (409, 0)
        assert "Check the box to agree: Records" in text(refused)
        assert text(refused).count("(optional)") == 1  # the voucher code
        client.post(course_url("course-enroll", cohort), asked | {f"consent_{records.pk}": "on"})
        again = client.post(course_url("course-enroll", cohort), {"learner": Learner.objects.get().cuid})

        assert again.status_code == 302
        assert Consent.objects.values_list("text", "address").get() == (records.pk, PARENT)

    def test_of_oneself_makes_a_learner_of_the_account(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        client, user = signed_in()

        client.post(
            course_url("course-enroll", cohort), {"learner": "me", "me-first_name": "Pat", "me-last_name": "Lee"}
        )
        page = text(client.get(course_url("course-enroll", cohort)))

        assert Learner.objects.get().user == user
        assert "Pat Lee" in page
        assert ">Me<" not in page

    @pytest.mark.parametrize(
        ("asked", "said"),
        [
            ({}, "Choose who the course is for."),
            ({"learner": "cnobody"}, "not one of your learners"),
            ({"learner": "child"}, "Type the first name."),
            ({"learner": "child", "child-first_name": " ", "child-last_name": "x" * 151}, "Type the first name."),
            ({"learner": "me", "me-first_name": "Pat"}, "Type the last name."),
        ],
    )
    def test_names_what_is_missing_and_changes_nothing(
        self, stripe: SandboxProcess, asked: dict[str, str], said: str
    ) -> None:
        cohort = cohort_with()
        client, _ = signed_in()

        answer = client.post(course_url("course-enroll", cohort), asked)

        assert answer.status_code == 422
        assert said in text(answer)
        assert (Learner.objects.count(), CohortPlace.objects.count()) == (0, 0)

    def test_refuses_a_child_of_another_family(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        other = child_of(cohort, email="other@families.test")
        client, _ = signed_in()

        answer = client.post(course_url("course-enroll", cohort), {"learner": other.cuid})

        assert answer.status_code == 422
        assert CohortPlace.objects.count() == 0

    def test_of_a_child_who_has_the_course_is_refused_in_words(self) -> None:
        cohort = cohort_with()
        child = child_of(cohort)
        buy_on_rows(cohort, child)
        client, _ = signed_in()

        answer = client.post(course_url("course-enroll", cohort), {"learner": child.cuid})

        assert answer.status_code == 409
        assert "already has this course" in text(answer)
        assert Checkout.objects.count() == 1

    def test_in_a_cohort_that_just_filled_up_offers_the_waiting_list(self) -> None:
        cohort = cohort_with(max_enrollment=1)
        child = child_of(cohort)
        client, _ = signed_in()
        buy_on_rows(cohort)

        answer = client.post(course_url("course-enroll", cohort), {"learner": child.cuid})

        assert answer.status_code == 409
        assert "is full" in text(answer)
        assert f'action="{course_url("course-wait", cohort)}"' in text(answer)

    def test_past_the_deadline_is_refused_in_words(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with(enrollment_deadline=utc_now() - dt.timedelta(hours=1))
        child = child_of(cohort)
        client, _ = signed_in()

        answer = client.post(course_url("course-enroll", cohort), {"learner": child.cuid})

        assert answer.status_code == 409
        assert "The enrollment deadline has passed" in text(answer)
        assert CohortPlace.objects.count() == 0

    def test_while_stripe_is_down_says_so_and_can_be_repeated(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        child = child_of(cohort)
        client, _ = signed_in()
        stripe.faults(server_error=True)
        down = client.post(course_url("course-enroll", cohort), {"learner": child.cuid})
        stripe.clear_faults()
        stripe_gateway._connect.cache_clear()

        again = client.post(course_url("course-enroll", cohort), {"learner": child.cuid})

        assert down.status_code == 503
        assert again["Location"] == Checkout.objects.get().url
        assert CohortPlace.objects.count() == 1

    def test_lets_its_form_end_on_the_payment_page_and_nowhere_else(self) -> None:
        cohort = cohort_with()
        client, _ = signed_in()

        policy = client.get(course_url("course-enroll", cohort)).headers["Content-Security-Policy"]

        assert f"form-action 'self' {settings.SANDBOX_URL};" in policy + ";"


class TestLeavingThePaymentPage:
    def test_gives_the_place_back_and_says_nothing_was_charged(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        client, _ = signed_in()
        checkout = start(cohort, child_of(cohort))
        learner = CohortPlace.objects.get().learner

        answer = client.post(course_url("course-leave-payment", cohort), {"learner": learner.cuid}, follow=True)

        assert "Nothing was charged, and the place of Jane Doe was given back." in text(answer)
        assert Checkout.objects.get(pk=checkout.pk).status == "cancelled"
        assert Cohort.objects.get(pk=cohort.pk).held_places == 0

    def test_by_the_payment_pages_way_back_gives_the_place_back(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        client, _ = signed_in()
        client.post(course_url("course-enroll", cohort), {"learner": child_of(cohort).cuid})
        checkout = Checkout.objects.get()

        client.get(checkout.cancel_url.removeprefix(settings.PUBLIC_URL))

        assert Checkout.objects.get().status == "cancelled"

    @pytest.mark.parametrize("leaving", ["", "guessed"])
    def test_by_a_link_that_somebody_else_made_changes_nothing(self, stripe: SandboxProcess, leaving: str) -> None:
        cohort = cohort_with()
        client, _ = signed_in()
        start(cohort, child_of(cohort))
        asked = {"learner": Learner.objects.get().cuid, "leaving": leaving}

        answer = client.get(course_url("course-leave-payment", cohort), asked)

        assert answer.status_code == 302
        assert Checkout.objects.get().status == "open"
        assert Cohort.objects.get().held_places == 1

    def test_tells_the_truth_when_it_was_paid_all_the_same(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        client, _ = signed_in()
        checkout = start(cohort, child_of(cohort))
        stripe.pay(checkout.url)

        answer = client.post(
            course_url("course-leave-payment", cohort), {"learner": Learner.objects.get().cuid}, follow=True
        )

        assert "Jane is enrolled" in text(answer)

    def test_ends_nobody_else_s_checkout(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        start(cohort, child_of(cohort))
        client, _ = signed_in("stranger@families.test")

        for learner in (Learner.objects.get().cuid, "\x00", ""):
            client.get(course_url("course-leave-payment", cohort), {"learner": learner})

        assert Checkout.objects.get().status == "open"
        assert Cohort.objects.get().held_places == 1

    def test_while_stripe_is_down_keeps_the_wish(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        client, _ = signed_in()
        start(cohort, child_of(cohort))
        stripe.faults(server_error=True)

        answer = client.post(
            course_url("course-leave-payment", cohort), {"learner": Learner.objects.get().cuid}, follow=True
        )

        assert "The place is being given back" in text(answer)
        assert Checkout.objects.get().cancel_requested_at is not None


class TestThePageAfterPaying:
    def enrolled(self, client: Client, checkout: Checkout, **more: str) -> str:
        asked = {"session_id": Checkout.objects.get(pk=checkout.pk).stripe_session_id or "", **more}
        return text(client.get(reverse("course-enrolled"), asked))

    def test_fulfils_by_itself_when_the_notice_is_late(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with(options=(1, 2))
        client, _ = signed_in()
        checkout = start(cohort, child_of(cohort))
        stripe.pay(checkout.url)

        page = self.enrolled(client, checkout)

        assert "Jane is enrolled" in page
        assert "Already booked for you" in page
        assert page.count('type="radio"') == 2
        assert StudentPackage.objects.count() == 1

    def test_of_a_course_without_choices_shows_what_was_booked(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with(options=(1, 1))
        client, _ = signed_in()
        checkout = start(cohort, child_of(cohort))
        stripe.pay(checkout.url)

        page = self.enrolled(client, checkout)

        assert "Every session is booked" in page
        assert page.count("data-taken") == 2
        assert 'type="radio"' not in page

    def test_waits_while_stripe_can_not_be_asked_and_gives_up_refreshing(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        client, _ = signed_in()
        checkout = start(cohort, child_of(cohort))
        stripe.pay(checkout.url)
        stripe.faults(server_error=True)

        first, last = self.enrolled(client, checkout), self.enrolled(client, checkout, tried="7")

        assert "We are waiting for the payment to be confirmed" in first
        assert 'data-refresh-after="2"' in first
        assert "data-refresh-after" not in last
        assert "Check again" in last
        assert StudentPackage.objects.count() == 0

    def test_says_what_else_can_have_become_of_it(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        client, _ = signed_in()
        unpaid = start(cohort, child_of(cohort, "Jane"))
        debit = start(cohort, child_of(cohort, "Leo"))
        stripe.pay(debit.url, card="async")
        refused = start(cohort, child_of(cohort, "Mia"))
        stripe.pay(refused.url, card="async")
        stripe.settle(refused.url, outcome="failed")
        given_up = start(cohort, child_of(cohort, "Noa"))
        cancel_checkout(checkout_id=given_up.pk, now=utc_now())

        said = [self.enrolled(client, checkout) for checkout in (unpaid, debit, refused, given_up)]

        assert [re.search("<h1>(.*?)</h1>", page)[1].strip() for page in said] == [
            "This is not paid yet",
            "Your payment is on its way",
            "The payment did not go through",
            "This payment was canceled",
        ]
        assert unpaid.url in said[0]

    def test_after_its_time_ran_out_says_so(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        client, _ = signed_in()
        checkout = start(cohort, child_of(cohort))
        stripe.advance_clock(seconds=3600)

        assert "The time to pay ran out" in self.enrolled(client, checkout)

    def test_explains_a_place_that_was_lost(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with(max_enrollment=1)
        client, _ = signed_in()
        late = start(cohort, child_of(cohort))
        release_behind_stripe_s_back(late)
        buy(stripe, cohort)
        stripe.pay(late.url)

        page = self.enrolled(client, late)

        assert "The last place went to somebody else" in page
        assert "49.00 USD goes back to the card" in page

    def test_after_a_refund_says_that_it_is_over(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        client, _ = signed_in()
        package = buy(stripe, cohort, child_of(cohort))
        assert package.payment is not None
        refund = request_refund(
            payment_id=package.payment.pk, amount_minor=None, reason=RefundReason.REQUESTED, actor=STAFF, now=utc_now()
        )
        submit_refund(refund_id=refund.pk, now=utc_now())

        page = self.enrolled(client, Checkout.objects.get())

        assert "Your payment is being returned" in page
        assert "Jane is no longer enrolled" in page

    def test_after_staff_ended_the_enrollment_promises_no_money(self) -> None:
        cohort = cohort_with()
        client, _ = signed_in()
        package = buy_on_rows(cohort, child_of(cohort))
        unenroll_enrollment(enrollment_id=package.enrollment_id, actor=STAFF, reason="Moved away", now=utc_now())

        page = self.enrolled(client, Checkout.objects.get())

        assert "This enrollment has ended" in page
        assert f"Jane is no longer enrolled in {package.program.title}" in page
        assert "returned" not in page

    @pytest.mark.parametrize("session_id", ["", "cs_test_unknown", "x" * 5000, "' OR 1=1"])
    def test_is_a_friendly_404_for_an_unknown_payment(self, session_id: str) -> None:
        client, _ = signed_in()

        answer = client.get(reverse("course-enrolled"), {"session_id": session_id})

        assert answer.status_code == 404

    def test_of_another_family_is_not_found(self) -> None:
        cohort = cohort_with()
        buy_on_rows(cohort, child_of(cohort))
        client, _ = signed_in("stranger@families.test")

        answer = client.get(reverse("course-enrolled"), {"session_id": Checkout.objects.get().stripe_session_id})

        assert answer.status_code == 404
