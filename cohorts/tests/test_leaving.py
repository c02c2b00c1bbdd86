"""Leaving a course by a quote: exactly what was shown is refunded, and everything that was held is freed."""

import datetime as dt
from typing import Any

import pytest
from django.db.models.functions import Now

from accounts.models import Learner, StaffTask, Workspace
from accounts.tests.factories import LearnerFactory
from billing.models import Dispute, Payment, Price, Refund
from billing.refund_policy import RefundTier
from billing.refunds import request_refund
from billing.states import RefundReason
from cohorts.models import Cohort, StudentPackage
from cohorts.sale.transfer import move_package
from cohorts.sale.waitlist import join_waitlist
from core.actors import Actor
from core.clock import utc_now
from core.errors import Invalid, NotFound
from core.local_time import local_date
from enrollments.errors import CantLeave, QuoteOutdated, QuoteOver
from enrollments.leaving import confirm_quote, find_quote, is_open, quote_exits
from enrollments.models import CancellationQuote, Enrollment, QuotedExit
from enrollments.refund_rules import set_refund_policy

from .factories import CohortFactory, buy_on_rows, cohort_with

pytestmark = pytest.mark.django_db

FAMILY = Actor("user", 7)
HALF = RefundTier(days_before_start=0, kept_percent=50, kept_fee_minor=100)


def rule(cohort: Cohort, *tiers: RefundTier) -> None:
    instance = cohort.instance
    set_refund_policy(
        program=instance.program, instance=instance, tiers=tiers, currency="usd", actor=FAMILY, now=utc_now()
    )


def quote(*packages: StudentPackage) -> CancellationQuote:
    return quote_exits(
        workspace_id=packages[0].learner.workspace_id,
        enrollment_cuids=[package.enrollment.cuid for package in packages],
        actor=FAMILY,
        now=utc_now(),
    )


def confirm(made: CancellationQuote, **more: Any) -> CancellationQuote:
    told = {"workspace_id": None, "reason": "We are moving", "actor": FAMILY, "now": utc_now(), **more}
    return confirm_quote(cuid=made.cuid, **told)


def statuses(*packages: StudentPackage) -> list[str]:
    return [Enrollment.objects.get(packages=package).eligibility_status for package in packages]


@pytest.fixture
def cohort() -> Cohort:
    return cohort_with(options=(1, 2), max_enrollment=2)


@pytest.fixture
def workspace(cohort: Cohort) -> Workspace:
    return cohort.instance.workspace


class TestAQuote:
    def test_tells_for_each_child_what_comes_back_and_what_ends(self, cohort: Cohort) -> None:
        rule(cohort, HALF)
        ana, ben = buy_on_rows(cohort), buy_on_rows(cohort)

        made = quote(ana, ben)

        price = Payment.objects.get(pk=ana.payment_id).amount_minor
        kept = price // 2 + 100
        for line in made.exits.all():
            assert (line.settlement, line.place, line.sessions, line.frees_seat) == ("by_rule", cohort.name, 1, False)
            assert (line.paid_minor, line.back_minor) == (price, 0)
            assert (line.kept_minor, line.returned_minor) == (kept, price - kept)
        assert made.expires_at - made.created_at == dt.timedelta(minutes=15)
        assert is_open(made)
        assert statuses(ana, ben) == ["approved", "approved"]

    def test_leaves_the_money_to_staff_without_rules(self, cohort: Cohort) -> None:
        package = buy_on_rows(cohort)
        rule(cohort, HALF)  # too late for the earlier purchase

        (line,) = quote(package).exits.all()

        assert (line.settlement, line.returned_minor, line.kept_minor) == ("by_staff", 0, 0)

    def test_leaves_the_money_to_staff_while_a_bank_has_not_decided(self, cohort: Cohort) -> None:
        rule(cohort, HALF)
        package = buy_on_rows(cohort)
        contest(package)

        (line,) = quote(package).exits.all()
        Dispute.objects.update(status="won")
        (decided,) = quote(package).exits.all()

        assert (line.settlement, line.returned_minor) == ("by_staff", 0)
        assert decided.settlement == "by_rule"

    @pytest.mark.parametrize(
        ("tier", "settlement"), [(HALF, "by_staff"), (RefundTier(days_before_start=0, kept_percent=50), "by_rule")]
    )
    def test_leaves_the_money_to_staff_if_it_keeps_a_fee_in_another_currency(
        self, cohort: Cohort, tier: RefundTier, settlement: str
    ) -> None:
        rule(cohort, tier)
        Price.objects.update(currency="eur")

        (line,) = quote(buy_on_rows(Cohort.objects.get(pk=cohort.pk))).exits.all()

        assert line.settlement == settlement

    def test_counts_what_is_on_its_way_back(self, cohort: Cohort) -> None:
        rule(cohort, RefundTier(days_before_start=0))
        package = buy_on_rows(cohort)
        give_back(package, 1_000)

        (line,) = quote(package).exits.all()

        assert (line.back_minor, line.kept_minor) == (1_000, 0)
        assert line.returned_minor == line.paid_minor - 1_000

    def test_is_for_enrollments_that_can_be_left(self, cohort: Cohort, workspace: Workspace) -> None:
        package, completed = buy_on_rows(cohort), buy_on_rows(cohort)
        confirm(quote(package))
        Enrollment.objects.filter(packages=completed).update(participation_status="completed")

        for left in (package, completed):
            with pytest.raises(CantLeave):
                quote(left)
        with pytest.raises(NotFound):
            quote_exits(workspace_id=workspace.pk, enrollment_cuids=["c0"], actor=FAMILY, now=utc_now())
        with pytest.raises(Invalid):
            quote_exits(workspace_id=workspace.pk, enrollment_cuids=[], actor=FAMILY, now=utc_now())

    def test_is_nobody_elses(self, cohort: Cohort) -> None:
        made = quote(buy_on_rows(cohort))

        with pytest.raises(NotFound):
            find_quote(workspace_id=None, cuid=made.cuid, actor=Actor("user", 8))
        with pytest.raises(NotFound):
            find_quote(workspace_id=made.workspace_id + 1, cuid=made.cuid, actor=FAMILY)


