"""Money for places that arrives, fails, or is refunded late, and what may be sold at all; on rows, without Stripe."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import Learner
from accounts.tests.factories import LearnerFactory
from billing.models import Checkout, Payment, Price, Refund, Voucher
from billing.states import RefundReason
from billing.tests.factories import VoucherFactory
from billing.tests.snapshots import AWAITING_THE_BANK, EXPIRED, REFUSED_BY_THE_BANK, arrive, refund, tell
from cohorts.errors import AlreadyOwned, NotForSale
from cohorts.models import Cohort, CohortPlace, StudentPackage, WaitlistEntry
from cohorts.sale.waitlist import expire_due_offers, join_waitlist, leave_waitlist
from cohorts.tests.breaches import breaches
from cohorts.tests.factories import cohort_with, reserve
from cohorts.tests.places import counts
from core.clock import utc_now
from core.errors import require
from enrollments.deletion import delete_enrollment
from enrollments.errors import AlreadyEnrolled
from enrollments.models import Enrollment, ProgramInstance
from enrollments.tests.factories import STAFF, route, seats
from tests.lock_order import recorded_locks

pytestmark = pytest.mark.django_db


def hold(cohort: Cohort, learner: Learner) -> Checkout:
    """Hold a place with a recorded checkout, as before Stripe is called."""
    return require(reserve(cohort, learner).checkout, "a reserved place has its checkout")


def wanted_back() -> list[str]:
    return list(Refund.objects.values_list("reason", flat=True))


@pytest.fixture
def cohort() -> Cohort:
    return cohort_with(options=(1,), max_enrollment=2)


@pytest.fixture
def jane(cohort: Cohort) -> Learner:
    return LearnerFactory(workspace=cohort.instance.workspace, email="jane@school.test")


class TestALatePayment:
    @pytest.mark.sqlite
    def test_with_a_second_hold_goes_back_and_that_one_stays(self, cohort: Cohort, jane: Learner) -> None:
        first = hold(cohort, jane)
        tell(first, **EXPIRED)
        second = hold(cohort, jane)

        tell(first)

        assert wanted_back() == [RefundReason.PLACE_LOST]
        assert counts(cohort) == (0, 1)
        assert CohortPlace.objects.get(status="held").checkout == second
        assert not StudentPackage.objects.exists()

    def test_takes_its_place_again_while_one_is_free(self, cohort: Cohort, jane: Learner) -> None:
        first = hold(cohort, jane)
        tell(first, **EXPIRED)

        tell(first)

        assert (wanted_back(), counts(cohort)) == ([], (1, 0))

    def test_for_a_place_that_is_gone_goes_back(self, cohort: Cohort, jane: Learner) -> None:
        first = hold(cohort, jane)
        tell(first, **EXPIRED)
        Cohort.objects.update(max_enrollment=1)
        tell(hold(cohort, LearnerFactory(workspace=jane.workspace)))

        tell(first)

        assert (wanted_back(), counts(cohort)) == ([RefundReason.PLACE_LOST], (1, 0))

    def test_for_a_course_that_is_owned_by_now_goes_back(self, cohort: Cohort, jane: Learner) -> None:
        first = hold(cohort, jane)
        tell(first, **EXPIRED)
        tell(hold(cohort, jane))

        tell(first)

        assert (wanted_back(), counts(cohort)) == ([RefundReason.DUPLICATE], (1, 0))
        assert StudentPackage.objects.filter(revoked_at=None).count() == 1

    @pytest.mark.parametrize(
        "change",
        [
            {"eligibility_status": "rejected"},
            {"eligibility_status": "unenrolled"},
            {"eligibility_status": "ineligible"},
            {"payment_status": "not_required"},
            {"payment_status": "failed"},
            {"payment_status": "refunded"},
        ],
        ids=str,
    )
    def test_for_an_enrollment_that_waits_for_none_goes_back(
        self, cohort: Cohort, jane: Learner, change: dict[str, str]
    ) -> None:
        held = hold(cohort, jane)
        Enrollment.objects.update(**change)

        tell(held)

        assert (wanted_back(), counts(cohort)) == ([RefundReason.NOT_NEEDED], (0, 0))
        assert not StudentPackage.objects.exists()


class TestAPaymentWithACodeThatBringsNothing:
    def test_frees_the_place_and_then_the_code(self, cohort: Cohort, jane: Learner) -> None:
        VoucherFactory(workspace=jane.workspace, code="SPRING-25", most_uses=1)
        held = require(reserve(cohort, jane, voucher="SPRING-25").checkout, "a quarter off leaves something to pay")
        delete_enrollment(enrollment_id=Enrollment.objects.get().pk, actor=STAFF, now=utc_now())

        with recorded_locks() as recorder:
            tell(held)

        assert recorder.out_of_order() == []
        assert (wanted_back(), counts(cohort), Voucher.objects.get().uses) == ([RefundReason.NOT_NEEDED], (0, 0), 0)


class TestALatePaymentForAnOfferThatWasRenewed:
    """Jane opened the payment page of an offer with a code and left it; the offer stayed hers. Leo is next in line."""

    @pytest.fixture(autouse=True)
    def renewed(self, cohort: Cohort, jane: Learner) -> None:
        Cohort.objects.update(max_enrollment=1)
        VoucherFactory(workspace=jane.workspace, code="SPRING-25", most_uses=1)
        paying = hold(cohort, LearnerFactory(workspace=jane.workspace))
        self.jane = jane
        self.leo = LearnerFactory(workspace=jane.workspace)
        for learner in (jane, self.leo):
            join_waitlist(learner_id=learner.pk, cohort_id=cohort.pk, now=utc_now())
        tell(paying, **EXPIRED)
        self.left = require(
            reserve(cohort, jane, voucher="SPRING-25").checkout, "a quarter off leaves something to pay"
        )
        tell(self.left, **EXPIRED)

    def line(self) -> list[tuple[int, str, str]]:
        entries = WaitlistEntry.objects.order_by("pk")
        return [(each.learner_id, each.status, each.place.status if each.place else "") for each in entries]

    def uses(self) -> int:
        return Voucher.objects.get().uses

    def test_takes_the_place_that_it_holds(self, cohort: Cohort) -> None:
        tell(self.left)

        assert (wanted_back(), counts(cohort), self.uses()) == ([], (1, 0), 1)
        assert self.line() == [(self.jane.pk, "accepted", "released"), (self.leo.pk, "waiting", "")]
        assert breaches() == set()

    def test_goes_back_if_the_offer_was_declined_and_the_next_keeps_theirs(self, cohort: Cohort) -> None:
        leave_waitlist(learner_id=self.jane.pk, cohort_id=cohort.pk, now=utc_now())

        tell(self.left)

        assert (wanted_back(), counts(cohort), self.uses()) == ([RefundReason.PLACE_LOST], (0, 1), 0)
        assert self.line() == [(self.jane.pk, "declined", "released"), (self.leo.pk, "offered", "held")]
        assert breaches() == set()

    def test_goes_back_if_the_offer_has_expired_and_the_next_keeps_theirs(self, cohort: Cohort) -> None:
        expire_due_offers(now=utc_now() + dt.timedelta(hours=25))

        tell(self.left)

        assert (wanted_back(), counts(cohort), self.uses()) == ([RefundReason.PLACE_LOST], (0, 1), 0)
        assert self.line() == [(self.jane.pk, "expired", "released"), (self.leo.pk, "offered", "held")]

    def test_for_an_enrollment_that_ended_goes_back_and_leaves_the_offer(self, cohort: Cohort) -> None:
        enrollment = Enrollment.objects.get(learner=self.jane)
        delete_enrollment(enrollment_id=enrollment.pk, actor=STAFF, now=utc_now())

        tell(self.left)

        assert (wanted_back(), counts(cohort), self.uses()) == ([RefundReason.NOT_NEEDED], (0, 1), 0)
        assert self.line() == [(self.jane.pk, "offered", "held"), (self.leo.pk, "waiting", "")]
        assert breaches() == set()

    def test_that_is_refunded_leaves_the_offer_that_is_being_paid_again(self, cohort: Cohort) -> None:
        again = hold(cohort, self.jane)

        tell(self.left)

        assert (wanted_back(), counts(cohort), self.uses()) == ([RefundReason.PLACE_LOST], (0, 1), 0)
        assert self.line() == [(self.jane.pk, "offered", "held"), (self.leo.pk, "waiting", "")]
        tell(again)
        assert (counts(cohort), self.line()[0][1:]) == ((1, 0), ("accepted", "taken"))
        assert breaches() == set()


class TestABankThatRefuses:
    def test_frees_the_place_and_leaves_nothing_pending(self, cohort: Cohort, jane: Learner) -> None:
        held = hold(cohort, jane)
        tell(held, **AWAITING_THE_BANK)
        before = (Enrollment.objects.get().payment_status, counts(cohort))

        tell(held, **REFUSED_BY_THE_BANK)

        assert before == ("pending", (0, 1))
        assert (Enrollment.objects.get().payment_status, counts(cohort)) == ("failed", (0, 0))

    def test_lets_another_try_follow(self, cohort: Cohort, jane: Learner) -> None:
        held = hold(cohort, jane)
        tell(held, **AWAITING_THE_BANK)
        tell(held, **REFUSED_BY_THE_BANK)

        tell(hold(cohort, jane))

        assert (Enrollment.objects.get().payment_status, counts(cohort)) == ("paid", (1, 0))


class TestARefundedDuplicate:
    def test_leaves_the_course_whose_other_payment_stands(self, cohort: Cohort, jane: Learner) -> None:
        first = hold(cohort, jane)
        tell(first, **EXPIRED)
        tell(hold(cohort, jane))
        tell(first)
        duplicate = Payment.objects.get(checkout=first)

        arrive(duplicate, refund(4900))

        assert Payment.objects.get(pk=duplicate.pk).status == "refunded"
        assert StudentPackage.objects.get().revoked_at is None
        assert (Enrollment.objects.get().payment_status, counts(cohort)) == ("paid", (1, 0))


def switch_off(instance: ProgramInstance) -> None:
    Price.objects.update(active=False)


def take_away(instance: ProgramInstance) -> None:
    ProgramInstance.objects.update(price=None)


class TestWhatMayBeSold:
    @pytest.mark.parametrize("end", [switch_off, take_away])
    def test_is_nothing_without_a_price(
        self, cohort: Cohort, jane: Learner, end: Callable[[ProgramInstance], Any]
    ) -> None:
        end(cohort.instance)

        with pytest.raises(NotForSale):
            hold(cohort, jane)

        assert counts(cohort) == (0, 0)
        assert not Checkout.objects.exists()

    def test_is_not_sold_to_who_has_a_district_seat_for_it(self, cohort: Cohort, jane: Learner) -> None:
        seats(cohort.instance.workspace, total=1)
        funded = route(
            cohort.instance.workspace,
            learner_id=jane.cuid,
            email=jane.email,
            first_name=jane.first_name,
            last_name=jane.last_name,
            instance=cohort.instance,
        ).decision

        with pytest.raises(AlreadyEnrolled):
            hold(cohort, jane)

        assert (funded.status, funded.provision_source) == ("completed", "district")
        assert counts(cohort) == (0, 0)
        assert not Checkout.objects.exists()

    def test_is_not_sold_twice(self, cohort: Cohort, jane: Learner) -> None:
        tell(hold(cohort, jane))

        with pytest.raises(AlreadyOwned):
            hold(cohort, jane)

        assert counts(cohort) == (1, 0)
