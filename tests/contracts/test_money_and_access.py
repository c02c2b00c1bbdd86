"""In whatever order refunds and disputes arrive, access lasts as long as some of its money is there, and no longer."""

from typing import Any

import pytest

from accounts.models import StaffTask
from billing.models import Payment
from billing.tests.snapshots import arrive, dispute, refund
from cohorts.models import Cohort, CohortPlace, StudentPackage
from cohorts.tests.factories import buy_on_rows, cohort_with
from core.clock import utc_now
from enrollments.models import Enrollment
from enrollments.tests.factories import InstanceFactory
from enrollments.tests.parents import ask_parent, pay
from operations.doctor import examine
from sandbox.testing import SandboxProcess
from tests.sweeps import SOON

pytestmark = pytest.mark.django_db(transaction=True)

INQUIRY = dispute(4900, status="warning_needs_response")
OPEN, WON, LOST = (dispute(4900, status=status) for status in ("needs_response", "won", "lost"))
PART_LOST, REST = dispute(1000, status="lost"), refund(3900)
PART, OTHER_PART, ALL, FAILED = refund(1000), refund(3900, number=2), refund(4900), refund(4900, status="failed")

# The notices, whether access remains afterward, and what the enrollment says about the money.
SEQUENCES: list[Any] = [
    pytest.param([PART, OPEN], True, "partially_refunded", id="a part, then contested"),
    pytest.param([OPEN, ALL], False, "refunded", id="contested, then all of it from the dashboard"),
    pytest.param([ALL, OPEN, WON], False, "refunded", id="all of it, then contested and won"),
    pytest.param([INQUIRY, ALL], False, "refunded", id="asked about, then all of it"),
    pytest.param([INQUIRY, PART], True, "partially_refunded", id="asked about, then a part"),
    pytest.param([OPEN, PART, OTHER_PART, LOST], False, "refunded", id="contested, parts, lost"),
    pytest.param([PART_LOST], True, "partially_refunded", id="a part lost"),
    pytest.param([PART_LOST, REST], False, "refunded", id="a part lost, then the rest"),
    pytest.param([PART, refund(1000, status="failed")], True, "paid", id="a part that failed late"),
    pytest.param([OPEN, WON], True, "paid", id="contested and won"),
]


def breaches() -> list[str]:
    return sorted(examine(now=utc_now() + SOON))


class TestACourse:
    @pytest.mark.parametrize(("things", "kept", "status"), SEQUENCES)
    def test_follows_its_money(self, things: list[Any], kept: bool, status: str) -> None:
        cohort = cohort_with(options=(1,))
        package = buy_on_rows(cohort)
        assert package.payment is not None

        arrive(package.payment, *things, now=utc_now())

        assert StudentPackage.objects.filter(revoked_at__isnull=True).exists() == kept
        assert CohortPlace.objects.get().status == ("taken" if kept else "released")
        assert Cohort.objects.get().current_enrollment == int(kept)
        enrollment = Enrollment.objects.get()
        assert (enrollment.payment_status, enrollment.eligibility_status) == (
            status,
            "approved" if kept else "unenrolled",
        )
        assert breaches() == []

    def test_that_ended_stays_so_when_its_money_is_here_again_and_staff_are_told(self) -> None:
        package = buy_on_rows(cohort_with(options=(1,)))
        assert package.payment is not None

        arrive(package.payment, ALL, FAILED, now=utc_now())

        assert (Payment.objects.get().status, StudentPackage.objects.get().revoked_at is None) == ("paid", False)
        assert set(StaffTask.objects.values_list("kind", flat=True)) == {"money_came_back", "refund_failed"}
        assert breaches() == []


class TestARoutedEnrollment:
    @pytest.mark.parametrize(("things", "kept", "status"), SEQUENCES)
    def test_follows_its_money(self, stripe: SandboxProcess, things: list[Any], kept: bool, status: str) -> None:
        decision = pay(stripe, ask_parent(InstanceFactory()))
        payment = Payment.objects.get()

        arrive(payment, *things, now=utc_now())

        enrollment = Enrollment.objects.get(pk=decision.enrollment_id)
        assert (enrollment.payment_status, enrollment.eligibility_status) == (
            status,
            "approved" if kept else "unenrolled",
        )
        assert breaches() == []


class TestTheDoctor:
    """Plants each disagreement of money and access, and names the row it is found at."""

    def found(self, name: str) -> list[str]:
        return [breach.row for breach in examine(now=utc_now() + SOON).get(name, [])]

    def test_finds_a_course_that_outlived_its_money(self) -> None:
        package = buy_on_rows(cohort_with(options=(1,)))
        Payment.objects.update(status="refunded", refunded_minor=4900)

        assert self.found("cohorts.packages_agree_with_their_money") == [f"package {package.pk}"]

    def test_finds_a_course_whose_enrollment_knows_nothing_of_a_partial_refund(self) -> None:
        package = buy_on_rows(cohort_with(options=(1,)))
        Payment.objects.update(status="partially_refunded", refunded_minor=900)

        assert self.found("cohorts.packages_agree_with_their_money") == [f"enrollment {package.enrollment_id}"]

    @pytest.mark.parametrize("status", ["paid", "partially_refunded", "disputed"])
    def test_finds_money_that_outlived_its_course(self, status: str) -> None:
        package = buy_on_rows(cohort_with(options=(1,)))
        StudentPackage.objects.update(revoked_at=utc_now())
        Payment.objects.update(status=status)

        assert self.found("cohorts.settled_payments_bought_something") == [f"payment {package.payment_id}"]

    def test_takes_a_partial_refund_for_no_answer_to_money_that_bought_nothing(self) -> None:
        package = buy_on_rows(cohort_with(options=(1,)))
        assert package.payment is not None
        arrive(package.payment, PART, now=utc_now())
        StudentPackage.objects.update(revoked_at=utc_now())

        assert self.found("cohorts.settled_payments_bought_something") == [f"payment {package.payment_id}"]

    def test_finds_a_decision_that_outlived_its_money(self, stripe: SandboxProcess) -> None:
        decision = pay(stripe, ask_parent(InstanceFactory()))
        Payment.objects.update(status="refunded", refunded_minor=4900)

        assert self.found("enrollments.decisions_agree_with_their_money") == [f"decision {decision.pk}"]

    def test_finds_an_enrollment_that_claims_a_refund_its_payment_has_not(self, stripe: SandboxProcess) -> None:
        decision = pay(stripe, ask_parent(InstanceFactory()))
        Enrollment.objects.update(payment_status="partially_refunded")

        assert self.found("enrollments.decisions_agree_with_their_money") == [f"enrollment {decision.enrollment_id}"]
