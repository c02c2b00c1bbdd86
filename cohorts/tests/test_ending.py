"""What happens to a course when staff, not a refund, end its enrollment."""

import pytest

from accounts.models import StaffTask
from accounts.tests.factories import LearnerFactory
from billing.checkout import settle_checkout
from billing.models import Checkout, Refund
from billing.refunds import request_refund, submit_refund
from billing.states import RefundReason
from cohorts import handlers, invariants
from cohorts.models import ClassSession, CohortPlace, StudentPackage, WaitlistEntry
from cohorts.sale.waitlist import join_waitlist
from cohorts.tests.factories import buy, buy_on_rows, cohort_with, pay, start
from cohorts.tests.places import counts
from core.clock import utc_now
from core.invariants import Extent
from enrollments.lifecycle import reject_enrollment, unenroll_enrollment
from enrollments.models import Enrollment
from enrollments.tests.factories import STAFF, InstanceFactory, route, seats
from events.models import OutboxEvent
from sandbox.testing import SandboxProcess

pytestmark = pytest.mark.django_db(transaction=True)


def broken() -> set[str]:
    extent = Extent(now=utc_now(), workspace_id=None)
    return {rule.__name__ for rule in invariants.INVARIANTS if list(rule(extent))}


def unenroll(package: StudentPackage) -> StudentPackage:
    unenroll_enrollment(enrollment_id=package.enrollment_id, actor=STAFF, reason="Moved away", now=utc_now())
    return StudentPackage.objects.get(pk=package.pk)


class TestUnenrolling:
    def test_takes_the_course_back_and_frees_place_and_sessions(self) -> None:
        cohort = cohort_with(options=(1, 2))

        package = unenroll(buy_on_rows(cohort))

        assert (package.revoked_at is not None, package.revoke_reason) == (True, "Moved away")
        assert counts(cohort) == (0, 0)
        assert ClassSession.objects.filter(booked_count__gt=0).count() == 0
        assert set(package.progress.values_list("status", flat=True)) == {"CANCELLED"}
        assert OutboxEvent.objects.filter(type="package.revoked").count() == 1
        assert broken() == set()

    def test_leaves_the_money_to_staff(self) -> None:
        package = unenroll(buy_on_rows(cohort_with()))

        task = StaffTask.objects.get()
        assert (task.kind, task.subject) == ("refund_to_decide", f"payment:{package.payment_id}")
        assert not Refund.objects.exists()
        assert package.enrollment.payment_status == "paid"

    def test_is_followed_by_the_refund_that_staff_decide(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        package = unenroll(buy(stripe, cohort))
        assert package.payment_id is not None

        refund = request_refund(
            payment_id=package.payment_id, amount_minor=None, reason=RefundReason.REQUESTED, actor=STAFF, now=utc_now()
        )
        submit_refund(refund_id=refund.pk, now=utc_now())

        assert Enrollment.objects.get().payment_status == "refunded"
        assert OutboxEvent.objects.filter(type="package.revoked").count() == 1
        assert counts(cohort) == (0, 0)
        assert broken() == set()

    def test_gives_the_place_to_the_next_in_line(self) -> None:
        cohort = cohort_with(max_enrollment=1)
        package = buy_on_rows(cohort)
        join_waitlist(
            learner_id=LearnerFactory(workspace=cohort.instance.workspace).pk, cohort_id=cohort.pk, now=utc_now()
        )

        unenroll(package)

        assert WaitlistEntry.objects.get().status == "offered"
        assert counts(cohort) == (0, 1)

    def test_lets_the_learner_buy_again(self) -> None:
        cohort = cohort_with(max_enrollment=1)
        package = unenroll(buy_on_rows(cohort))

        again = buy_on_rows(cohort, package.learner)

        assert (again.revoked_at, again.enrollment_id != package.enrollment_id) == (None, True)
        assert counts(cohort) == (1, 0)

    def test_of_a_routed_enrollment_holds_no_course(self, stripe: SandboxProcess) -> None:
        """Control: a routed enrollment ends as before."""
        instance = InstanceFactory()
        seats(instance.workspace, total=1)
        enrollment = route(instance.workspace).decision.enrollment

        unenroll_enrollment(enrollment_id=enrollment.pk, actor=STAFF, reason="Moved away", now=utc_now())

        assert Enrollment.objects.get().eligibility_status == "unenrolled"
        assert not StaffTask.objects.exists()

    def test_without_our_reaction_leaves_a_course_nobody_is_enrolled_in(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control."""
        monkeypatch.setattr(handlers, "give_back", lambda **_: None)
        cohort = cohort_with()

        package = unenroll(buy_on_rows(cohort))

        assert (package.revoked_at, counts(cohort)) == (None, (1, 0))
        assert "live_packages_have_their_place" in broken()


class TestRejectingWhileItIsBeingPaid:
    def test_ends_the_checkout_and_frees_the_place(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with(max_enrollment=1)
        checkout = start(cohort)

        reject_enrollment(enrollment_id=Enrollment.objects.get().pk, actor=STAFF, reason="Wrong age", now=utc_now())
        settle_checkout(checkout_id=checkout.pk, now=utc_now())

        assert Checkout.objects.get().status == "cancelled"
        assert CohortPlace.objects.get().status == "released"
        assert counts(cohort) == (0, 0)
        assert broken() == set()

    def test_sends_the_money_back_if_the_payer_was_faster(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with(max_enrollment=1)
        checkout = start(cohort)
        stripe.pay(checkout.url)

        reject_enrollment(enrollment_id=Enrollment.objects.get().pk, actor=STAFF, reason="Wrong age", now=utc_now())
        settle_checkout(checkout_id=checkout.pk, now=utc_now())

        assert Refund.objects.get().reason == RefundReason.NOT_NEEDED
        assert not StudentPackage.objects.exists()
        assert counts(cohort) == (0, 0)

    def test_leaves_a_bank_debit_to_the_bank(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with(max_enrollment=1)
        checkout = start(cohort)
        pay(stripe, checkout, card="async")

        reject_enrollment(enrollment_id=Enrollment.objects.get().pk, actor=STAFF, reason="Wrong age", now=utc_now())
        settle_checkout(checkout_id=checkout.pk, now=utc_now())
        before = counts(cohort)
        stripe.settle(checkout.url, outcome="succeeded")
        settle_checkout(checkout_id=checkout.pk, now=utc_now())

        assert before == (0, 1)
        assert counts(cohort) == (0, 0)
        assert Refund.objects.get().reason == RefundReason.NOT_NEEDED
