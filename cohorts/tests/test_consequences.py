"""What staff are told before they act is what then happens: each deed is foreseen, done and compared."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from accounts.models import Learner, StaffTask
from accounts.tests.factories import LearnerFactory
from backoffice.previews import Preview
from billing.admin.payments import foresee_refund
from billing.models import Invoice, Payment, Refund
from billing.refunds import record_refunds, request_refund
from billing.states import RefundReason
from billing.tests.snapshots import refund as refunded_by_stripe
from cohorts.models import Cohort, StudentPackage, WaitlistEntry
from cohorts.sale.waitlist import join_waitlist
from cohorts.tests.factories import buy_on_rows, cohort_with
from core.clock import utc_now
from core.local_time import local_date
from enrollments.admin.exits import foresee_exit
from enrollments.admin.previews import foresee_deletion
from enrollments.deletion import delete_enrollment
from enrollments.lifecycle import unenroll_enrollment
from enrollments.tests.factories import STAFF

pytestmark = pytest.mark.django_db


def answers(**given: Any) -> Any:
    return SimpleNamespace(cleaned_data=given, is_later=False)


def unenroll(package: StudentPackage) -> Preview:
    today = local_date(utc_now(), package.enrollment.instance.zone)
    told = foresee_exit(package.enrollment, answers(effective_date=today, reason="Moves"))
    unenroll_enrollment(enrollment_id=package.enrollment_id, actor=STAFF, reason="Moves", now=utc_now())
    return told


def delete(package: StudentPackage) -> Preview:
    told = foresee_deletion(package.enrollment, answers())
    delete_enrollment(enrollment_id=package.enrollment_id, actor=STAFF, now=utc_now())
    return told


def refund(package: StudentPackage) -> Preview:
    payment = Payment.objects.get(pk=package.payment_id)
    told = foresee_refund(payment, answers(amount=payment.amount_minor, reason=RefundReason.REQUESTED))
    made = request_refund(
        payment_id=payment.pk, amount_minor=None, reason=RefundReason.REQUESTED, actor=STAFF, now=utc_now()
    )
    snapshot = replace(refunded_by_stripe(made.amount_minor), reference=made.reference)
    record_refunds(payment_id=payment.pk, refunds=[snapshot], now=utc_now())
    return told


def waiting(cohort: Cohort, **named: str) -> Learner:
    learner: Learner = LearnerFactory(workspace=cohort.instance.workspace, **named)
    join_waitlist(learner_id=learner.pk, cohort_id=cohort.pk, now=utc_now())
    return learner


@pytest.mark.parametrize("end", [unenroll, delete, refund])
class TestAnEnd:
    def test_frees_what_it_said_for_whom_it_said(self, end: Callable[[StudentPackage], Preview]) -> None:
        cohort = cohort_with(max_enrollment=1, name="Fall cohort", options=(1, 1))
        package = buy_on_rows(cohort)
        waiting(cohort, first_name="Ana", last_name="Ruiz")
        waiting(cohort, first_name="Ben", last_name="Ode")

        told = end(package)

        assert (
            "The place in Fall cohort is free again, and is offered to Ana Ruiz, who is next in line." in told.sentences
        )
        assert [str(each.learner) for each in WaitlistEntry.objects.filter(status="offered")] == ["Ana Ruiz"]
        given_back = package.progress.filter(status="CANCELLED").count()
        assert f"Booked sessions that are given back: {given_back}." in told.sentences
        _agrees_about_money(told)

    def test_offers_nothing_where_nobody_waits(self, end: Callable[[StudentPackage], Preview]) -> None:
        cohort = cohort_with(max_enrollment=1, name="Fall cohort")

        told = end(buy_on_rows(cohort))

        assert "The place in Fall cohort is free again; nobody waits for it." in told.sentences
        assert Cohort.objects.get().places_left == 1

    def test_offers_nothing_of_a_closed_cohort(self, end: Callable[[StudentPackage], Preview]) -> None:
        cohort = cohort_with(max_enrollment=1, name="Fall cohort")
        package = buy_on_rows(cohort)
        waiting(cohort)
        Cohort.objects.update(is_active=False)

        told = end(StudentPackage.objects.get(pk=package.pk))

        assert "The place in Fall cohort is free again, and as things stand it is offered to nobody." in told.sentences
        assert not WaitlistEntry.objects.filter(status="offered").exists()


def _agrees_about_money(told: Preview) -> None:
    """Either it went back, with a correction, or staff got a task."""
    said = " ".join(told.sentences)
    for made in Refund.objects.all():
        correction = Invoice.objects.get(corrects__isnull=False)
        assert f"{made.money} goes back to" in said
        assert f"A correction of invoice {correction.corrects.number} follows" in said
        assert correction.amount_minor == -made.amount_minor
    is_asked = StaffTask.objects.filter(kind="refund_to_decide").exists()
    assert is_asked == ("you get a task to decide what of the 49.00 USD" in said)
    assert is_asked != Refund.objects.exists()
