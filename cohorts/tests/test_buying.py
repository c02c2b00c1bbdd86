"""From the held place to the fulfilled package, against the running Stripe stand-in."""

import datetime as dt
from typing import Any

import pytest
from django.db.models import F

from accounts.tests.factories import LearnerFactory
from billing.checkout import cancel_checkout, settle_checkout
from billing.models import Checkout, Payment, Refund
from billing.refunds import request_refund, submit_refund
from billing.states import RefundReason
from cohorts.errors import (
    AlreadyOwned,
    CohortFull,
    CohortNotActive,
    CohortNotFound,
    CourseNotActive,
    CourseNotFound,
    DeadlinePassed,
    NotForSale,
)
from cohorts.models import ClassSession, Cohort, CohortPlace, StepProgress, StudentPackage
from cohorts.sale.checkout import start_checkout
from cohorts.tests.factories import CohortFactory, buy, buy_on_rows, cohort_with, pay, start
from core.actors import SYSTEM
from core.clock import utc_now
from enrollments import purchase
from enrollments.lifecycle import unenroll_enrollment
from enrollments.models import Enrollment
from enrollments.tests.factories import STAFF
from events.models import OutboxEvent
from sandbox.testing import SandboxProcess

pytestmark = pytest.mark.django_db(transaction=True)


def fresh(cohort: Cohort) -> tuple[int, int]:
    """Return (taken, held)."""
    return Cohort.objects.values_list("current_enrollment", "held_places").get(pk=cohort.pk)


