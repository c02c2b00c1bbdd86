"""A family requests a refund for something that is over, and unconfirmed quotes are deleted."""

import datetime as dt

import pytest
from django.core import mail
from django.db.models import F
from django.urls import reverse

from accounts.models import StaffTask
from accounts.staff_tasks import raise_staff_task, settle_staff_task
from accounts.states import Role
from backoffice.tests.staff_client import StaffClient
from billing.models import Payment, Refund
from billing.task_kinds import PAYMENT_MISMATCH
from cohorts.models import Cohort, StudentPackage
from core.clock import utc_now
from enrollments.leaving import ask_for_refund, can_ask, forget_quotes, has_asked
from enrollments.lifecycle import unenroll_enrollment
from enrollments.models import CancellationQuote, Enrollment
from enrollments.task_kinds import REFUND_ASKED
from enrollments.tests.factories import STAFF, CandidateFactory, approved_enrollment
from notifications.sending import send_due_notifications

from .browsing import child_of, page_of, signed_in, text
from .factories import buy_on_rows, cohort_with
from .test_leaving import HALF, confirm, quote, rule

pytestmark = pytest.mark.django_db


@pytest.fixture
def cohort() -> Cohort:
    made = cohort_with(options=(1,))
    rule(made, HALF)
    return made


def refund_url(package: StudentPackage) -> str:
    return reverse("ask-refund", args=[package.enrollment.cuid])


class TestAFamily:
    def test_asks_once_for_what_is_over(self, cohort: Cohort) -> None:
        package = buy_on_rows(cohort, child_of(cohort))
        client, _ = signed_in()
        unenroll_enrollment(enrollment_id=package.enrollment_id, actor=STAFF, reason="Moved", now=utc_now())

        asked = page_of(client, package)
        refused = client.post(refund_url(package), {"wish": "no such"})
        before = StaffTask.objects.filter(kind="refund_asked").count()
        told = text(client.post(refund_url(package), {"wish": "not_held"}, follow=True))
        client.post(refund_url(package), {"wish": "twice"})

        assert f'href="{refund_url(package)}"' in asked
        assert (refused.status_code, before) == (422, 0)
        assert "You asked for a refund." in told
        task = StaffTask.objects.get(kind="refund_asked")
        assert task.summary.endswith("asks for a refund: classes did not take place.")
        assert "There is nothing more to do." in text(client.get(refund_url(package)))

    def test_can_ask_while_money_of_theirs_is_here_that_no_quote_covers(self, cohort: Cohort) -> None:
        over, going_on = buy_on_rows(cohort).enrollment, buy_on_rows(cohort).enrollment
        unenroll_enrollment(enrollment_id=over.pk, actor=STAFF, reason="Moved", now=utc_now())
        unpaid = approved_enrollment(CandidateFactory())
        unenroll_enrollment(enrollment_id=unpaid.pk, actor=STAFF, reason="Moved", now=utc_now())

        answers = [can_ask(enrollment, now=utc_now()) for enrollment in (over, going_on, unpaid)]
        Payment.objects.update(status="refunded", refunded_minor=F("amount_minor"))

        assert answers == [True, False, False]
        assert not can_ask(over, now=utc_now())

    def test_has_asked_until_staff_have_answered(self, cohort: Cohort) -> None:
        over, beside = buy_on_rows(cohort).enrollment, buy_on_rows(cohort).enrollment
        unenroll_enrollment(enrollment_id=over.pk, actor=STAFF, reason="Moved", now=utc_now())
        raise_staff_task(
            workspace_id=over.workspace_id, kind=PAYMENT_MISMATCH, subject=f"enrollment:{beside.pk}", summary="Look"
        )

        task = ask_for_refund(enrollment_id=over.pk, wish="twice", actor=STAFF, now=utc_now())
        asked = [has_asked(over), has_asked(beside)]
        settle_staff_task(kind=REFUND_ASKED, subject=task.subject, resolution="Refunded", now=utc_now())

        assert asked == [True, False]
        assert not has_asked(over)

    def test_is_led_to_a_quote_by_what_goes_on(self, cohort: Cohort) -> None:
        package = buy_on_rows(cohort, child_of(cohort))
        client, _ = signed_in()

        answer = client.post(refund_url(package), {"wish": "not_held"})

        assert answer["Location"] == reverse("leave", args=[package.enrollment.cuid])
        assert not StaffTask.objects.filter(kind="refund_asked").exists()

    def test_reads_the_quoted_amount_in_the_mail_about_the_end(self, cohort: Cohort) -> None:
        package = buy_on_rows(cohort, child_of(cohort))
        line = quote(package).exits.get()

        confirm(line.quote)
        send_due_notifications(now=utc_now())

        (told,) = [message.body for message in mail.outbox if "no longer enrolled" in message.subject]
        assert f"By the refund rules, {line.returned} goes back to the person who paid." in told


class TestAnUnconfirmedQuote:
    @pytest.mark.sqlite
    def test_is_deleted_a_day_after_its_end_and_a_confirmed_one_stays(self, cohort: Cohort) -> None:
        confirmed = quote(buy_on_rows(cohort))
        confirm(confirmed)
        unconfirmed = quote(buy_on_rows(cohort))

        soon = forget_quotes(now=unconfirmed.expires_at + dt.timedelta(hours=23))
        later = forget_quotes(now=unconfirmed.expires_at + dt.timedelta(hours=25))

        assert (soon, later) == (0, 1)
        assert CancellationQuote.objects.get() == confirmed


class TestStaff:
    def test_end_by_what_the_preview_told_or_not_at_all(self, cohort: Cohort) -> None:
        enrollment = buy_on_rows(cohort, child_of(cohort)).enrollment
        admin = StaffClient(workspace=enrollment.workspace, role=Role.ADMIN)
        page = reverse("admin:enrollments_enrollment_change", args=[enrollment.pk])
        button = reverse("admin:enrollments_enrollment_end_by_quote", args=[enrollment.pk])
        answers = {"reason": "The family moves", "note": ""}

        told = admin.post(button, answers)
        shown = text(told)
        outdated = text(admin.confirm(button, {**answers, "told": "by_rule|1|4900|0|4900||False"}))
        before = Enrollment.objects.get(pk=enrollment.pk).eligibility_status
        admin.confirm(button, {**answers, "told": told.context["form"]["told"].value()})

        assert f"{enrollment.learner}, {enrollment.instance}" in text(admin.get(page))
        assert "Of 49.00 USD, 23.50 USD is refunded by the refund policy, and 25.50 USD is kept." in shown
        assert ("has changed" in outdated, before) == (True, "approved")
        assert Enrollment.objects.get(pk=enrollment.pk).eligibility_status == "unenrolled"
        refund = Refund.objects.get()
        assert (refund.amount_minor, refund.quoted_exit.quote.actor) == (2350, f"user:{admin.user.pk}")
        assert not StaffTask.objects.exists()
