"""The pages by which families leave a course."""

import pytest
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse

from accounts.models import StaffTask
from billing.models import Refund
from billing.refund_policy import RefundTier
from cohorts.models import Cohort, StudentPackage
from cohorts.tests.browsing import child_of, page_of, signed_in, text
from enrollments.models import CancellationQuote, Enrollment

from .factories import buy_on_rows, cohort_with
from .test_leaving import HALF, rule

pytestmark = pytest.mark.django_db


@pytest.fixture
def cohort() -> Cohort:
    made = cohort_with(options=(1,))
    rule(made, HALF)
    return made


@pytest.fixture
def client() -> Client:
    return signed_in()[0]


def leave_url(package: StudentPackage) -> str:
    return reverse("leave", args=[package.enrollment.cuid])


def ask(client: Client, *packages: StudentPackage) -> str:
    """Return the URL of the quote."""
    answer = client.post(leave_url(packages[0]), {"enrollment": [each.enrollment.cuid for each in packages]})
    assert answer.status_code == 302
    return str(answer["Location"])


class TestLeaving:
    def test_begins_at_the_course_with_the_children_to_choose_from(self, client: Client, cohort: Cohort) -> None:
        ana = buy_on_rows(cohort, child_of(cohort, "Ana"))
        buy_on_rows(cohort, child_of(cohort, "Ben"))
        buy_on_rows(cohort)

        assert leave_url(ana) in page_of(client, ana)
        page = text(client.get(leave_url(ana)))

        assert page.count('type="checkbox"') == 2
        assert page.count(" checked") == 1

    def test_shows_what_comes_back_per_child_then_does_it(self, client: Client, cohort: Cohort) -> None:
        ana = buy_on_rows(cohort, child_of(cohort, "Ana"))
        ben = buy_on_rows(cohort, child_of(cohort, "Ben"))

        quote = ask(client, ana, ben)
        page = text(client.get(quote))
        line = CancellationQuote.objects.get().exits.first()
        assert line is not None
        assert page.count(f"<strong>{line.returned}</strong>") == 2
        assert page.count("1 booked class is canceled.") == 2
        done = text(client.post(quote, {"note": "We are moving."}, follow=True))

        assert "That is done" in done
        assert "Banks take 5 to 10 days" in done
        assert Refund.objects.count() == 2
        assert [each.eligibility_status for each in Enrollment.objects.all()] == ["unenrolled", "unenrolled"]

    def test_says_that_staff_decide_where_no_rule_does(self, client: Client) -> None:
        cohort = cohort_with(options=(1,))
        package = buy_on_rows(cohort, child_of(cohort))

        quote = ask(client, package)
        assert "No rule says what comes back." in text(client.get(quote))
        client.post(quote)

        assert StaffTask.objects.get().kind == "refund_to_decide"

    def test_after_its_time_asks_to_look_again(self, client: Client, cohort: Cohort) -> None:
        package = buy_on_rows(cohort, child_of(cohort))
        quote = ask(client, package)
        CancellationQuote.objects.update(expires_at=Now())

        answer = client.post(quote)

        assert answer.status_code == 409
        assert "This no longer holds" in text(answer)
        assert leave_url(package) in text(answer)
        assert not Refund.objects.exists()

    def test_after_a_change_asks_to_look_again(self, client: Client, cohort: Cohort) -> None:
        package = buy_on_rows(cohort, child_of(cohort))
        first, second = ask(client, package), ask(client, package)
        client.post(first)

        answer = client.post(second)

        assert answer.status_code == 409
        assert "Something has changed since this quote was made" in text(answer)
        assert Refund.objects.count() == 1

    def test_needs_somebody_who_leaves(self, client: Client, cohort: Cohort) -> None:
        package = buy_on_rows(cohort, child_of(cohort))

        answer = client.post(leave_url(package))

        assert answer.status_code == 422
        assert "Choose at least one." in text(answer)

    def test_is_not_there_for_another_family(self, client: Client, cohort: Cohort) -> None:
        ours = buy_on_rows(cohort, child_of(cohort))
        theirs = buy_on_rows(cohort, child_of(cohort, "Tom", "other@families.test"))
        quote = ask(client, ours)
        other, _ = signed_in("other@families.test")

        assert other.get(leave_url(ours)).status_code == 404
        assert other.get(quote).status_code == 404
        assert other.post(quote).status_code == 404
        both = client.post(leave_url(ours), {"enrollment": [ours.enrollment.cuid, theirs.enrollment.cuid]})
        assert [each.enrollment for each in CancellationQuote.objects.latest("pk").exits.all()] == [ours.enrollment]
        assert both.status_code == 302


class TestBeforeBuying:
    def test_a_course_tells_what_comes_back(self, client: Client) -> None:
        cohort = cohort_with(options=(1, 2))
        url = reverse("course", args=[cohort.instance.program.code])
        assert "The program decides what comes back when somebody leaves." in text(client.get(url))

        rule(cohort, RefundTier(days_before_start=0, kept_percent=20))

        assert "all comes back but 20%." in text(client.get(url))
        enroll = reverse("course-enroll", args=[cohort.instance.program.code, cohort.pk])
        assert "all comes back but 20%." in text(client.get(enroll))
