import pytest
from django.urls import reverse

from accounts.states import Role
from backoffice.tests.staff_client import StaffClient, foreseen
from billing.mismatches import look_for_mismatches, repair_mismatch
from billing.models import Mismatch, Payment, Refund
from cohorts.models import StudentPackage
from core.actors import Actor
from core.clock import utc_now

from .factories import buy_on_rows, cohort_with

pytestmark = pytest.mark.django_db


def repaired(package: StudentPackage) -> str:
    """Return the kind of the mismatch that is repaired."""
    look_for_mismatches(workspace_id=package.learner.workspace_id, now=utc_now())
    mismatch = Mismatch.objects.exclude(kind="wrongly_invoiced").get()
    repair_mismatch(mismatch_id=mismatch.pk, actor=Actor("user", 7), user=None, note="Month end", now=utc_now())
    assert Mismatch.objects.get(pk=mismatch.pk).settled_at is not None
    return str(mismatch.kind)


@pytest.fixture
def package() -> StudentPackage:
    return buy_on_rows(cohort_with(options=(1,), max_enrollment=2))


class TestAMismatch:
    def test_of_a_payment_that_brought_no_place_sends_it_back(self, package: StudentPackage) -> None:
        StudentPackage.objects.filter(pk=package.pk).update(payment=None)

        assert repaired(package) == "paid_without_place"
        assert Refund.objects.get().payment_id == package.payment_id

    def test_of_a_package_whose_money_is_back_takes_it_back(self, package: StudentPackage) -> None:
        Payment.objects.filter(pk=package.payment_id).update(status="refunded")

        assert repaired(package) == "package_without_payment"
        assert StudentPackage.objects.get().revoked_at is not None

    def test_of_a_package_whose_money_is_back_tells_who_loses_what(self, package: StudentPackage) -> None:
        other = buy_on_rows(package.cohort)
        Payment.objects.filter(pk=package.payment_id).update(status="refunded")
        look_for_mismatches(workspace_id=package.learner.workspace_id, now=utc_now())
        mismatch = Mismatch.objects.get(kind="package_without_payment")
        finance = StaffClient(workspace=package.learner.workspace, role=Role.FINANCE)

        told = foreseen(
            finance.post(reverse("admin:billing_mismatch_repair", args=[mismatch.pk]), {"note": "Month end"})
        )

        who = f"{package.learner} loses {package.name}"
        assert told[0] == f"{who}: its sessions and its place are free, and whoever waits is offered the place."
        assert not StudentPackage.objects.filter(revoked_at__isnull=False).exists()
        assert other.learner != package.learner
