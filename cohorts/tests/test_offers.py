"""An offer from the waiting list is kept until it expires, whatever happens to the checkouts that accept it."""

import datetime as dt

import pytest
from django.core import mail
from django.db import transaction

from accounts.models import Learner
from accounts.tests.factories import LearnerFactory
from billing.checkout import cancel_checkout, settle_checkout
from billing.models import Checkout, Refund
from cohorts.locks import lock_cohort, lock_place
from cohorts.models import Cohort, CohortPlace, StudentPackage, WaitlistEntry
from cohorts.sale.opening import change_capacity
from cohorts.sale.waitlist import expire_due_offers, free_unpaid_place, join_waitlist, leave_waitlist
from cohorts.tests.breaches import breaches
from cohorts.tests.browsing import PARENT, child_of, course_url, home, signed_in, text
from cohorts.tests.callers import Family
from cohorts.tests.factories import CohortFactory, buy_on_rows, cohort_with, pay, start
from cohorts.tests.places import counts
from core.clock import utc_now
from enrollments.deletion import delete_enrollment
from enrollments.models import Enrollment
from enrollments.tests.factories import STAFF
from notifications.sending import send_due_notifications
from sandbox.testing import SandboxProcess

pytestmark = pytest.mark.django_db(transaction=True)


def line(cohort: Cohort) -> list[tuple[int, str]]:
    return list(WaitlistEntry.objects.filter(cohort=cohort).order_by("pk").values_list("learner_id", "status"))


def offer_of(learner: Learner) -> WaitlistEntry:
    return WaitlistEntry.objects.select_related("place").get(learner=learner)


class OfferedPlace:
    """A cohort of one place, which is offered to Jane; Leo is next in line."""

    @pytest.fixture(autouse=True)
    def offer_it(self, stripe: SandboxProcess) -> None:
        self.cohort = cohort_with(max_enrollment=1)
        paying = start(self.cohort)
        self.jane = child_of(self.cohort, "Jane")
        self.leo = LearnerFactory(workspace=self.cohort.instance.workspace)
        for learner in (self.jane, self.leo):
            join_waitlist(learner_id=learner.pk, cohort_id=self.cohort.pk, now=utc_now())
        cancel_checkout(checkout_id=paying.pk, now=utc_now())
        self.until = offer_of(self.jane).offer_expires_at
        assert self.until is not None

    def is_offered_as_before(self) -> bool:
        entry = offer_of(self.jane)
        assert entry.place is not None
        return (
            line(self.cohort) == [(self.jane.pk, "offered"), (self.leo.pk, "waiting")]
            and counts(self.cohort) == (0, 1)
            and (entry.place.status, entry.place.checkout) == ("held", None)
            and entry.offer_expires_at == entry.place.held_until == self.until
        )