class TestStartingACheckout:
    def test_holds_a_place_and_opens_a_session(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with(max_enrollment=3)

        checkout = start(cohort)

        place = CohortPlace.objects.get()
        assert fresh(cohort) == (0, 1)
        assert (place.status, place.checkout_id) == ("held", checkout.pk)
        assert checkout.url.startswith(stripe.url)
        assert place.enrollment is not None
        assert (place.enrollment.eligibility_status, place.enrollment.payment_status) == ("submitted", "pending")

    def test_tells_stripe_the_documented_ids(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        learner = LearnerFactory(workspace=cohort.instance.workspace)

        start(cohort, learner)

        metadata = stripe.ledger()["sessions"][0]["metadata"]
        documented = ("studentId", "courseProgramId", "courseCode", "cohortId", "cohortName", "entityType")
        assert [metadata[name] for name in documented] == [
            learner.cuid,
            str(cohort.instance.program_id),
            cohort.instance.program.code,
            str(cohort.pk),
            cohort.name,
            "course_enrollment",
        ]

    def test_twice_returns_the_same_open_checkout(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        learner = LearnerFactory(workspace=cohort.instance.workspace)
        first = start(cohort, learner)

        second = start(cohort, learner)

        assert (second.pk, second.url) == (first.pk, first.url)
        assert fresh(cohort) == (0, 1)
        assert len(stripe.ledger()["sessions"]) == 1

    def test_for_the_last_place_leaves_none_for_the_next(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with(max_enrollment=1)
        start(cohort)

        with pytest.raises(CohortFull):
            start(cohort)

        assert fresh(cohort) == (0, 1)
        assert CohortPlace.objects.count() == Checkout.objects.count() == Enrollment.objects.count() == 1

    def test_for_another_cohort_gives_the_first_one_s_place_up(self, stripe: SandboxProcess) -> None:
        first = cohort_with(max_enrollment=1)
        second = CohortFactory(instance=first.instance, max_enrollment=1)
        learner = LearnerFactory(workspace=first.instance.workspace)
        old = start(first, learner)

        start(second, learner)
        settle_checkout(checkout_id=old.pk, now=utc_now())

        assert (fresh(first), fresh(second)) == ((0, 0), (0, 1))
        assert Checkout.objects.get(pk=old.pk).status == "cancelled"

    def test_by_an_enrollment_that_ended_a_moment_ago_begins_a_new_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """It was found before staff ended it, and locked afterwards."""
        cohort = cohort_with()
        package = buy_on_rows(cohort)
        old = package.enrollment
        unenroll_enrollment(enrollment_id=old.pk, actor=STAFF, reason="Moved away", now=utc_now())
        monkeypatch.setattr(purchase, "current_enrollment", lambda **_: old)

        again = buy_on_rows(cohort, package.learner)

        assert again.enrollment_id != old.pk
        assert Enrollment.objects.get(pk=old.pk).eligibility_status == "unenrolled"

    def test_is_refused_in_the_documented_order(self) -> None:
        cohort = cohort_with(max_enrollment=1)
        instance, program = cohort.instance, cohort.instance.program
        taken_by = LearnerFactory(workspace=instance.workspace)
        buy_on_rows(cohort, taken_by)
        Cohort.objects.update(is_active=False, enrollment_deadline=utc_now() - dt.timedelta(days=1))
        instance.price = None
        instance.save()
        program.active = False
        program.save()
        steps = [
            (CourseNotActive, lambda: type(program).objects.update(active=True)),
            (CohortNotActive, lambda: Cohort.objects.update(is_active=True)),
            (CohortFull, lambda: Cohort.objects.update(max_enrollment=2)),
            (DeadlinePassed, lambda: Cohort.objects.update(enrollment_deadline=None)),
            (AlreadyOwned, lambda: None),
        ]

        for refusal, mend in steps:
            with pytest.raises(refusal):
                start(cohort, taken_by)
            mend()
        with pytest.raises(NotForSale):
            start(cohort)

        assert fresh(cohort) == (1, 0)
        assert Checkout.objects.count() == 1

    def test_of_a_cohort_that_is_over_is_refused(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        Cohort.objects.update(
            start_date=utc_now().date() - dt.timedelta(days=9), end_date=utc_now().date() - dt.timedelta(days=2)
        )

        with pytest.raises(DeadlinePassed):
            start(cohort)

        assert fresh(cohort) == (0, 0)
        assert Checkout.objects.count() == 0

    def test_of_what_does_not_exist_is_not_found(self, stripe: SandboxProcess) -> None:
        cohort, other = cohort_with(), cohort_with()
        learner = LearnerFactory(workspace=cohort.instance.workspace)
        asked: dict[str, Any] = {
            "learner_id": learner.pk,
            "success_url": "x",
            "cancel_url": "x",
            "actor": SYSTEM,
            "now": utc_now(),
        }

        with pytest.raises(CourseNotFound):
            start_checkout(course_code="NOPE", cohort_id=cohort.pk, **asked)
        with pytest.raises(CohortNotFound):
            start_checkout(course_code=cohort.instance.program.code, cohort_id=other.pk, **asked)

        assert CohortPlace.objects.count() == 0


class TestAPaidPlace:
    def test_becomes_a_package_with_its_steps(self) -> None:
        cohort = cohort_with(options=(1, 2))

        package = buy_on_rows(cohort)

        assert package.name == f"{cohort.instance.program.code} - {cohort.name}"
        assert package.expires_at is None
        assert fresh(cohort) == (1, 0)
        steps = StepProgress.objects.order_by("step__order").values_list("status", flat=True)
        assert list(steps) == ["BOOKED", "UNBOOKED"]
        assert (package.enrollment.eligibility_status, package.enrollment.payment_status) == ("approved", "paid")
        assert package.enrollment.participation_status == "active"

    def test_told_twice_is_fulfilled_once(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with(options=(1, 2))
        checkout = start(cohort)
        pay(stripe, checkout)
        events = OutboxEvent.objects.count()

        settle_checkout(checkout_id=checkout.pk, now=utc_now())

        assert StudentPackage.objects.count() == 1
        assert OutboxEvent.objects.count() == events
        assert ClassSession.objects.filter(booked_count=1).count() == 1

    def test_in_a_cohort_edited_meanwhile_is_fulfilled_all_the_same(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        checkout = start(cohort)
        Cohort.objects.update(is_active=False, name="Renamed", enrollment_deadline=utc_now())

        package = pay(stripe, checkout)

        assert package is not None
        assert package.name.endswith("Renamed")

    def test_whose_only_session_is_full_is_sold_with_the_others_booked_and_staff_are_told(self) -> None:
        cohort = cohort_with(options=(1, 2, 1), seats=10)
        full = ClassSession.objects.get(cohort_sessions__step__order=1)
        ClassSession.objects.filter(pk=full.pk).update(booked_count=F("max_students"))

        package = buy_on_rows(cohort)

        progress = StepProgress.objects.filter(package=package).order_by("step__order")
        assert [row.status for row in progress] == ["UNBOOKED", "UNBOOKED", "BOOKED"]
        task = cohort.instance.workspace.staff_tasks.get()
        assert task.kind == "only_session_full"
        assert task.subject == f"package:{package.pk}/step:{progress[0].step_id}"


class TestAnUnpaidPlace:
    @pytest.mark.parametrize("ending", ["expired", "cancelled", "bank said no"])
    def test_is_free_again(self, stripe: SandboxProcess, ending: str) -> None:
        cohort = cohort_with(max_enrollment=1)
        checkout = start(cohort)

        if ending == "expired":
            stripe.advance_clock(seconds=3600)
            settle_checkout(checkout_id=checkout.pk, now=utc_now())
        elif ending == "cancelled":
            cancel_checkout(checkout_id=checkout.pk, now=utc_now())
        else:
            stripe.pay(checkout.url, card="async")
            settle_checkout(checkout_id=checkout.pk, now=utc_now())
            assert fresh(cohort) == (0, 1)
            stripe.settle(checkout.url, outcome="failed")
            settle_checkout(checkout_id=checkout.pk, now=utc_now())

        assert fresh(cohort) == (0, 0)
        assert CohortPlace.objects.get().status == "released"
        assert StudentPackage.objects.count() == 0


class TestMoneyThatComesTooLate:
    def test_takes_a_place_that_is_still_free(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with(max_enrollment=1)
        checkout = start(cohort)
        release_behind_stripe_s_back(checkout)

        package = pay(stripe, checkout)

        assert package is not None
        assert fresh(cohort) == (1, 0)

    def test_goes_back_when_no_place_is_left(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with(max_enrollment=1)
        late = start(cohort)
        release_behind_stripe_s_back(late)
        buy(stripe, cohort)

        package = pay(stripe, late)

        refund = Refund.objects.get()
        submit_refund(refund_id=refund.pk, now=utc_now())
        assert package is None
        assert refund.reason == RefundReason.PLACE_LOST
        assert fresh(cohort) == (1, 0)
        assert StudentPackage.objects.count() == 1
        assert stripe.ledger()["totals"]["usd"]["net"] == 4900
        assert OutboxEvent.objects.filter(type="place.lost").count() == 1


class TestARefund:
    def refund(self, package: StudentPackage, amount: int | None) -> StudentPackage:
        assert package.payment_id is not None
        refund = request_refund(
            payment_id=package.payment_id,
            amount_minor=amount,
            reason=RefundReason.REQUESTED,
            actor=STAFF,
            now=utc_now(),
        )
        submit_refund(refund_id=refund.pk, now=utc_now())
        return StudentPackage.objects.get(pk=package.pk)

    def test_in_full_revokes_the_package_and_frees_everything(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with(options=(1, 2))
        package = self.refund(buy(stripe, cohort), None)

        assert package.revoked_at is not None
        assert fresh(cohort) == (0, 0)
        assert ClassSession.objects.filter(booked_count__gt=0).count() == 0
        assert set(package.progress.values_list("status", flat=True)) == {"CANCELLED"}
        enrollment = package.enrollment
        assert (enrollment.eligibility_status, enrollment.payment_status) == ("unenrolled", "refunded")

    def test_in_part_changes_only_the_payment(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with(options=(1, 2))
        package = self.refund(buy(stripe, cohort), 900)

        assert package.revoked_at is None
        assert fresh(cohort) == (1, 0)
        assert package.enrollment.payment_status == "partially_refunded"

    def test_lets_the_learner_buy_again(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with(options=(1,))
        learner = LearnerFactory(workspace=cohort.instance.workspace)
        self.refund(buy(stripe, cohort, learner), None)

        again = buy(stripe, cohort, learner)

        assert again.revoked_at is None
        assert Payment.objects.count() == 2


def release_behind_stripe_s_back(checkout: Checkout) -> None:
    """Free the place while the session can still be paid, which must never happen, and must do no harm if it does."""
    CohortPlace.objects.filter(checkout=checkout).update(status="released")
    Cohort.objects.update(held_places=0)
