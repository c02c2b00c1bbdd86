"""A child may have any number of guardians: each sees the same and gets the mails. The payer sees the payment."""

import datetime as dt
from typing import Any

import pytest
from django.core import mail
from django.urls import reverse

from accounts.guardians import set_guardian_address
from accounts.models import Guardian
from accounts.tests.factories import GuardianFactory, GuardianshipFactory
from billing.models import Invoice
from cohorts.learning.calendar import open_feed
from cohorts.models import Cohort, StudentPackage
from cohorts.tests.callers import Family
from cohorts.tests.factories import buy_on_rows, cohort_with
from core.clock import utc_now
from enrollments.models import Enrollment
from notifications.sending import send_due_notifications

pytestmark = pytest.mark.django_db

MOTHER, FATHER = "mother@home.test", "father@home.test"
PAYER = "payer@example.test"  # who pays in `buy_on_rows`
EVERYTHING = {"enrollments", "course", "packages", "sessions", "calendar", "invoice"}


@pytest.fixture
def cohort() -> Cohort:
    return cohort_with(options=(1,), start_date=dt.date(2031, 1, 12), instance__program__title="Algebra")


@pytest.fixture
def package(cohort: Cohort) -> StudentPackage:
    """Return Ana's course: she has two guardians, and somebody else paid."""
    first = GuardianshipFactory(
        guardian__workspace=cohort.instance.workspace, guardian__email=MOTHER, learner__first_name="Ana"
    )
    second = GuardianFactory(workspace=cohort.instance.workspace, email=FATHER)
    GuardianshipFactory(guardian=second, learner=first.learner)
    return buy_on_rows(cohort, first.learner)


def seen_by(address: str) -> set[str]:
    """Return where this person finds Ana's course, or its documents."""
    person = Family(address)
    feed = open_feed(user=person.user)
    invoice = Invoice.objects.get()

    def names(path: str, **query: Any) -> bool:
        return "Algebra" in person.get(path, **query).content.decode()

    year = {"fromDate": "2031-01-01", "untilDate": "2031-12-31"}
    found = {
        "enrollments": "Ana" in person.get(reverse("my-enrollments")).content.decode(),
        "course": names(reverse("my-enrollment", args=[Enrollment.objects.get().cuid])),
        "packages": person.get("/api/students/me/course-packages").json() != [],
        "sessions": person.get("/api/students/me/course-sessions", **year).json() != [],
        "calendar": names(f"/calendar/{feed.token}.ics"),
        "invoice": person.get(f"/my/invoices/{invoice.cuid}.pdf").status_code == 200,
    }
    return {what for what, is_seen in found.items() if is_seen}


class TestTwoGuardiansOfOneChild:
    def test_both_see_everything(self, package: StudentPackage) -> None:
        assert seen_by(MOTHER) == seen_by(FATHER) == EVERYTHING

    def test_both_are_written_to(self, package: StudentPackage) -> None:
        send_due_notifications(now=utc_now())

        told = [message.to for message in mail.outbox if "enrolled" in message.subject]
        assert sorted(told) == [[FATHER], [MOTHER]]

    def test_one_who_is_removed_sees_nothing_from_then_on(self, package: StudentPackage) -> None:
        assert seen_by(FATHER) == EVERYTHING

        package.learner.guardianships.get(guardian__email=FATHER).delete()

        assert seen_by(FATHER) == set()
        assert seen_by(MOTHER) == EVERYTHING

    @pytest.mark.sqlite
    def test_one_whose_address_is_replaced_sees_nothing_from_then_on(self, package: StudentPackage) -> None:
        assert seen_by(FATHER) == EVERYTHING
        guardian = Guardian.objects.get(email=FATHER)

        set_guardian_address(guardian_id=guardian.pk, email="new@home.test", now=utc_now())

        assert seen_by(FATHER) == set()
        assert seen_by("new@home.test") == EVERYTHING


class TestAPayerWhoIsNoGuardian:
    def test_sees_the_payment_and_its_invoice_and_nothing_else(self, package: StudentPackage) -> None:
        shown = Family(PAYER).get(reverse("my-enrollments")).content.decode()

        # "My enrollments" shows what was paid, for whom by first name.
        assert seen_by(PAYER) == {"enrollments", "invoice"}
        assert package.learner.last_name not in shown
        assert package.learner.email not in shown

    def test_is_told_of_the_money_only(self, package: StudentPackage) -> None:
        send_due_notifications(now=utc_now())

        told = [message.subject for message in mail.outbox if message.to == [PAYER]]
        assert [subject for subject in told if "invoice" not in subject] == []