class TestAnAcceptedOffer(OfferedPlace):
    def test_whose_payment_is_called_off_is_still_kept(self) -> None:
        cancel_checkout(checkout_id=start(self.cohort, self.jane).pk, now=utc_now())

        assert self.is_offered_as_before()
        assert breaches() == set()

    def test_whose_payment_page_closed_is_still_kept(self, stripe: SandboxProcess) -> None:
        checkout = start(self.cohort, self.jane)
        stripe.advance_clock(seconds=3600)

        assert settle_checkout(checkout_id=checkout.pk, now=utc_now()).status == "expired"

        assert self.is_offered_as_before()

    def test_whose_payment_the_bank_refused_is_still_kept(self, stripe: SandboxProcess) -> None:
        checkout = start(self.cohort, self.jane)
        pay(stripe, checkout, card="async")
        stripe.settle(checkout.url, outcome="failed")

        assert settle_checkout(checkout_id=checkout.pk, now=utc_now()).status == "failed"

        assert self.is_offered_as_before()

    def test_whose_money_goes_back_since_the_enrollment_ended_is_still_kept(self, stripe: SandboxProcess) -> None:
        checkout = start(self.cohort, self.jane)
        enrollment = Enrollment.objects.get(learner=self.jane)
        stripe.pay(checkout.url)
        delete_enrollment(enrollment_id=enrollment.pk, actor=STAFF, now=utc_now())

        settle_checkout(checkout_id=checkout.pk, now=utc_now())

        assert Refund.objects.get().reason == "not_needed"
        assert self.is_offered_as_before()
        assert breaches() == set()

    def test_whose_money_goes_back_since_they_have_the_course_by_now_goes_on_to_the_next(
        self, stripe: SandboxProcess
    ) -> None:
        checkout = start(self.cohort, self.jane)
        stripe.pay(checkout.url)
        elsewhere = CohortFactory(instance=self.cohort.instance)
        enrollment = Enrollment.objects.get(learner=self.jane)
        place = CohortPlace.objects.create(
            cohort=elsewhere, learner=self.jane, enrollment=enrollment, status="taken", held_until=utc_now()
        )
        StudentPackage.objects.create(
            learner=self.jane,
            program=self.cohort.instance.program,
            enrollment=enrollment,
            cohort=elsewhere,
            place=place,
            name="By hand",
            purchased_at=utc_now(),
        )

        settle_checkout(checkout_id=checkout.pk, now=utc_now())

        assert Refund.objects.get().reason == "duplicate"
        assert line(self.cohort) == [(self.jane.pk, "expired"), (self.leo.pk, "offered")]
        assert counts(self.cohort) == (0, 1)

    def test_is_accepted_and_left_as_often_as_they_like_and_bought_in_the_end(self) -> None:
        for _ in range(3):
            cancel_checkout(checkout_id=start(self.cohort, self.jane).pk, now=utc_now())

        package = buy_on_rows(self.cohort, self.jane)

        assert package.learner == self.jane
        assert line(self.cohort) == [(self.jane.pk, "accepted"), (self.leo.pk, "waiting")]
        assert counts(self.cohort) == (1, 0)
        assert Checkout.objects.filter(status="paid").count() == 1
        assert breaches() == set()

    def test_goes_on_to_the_next_at_its_time(self) -> None:
        cancel_checkout(checkout_id=start(self.cohort, self.jane).pk, now=utc_now())

        ended = expire_due_offers(now=self.until)

        assert ended == 1
        assert line(self.cohort) == [(self.jane.pk, "expired"), (self.leo.pk, "offered")]

    def test_left_after_its_time_goes_on_to_the_next_at_once(self) -> None:
        checkout = start(self.cohort, self.jane)
        WaitlistEntry.objects.filter(learner=self.jane).update(offer_expires_at=utc_now() - dt.timedelta(seconds=1))

        cancel_checkout(checkout_id=checkout.pk, now=utc_now())

        assert line(self.cohort) == [(self.jane.pk, "expired"), (self.leo.pk, "offered")]
        assert counts(self.cohort) == (0, 1)

    def test_is_not_ended_by_its_time_while_it_is_being_paid(self, stripe: SandboxProcess) -> None:
        checkout = start(self.cohort, self.jane)

        assert expire_due_offers(now=self.until + dt.timedelta(hours=1)) == 0

        assert pay(stripe, checkout) is not None

    def test_that_is_declined_with_its_payment_page_open_goes_on_to_the_next(self) -> None:
        checkout = start(self.cohort, self.jane)

        leave_waitlist(learner_id=self.jane.pk, cohort_id=self.cohort.pk, now=utc_now())
        settle_checkout(checkout_id=checkout.pk, now=utc_now())

        assert line(self.cohort) == [(self.jane.pk, "declined"), (self.leo.pk, "offered")]
        assert counts(self.cohort) == (0, 1)
        assert breaches() == set()

    def test_is_theirs_though_its_payment_arrives_after_it_was_believed_to_be_over(
        self, stripe: SandboxProcess
    ) -> None:
        checkout = start(self.cohort, self.jane)
        with transaction.atomic():  # this must never happen while the session is open, and must do no harm if it does
            lock_cohort(self.cohort.pk)
            place = lock_place(int(checkout.subject))
            free_unpaid_place(place=place, reason="Believed to be over", now=utc_now())

        package = pay(stripe, checkout)

        assert package is not None
        assert line(self.cohort) == [(self.jane.pk, "accepted"), (self.leo.pk, "waiting")]
        assert counts(self.cohort) == (1, 0)
        assert breaches() == set()

    def test_keeps_what_staff_add_in_the_line(self) -> None:
        cancel_checkout(checkout_id=start(self.cohort, self.jane).pk, now=utc_now())

        change_capacity(cohort_id=self.cohort.pk, max_enrollment=2, now=utc_now())

        assert line(self.cohort) == [(self.jane.pk, "offered"), (self.leo.pk, "offered")]