class TestConfirming:
    @pytest.mark.sqlite
    def test_gives_back_just_what_was_shown_and_frees_all_that_was_held(self, cohort: Cohort) -> None:
        rule(cohort, HALF)
        ana, ben = buy_on_rows(cohort), buy_on_rows(cohort)
        made = quote(ana, ben)

        confirmed = confirm(made)

        assert confirmed.confirmed_at is not None
        shown = [line.returned_minor for line in made.exits.all()]
        assert [refund.amount_minor for refund in Refund.objects.order_by("pk")] == shown
        assert all(line.refund_id for line in QuotedExit.objects.all())
        assert statuses(ana, ben) == ["unenrolled", "unenrolled"]
        cohort.refresh_from_db()
        assert cohort.current_enrollment == 0
        assert not StaffTask.objects.exists()

    def test_offers_the_place_to_who_waits(self, cohort: Cohort, workspace: Workspace) -> None:
        rule(cohort, HALF)
        package, _ = buy_on_rows(cohort), buy_on_rows(cohort)
        waiting: Learner = LearnerFactory(workspace=workspace)
        entry = join_waitlist(learner_id=waiting.pk, cohort_id=cohort.pk, now=utc_now())

        confirm(quote(package))

        entry.refresh_from_db()
        assert entry.status == "offered"

    def test_twice_answers_as_before_and_refunds_once(self, cohort: Cohort) -> None:
        rule(cohort, HALF)
        made = quote(buy_on_rows(cohort))

        first = confirm(made)

        assert confirm(made).confirmed_at == first.confirmed_at
        assert Refund.objects.count() == 1

    def test_without_rules_asks_staff_about_the_money(self, cohort: Cohort) -> None:
        package = buy_on_rows(cohort)

        confirm(quote(package))

        assert StaffTask.objects.get().kind == "refund_to_decide"
        assert not Refund.objects.exists()
        assert statuses(package) == ["unenrolled"]

    def test_where_nothing_comes_back_sends_nothing_and_asks_nobody(self, cohort: Cohort) -> None:
        rule(cohort, RefundTier(days_before_start=3_000))
        package = buy_on_rows(cohort)

        confirm(quote(package))

        assert not Refund.objects.exists()
        assert not StaffTask.objects.exists()
        assert statuses(package) == ["unenrolled"]

    def test_after_its_time_does_nothing(self, cohort: Cohort) -> None:
        rule(cohort, HALF)
        package = buy_on_rows(cohort)
        made = quote(package)
        CancellationQuote.objects.filter(pk=made.pk).update(expires_at=Now())

        with pytest.raises(QuoteOver):
            confirm(made)

        assert nothing_happened(package)

    @pytest.mark.parametrize("what", ["refund", "dispute", "end", "transfer"])
    def test_after_something_it_tells_has_changed_does_nothing(self, cohort: Cohort, what: str) -> None:
        rule(cohort, HALF)
        ana, ben = buy_on_rows(cohort), buy_on_rows(cohort)
        made = quote(ana, ben)
        change(ben, what)
        refunds = Refund.objects.count()

        with pytest.raises(QuoteOutdated):
            confirm(made)

        assert statuses(ana) == ["approved"]
        assert Refund.objects.count() == refunds
        assert CancellationQuote.objects.get(pk=made.pk).confirmed_at is None

    def test_on_the_next_day_holds_the_rule_that_was_shown(self, cohort: Cohort) -> None:
        days_left = (cohort.start_date - local_date(utc_now(), cohort.instance.zone)).days
        rule(cohort, RefundTier(days_before_start=days_left), RefundTier(days_before_start=0, kept_percent=80))
        package = buy_on_rows(cohort)
        made = quote(package)
        (line,) = made.exits.all()
        assert line.kept_minor == 0

        confirm(made, now=utc_now() + dt.timedelta(days=1))

        assert Refund.objects.get().amount_minor == line.returned_minor

    def test_needs_a_reason(self, cohort: Cohort) -> None:
        package = buy_on_rows(cohort)
        made = quote(package)

        with pytest.raises(Invalid):
            confirm(made, reason=" ")

        assert nothing_happened(package)


def contest(package: StudentPackage) -> None:
    payment = Payment.objects.get(pk=package.payment_id)
    Dispute.objects.create(payment=payment, stripe_dispute_id=f"dp_{payment.pk}", amount_minor=100)


def give_back(package: StudentPackage, minor: int) -> None:
    assert package.payment_id is not None
    request_refund(
        payment_id=package.payment_id, amount_minor=minor, reason=RefundReason.REQUESTED, actor=FAMILY, now=utc_now()
    )


def change(package: StudentPackage, what: str) -> None:
    if what == "refund":
        give_back(package, 500)
    elif what == "dispute":
        contest(package)
    elif what == "end":
        confirm(quote(package))
    else:
        instance = package.cohort.instance
        other = CohortFactory(instance=instance, name="Another group")
        move_package(package_id=package.pk, cohort_id=other.pk, actor=FAMILY, now=utc_now())


def nothing_happened(package: StudentPackage) -> bool:
    package.refresh_from_db()
    return package.is_live and statuses(package) == ["approved"] and not Refund.objects.exists()
