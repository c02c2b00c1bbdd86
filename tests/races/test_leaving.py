"""A family confirms a quote twice, while staff refund, and while staff end the enrollment: there is one outcome."""

import pytest

from billing.models import Refund
from billing.refunds import request_refund
from billing.states import RefundReason
from cohorts.models import Cohort, StudentPackage
from cohorts.tests.factories import buy_on_rows, cohort_with
from cohorts.tests.test_leaving import HALF, confirm, quote, rule, statuses
from core.clock import utc_now
from enrollments.errors import QuoteOutdated
from enrollments.leaving import confirm as confirming
from enrollments.lifecycle import unenroll_enrollment
from enrollments.models import CancellationQuote
from enrollments.tests.factories import STAFF
from operations.doctor import examine
from tests.processes import Failure, at_once

from .attempts import four_times_in_walks

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def package() -> StudentPackage:
    cohort: Cohort = cohort_with(options=(1,))
    rule(cohort, HALF)
    return buy_on_rows(cohort)


def staff_refund(package: StudentPackage) -> int:
    assert package.payment_id is not None
    made = request_refund(
        payment_id=package.payment_id, amount_minor=500, reason=RefundReason.REQUESTED, actor=STAFF, now=utc_now()
    )
    return made.amount_minor


def unenroll(package: StudentPackage) -> str:
    return unenroll_enrollment(
        enrollment_id=package.enrollment_id, actor=STAFF, reason="Moved away", now=utc_now()
    ).eligibility_status


def press(made: CancellationQuote) -> str:
    confirm(made)
    return "left"


def codes(*answers: object) -> list[object]:
    return [answer.kind if isinstance(answer, Failure) else answer for answer in answers]


class TestTwoConfirmations:
    def test_send_the_money_back_once(self, package: StudentPackage) -> None:
        made = quote(package)

        answers = at_once(*[lambda: press(made)] * 3)

        assert codes(*answers) == ["left"] * 3
        assert Refund.objects.get().amount_minor == made.exits.get().returned_minor
        assert examine() == {}

    def test_without_the_claim_have_the_repeat_refused(
        self, package: StudentPackage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Control."""
        made = quote(package)
        monkeypatch.setattr(confirming, "_claim", lambda quote: True)
        confirm(made)

        with pytest.raises(QuoteOutdated):
            confirm(made)


class TestAConfirmationAgainstARefundByStaff:
    @four_times_in_walks
    def test_sends_back_what_was_shown_or_nothing(self, package: StudentPackage, attempt: int) -> None:
        made = quote(package)

        left, refunded = codes(*at_once(lambda: press(made), lambda: staff_refund(package)))

        assert refunded == 500
        order = list(Refund.objects.order_by("pk").values_list("amount_minor", flat=True))
        shown = made.exits.get().returned_minor
        assert (left, order) in (("left", [shown, 500]), ("QuoteOutdated", [500]))
        assert statuses(package) == ["unenrolled" if left == "left" else "approved"]
        assert examine() == {}

    def test_without_the_second_check_pays_back_more_than_the_policy_allows(
        self, package: StudentPackage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = quote(package)
        staff_refund(package)
        monkeypatch.setattr(confirming, "_refuse_outdated", lambda *args: None)

        confirm(made)

        shown = made.exits.get().returned_minor
        assert list(Refund.objects.order_by("pk").values_list("amount_minor", flat=True)) == [500, shown]


class TestAConfirmationAgainstAnEndByStaff:
    @four_times_in_walks
    def test_has_one_winner(self, package: StudentPackage, attempt: int) -> None:
        made = quote(package)

        left, ended = codes(*at_once(lambda: press(made), lambda: unenroll(package)))

        assert (left, ended) in (("left", "TransitionNotAllowed"), ("QuoteOutdated", "unenrolled"))
        assert Refund.objects.count() == (1 if left == "left" else 0)
        assert statuses(package) == ["unenrolled"]
        assert examine() == {}