class TestThePagesOfAnOffer(OfferedPlace):
    def test_say_the_price_and_the_time_left(self) -> None:
        client, _ = signed_in()

        pages = [home(client), text(client.get(course_url("course-enroll", self.cohort)))]

        for page in pages:
            assert "<dt>Time left</dt><dd>23 hours, 59 minutes</dd>" in page
            assert f"<dt>Price</dt><dd>{self.cohort.price_asked}</dd>" in page
            assert f"Accept and pay {self.cohort.price_asked}" in page

    def test_show_it_again_after_coming_back_from_the_payment_page(self) -> None:
        client, _ = signed_in()
        start(self.cohort, self.jane)

        answer = client.post(course_url("course-leave-payment", self.cohort), {"learner": self.jane.cuid}, follow=True)

        assert "Nothing was charged. The place is still kept for Jane Doe" in text(answer)
        assert "Accept and pay" in text(answer)
        assert self.is_offered_as_before()

    def test_say_that_the_offer_outlives_the_payment_page(self) -> None:
        client, _ = signed_in()
        start(self.cohort, self.jane)

        page = home(client)

        assert "If it is not paid by then, the offer stays open until " in page
        assert "Cancel the payment" in page
        assert "Give the place back" not in page

    def test_of_a_payment_that_ended_do_not_say_that_the_place_is_gone(self) -> None:
        client, _ = signed_in()
        checkout = start(self.cohort, self.jane)
        cancel_checkout(checkout_id=checkout.pk, now=utc_now())
        session = Checkout.objects.get(pk=checkout.pk).stripe_session_id

        page = text(client.get("/courses/enrolled", {"session_id": session}))

        assert f"the place in {self.cohort.name} is still kept for Jane" in page
        assert "See the offer" in page
        assert "free again" not in page

    def test_ask_for_no_payment_that_can_t_be_made(self) -> None:
        self.cohort.instance.price.active = False
        self.cohort.instance.price.save()
        client, _ = signed_in()

        page = home(client)

        assert "Accept and pay" not in page
        assert "Decline the place" in page

    def test_by_the_api_name_its_time_while_and_after_it_is_being_paid(self) -> None:
        family = Family(PARENT)
        url = f"/api/course-programs/{self.cohort.instance.program.code}/cohorts/{self.cohort.pk}/waitlist"
        cancel_checkout(checkout_id=start(self.cohort, self.jane).pk, now=utc_now())

        (entry,) = family.get(url).json()

        assert (entry["status"], entry["offerExpiresAt"]) == ("offered", self.until.isoformat().replace("+00:00", "Z"))


class TestTheMailAboutAnOffer(OfferedPlace):
    def test_names_the_price(self) -> None:
        send_due_notifications(now=utc_now())

        bodies = [message.body for message in mail.outbox if "is free for Jane" in message.subject]

        assert [f"The price is {self.cohort.price_asked}." in body for body in bodies] == [True]

    def test_is_not_sent_while_it_is_being_paid(self) -> None:
        start(self.cohort, self.jane)

        send_due_notifications(now=utc_now())

        assert [message.subject for message in mail.outbox if "is free for Jane" in message.subject] == []
        assert CohortPlace.objects.get(learner=self.jane).checkout is not None
