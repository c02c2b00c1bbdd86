"""Payments for places, racing with each other, with the clock, with people, and with the payer's own return."""

import json
from dataclasses import replace
from functools import partial
from typing import Any

import httpx
import pytest

from accounts.models import Learner
from accounts.tests.factories import LearnerFactory
from billing import refunds
from billing.checkout import cancel_checkout, record_session, settle_checkout
from billing.gateways.stripe import get_gateway
from billing.inbox import handle_event
from billing.models import Checkout, Payment, Price, Refund
from billing.refunds import record_refunds, request_refund, submit_due_refunds
from billing.states import RefundReason
from billing.tests.stripe_world import StripeWorld, post_signed
from cohorts.course.scheduling import schedule_cohort
from cohorts.models import ClassSession, Cohort, StudentPackage
from cohorts.sale import checkout, opening
from cohorts.sale.opening import change_capacity
from cohorts.tests.callers import Family, student_of
from cohorts.tests.factories import CohortFactory, buy, cohort_with, start
from cohorts.tests.places import counts
from core.clock import utc_now
from core.errors import DomainError
from enrollments.tests.factories import STAFF, InstanceFactory
from events.models import OutboxEvent
from operations.doctor import examine
from sandbox.testing import SandboxProcess
from tests.constraints import without_constraints
from tests.ledger import differences, net
from tests.processes import Failure, Meeting, at_once
from tests.sweeps import SOON, sweep

from .attempts import four_times_in_walks

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]


def press_pay(url: str) -> int:
    return httpx.post(f"{url}/pay", data={"card": "ok"}, trust_env=False).status_code


def pass_an_hour(stripe: SandboxProcess) -> int:
    body = {"seconds": 3600}
    return httpx.post(f"{stripe.url}/_sandbox/clock/advance", json=body, trust_env=False).status_code


def settled(checkout_id: int) -> str:
    return settle_checkout(checkout_id=checkout_id, now=utc_now()).status


class TestOnePayment:
    def test_told_twice_at_once_makes_one_package(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with(options=(1, 2))
        opened = start(cohort)
        stripe.pay(opened.url)

        at_once(*[partial(settled, opened.pk)] * 4)

        assert StudentPackage.objects.count() == 1
        assert counts(cohort) == (1, 0)
        assert sum(ClassSession.objects.values_list("booked_count", flat=True)) == 1
        assert OutboxEvent.objects.filter(type="package.created").count() == 1
        assert differences(stripe) == set()
        assert examine() == {}

    @four_times_in_walks
    def test_against_expiry_ends_in_one_way(self, stripe: SandboxProcess, attempt: int) -> None:
        cohort = cohort_with(max_enrollment=1)
        opened = start(cohort)

        at_once(partial(press_pay, opened.url), partial(pass_an_hour, stripe), *[partial(settled, opened.pk)] * 2)
        settle_checkout(checkout_id=opened.pk, now=utc_now())

        paid = net(stripe) == 4900
        assert counts(cohort) == ((1, 0) if paid else (0, 0))
        assert StudentPackage.objects.count() == Payment.objects.count() == int(paid)
        assert differences(stripe) == set()
        assert examine() == {}

    @four_times_in_walks
    def test_against_cancelling_ends_in_one_way(self, stripe: SandboxProcess, attempt: int) -> None:
        cohort = cohort_with(max_enrollment=1)
        opened = start(cohort)

        at_once(partial(press_pay, opened.url), lambda: cancel_checkout(checkout_id=opened.pk, now=utc_now()).status)
        settle_checkout(checkout_id=opened.pk, now=utc_now())

        paid = net(stripe) == 4900
        assert counts(cohort) == ((1, 0) if paid else (0, 0))
        assert StudentPackage.objects.count() == int(paid)
        assert differences(stripe) == set()
        assert examine() == {}

    def test_against_a_change_of_the_cohort_keeps_the_place_that_was_held(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with(max_enrollment=5)
        opened = [start(cohort) for _ in range(3)]
        for one in opened:
            stripe.pay(one.url)

        at_once(
            *[partial(settled, one.pk) for one in opened],
            *[partial(lower, cohort, capacity) for capacity in (0, 1, 2, 3)],
            lambda: Cohort.objects.filter(pk=cohort.pk).update(is_active=False),
        )

        cohort.refresh_from_db()
        assert (cohort.current_enrollment, cohort.max_enrollment) == (3, 3)
        assert StudentPackage.objects.count() == 3
        assert differences(stripe) == set()
        assert examine() == {}

    def test_refunded_twice_at_once_revokes_once(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with(options=(1, 2))
        package = buy(stripe, cohort)
        assert package.payment_id is not None
        request_refund(
            payment_id=package.payment_id, amount_minor=None, reason=RefundReason.REQUESTED, actor=STAFF, now=utc_now()
        )

        at_once(*[lambda: submit_due_refunds(now=utc_now() + SOON)] * 3)

        assert Refund.objects.get().status == "succeeded"
        assert counts(cohort) == (0, 0)
        assert OutboxEvent.objects.filter(type="package.revoked").count() == 1
        assert net(stripe) == 0
        assert differences(stripe) == set()
        assert examine() == {}


def lower(cohort: Cohort, capacity: int) -> str:
    try:
        change_capacity(cohort_id=cohort.pk, max_enrollment=capacity, now=utc_now())
    except DomainError as refusal:
        return refusal.code
    return "changed"


class TestTwoPaymentsForOneCourse:
    def test_at_once_leave_one_package_and_send_one_back(
        self, stripe: SandboxProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Two cohorts of one course, with the first checkout not given up: what a slow browser tab can do."""
        first = cohort_with(options=(1,))
        second = CohortFactory(instance=first.instance)
        schedule_cohort(cohort_id=second.pk)
        learner = LearnerFactory(workspace=first.instance.workspace)
        monkeypatch.setattr(checkout, "_give_up_others", lambda *_: None)
        opened = [start(first, learner), start(second, learner)]
        for one in opened:
            stripe.pay(one.url)

        at_once(*[partial(settled, one.pk) for one in opened])
        submit_due_refunds(now=utc_now() + SOON)

        assert StudentPackage.objects.filter(revoked_at=None).count() == 1
        assert Refund.objects.get().reason == RefundReason.DUPLICATE
        assert net(stripe) == 4900
        assert differences(stripe) == set()
        assert sorted([counts(first), counts(second)]) == [(0, 0), (1, 0)]
        assert examine() == {}

    @four_times_in_walks
    def test_of_two_terms_leave_one_package_too(self, stripe: SandboxProcess, attempt: int) -> None:
        """The enrollments differ, so that less is locked in common."""
        first = cohort_with(options=(1,))
        program = first.instance.program
        next_term = InstanceFactory(workspace=program.workspace, program=program, is_default=False)
        second = CohortFactory(instance=next_term)
        schedule_cohort(cohort_id=second.pk)
        learner = LearnerFactory(workspace=program.workspace)
        opened = [start(first, learner), start(second, learner)]
        for one in opened:
            stripe.pay(one.url)

        at_once(*[partial(settled, one.pk) for one in opened])
        sweep()  # settles those that the database may have had to refuse
        sweep()

        assert StudentPackage.objects.filter(revoked_at=None).count() == 1
        assert Refund.objects.values_list("reason", "status").get() == (RefundReason.DUPLICATE, "succeeded")
        assert differences(stripe) == set()
        assert sorted([counts(first), counts(second)]) == [(0, 0), (1, 0)]
        assert examine(now=utc_now() + SOON) == {}


class TestTheWebhookAndThePayersReturn:
    """Either may be first; here both arrive at once, with the sweep besides."""

    @four_times_in_walks
    def test_at_once_make_one_package(self, stripe: SandboxProcess, attempt: int) -> None:
        cohort = cohort_with(options=(1, 2))
        family, learner = student_of(cohort.instance.workspace)
        opened = start(cohort, learner)
        stripe.pay(opened.url)
        event = StripeWorld(stripe).event("checkout.session.completed")

        returned, *_ = at_once(partial(self.come_back, family, opened), *[partial(self.deliver, event)] * 2, sweep)

        assert returned in [200, 202]
        assert family.get(f"/api/enrollment/session/{opened.stripe_session_id}").status_code == 200
        assert counts(cohort) == (1, 0)
        assert differences(stripe) == set()
        assert examine(now=utc_now() + SOON) == {}

    def come_back(self, family: Family, opened: Checkout) -> int:
        return int(family.get(f"/api/enrollment/session/{opened.stripe_session_id}").status_code)

    def deliver(self, event: dict[str, Any]) -> int:
        status = post_signed(json.dumps(event).encode()).status_code
        handle_event(event_id=event["id"], now=utc_now())
        return int(status)


class TestWithoutItsGuard:
    """Controls: how each race for money ends once the guard is removed."""

    def test_a_place_that_expired_by_our_clock_is_freed_during_its_payment(self, stripe: SandboxProcess) -> None:
        """The guard: Stripe is asked before a place is freed."""
        cohort = cohort_with(max_enrollment=1)
        opened = start(cohort)
        stripe.pay(opened.url)

        self.end_without_asking(opened)

        assert counts(cohort) == (0, 0)
        assert net(stripe) == 4900
        assert differences(stripe) != set()

    def test_a_place_given_up_without_telling_stripe_is_sold_twice(self, stripe: SandboxProcess) -> None:
        """The guard: a session is ended at Stripe before its place is free."""
        cohort = cohort_with(max_enrollment=1)
        opened = start(cohort)
        self.end_without_asking(opened)
        buy(stripe, cohort)

        paid = stripe.pay(opened.url).status_code
        settle_checkout(checkout_id=opened.pk, now=utc_now())

        assert paid == 303
        assert stripe.ledger()["totals"]["usd"]["captured"] == 9800
        assert Refund.objects.get().reason == RefundReason.PLACE_LOST

    def end_without_asking(self, opened: Checkout) -> None:
        session = get_gateway().retrieve_session(opened.stripe_session_id or "")
        record_session(checkout_id=opened.pk, session=replace(session, status="expired"), now=utc_now())

    def test_a_cohort_reduced_below_its_held_places_is_oversold(
        self, stripe: SandboxProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The guards: the condition of the change, and the constraint behind it."""

        def resize(*, cohort_id: int, max_enrollment: int) -> None:
            Cohort.objects.filter(pk=cohort_id).update(max_enrollment=max_enrollment)

        monkeypatch.setattr(opening, "resize", resize)
        with without_constraints((Cohort, "cohort_never_oversold")):
            cohort = cohort_with(max_enrollment=2)
            opened = start(cohort)

            change_capacity(cohort_id=cohort.pk, max_enrollment=0, now=utc_now())
            stripe.pay(opened.url)
            settle_checkout(checkout_id=opened.pk, now=utc_now())

            assert counts(cohort) == (1, 0)
            assert "cohorts.place_counters_equal_their_holders" in examine()

    def test_a_refund_told_twice_at_once_is_left_to_the_database_to_refuse(
        self, stripe: SandboxProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The guard: the lock on what was paid for, then on the payment."""
        package = buy(stripe, cohort_with(options=(1, 2)))
        payment = Payment.objects.get(pk=package.payment_id)
        StripeWorld(stripe).client.v1.refunds.create({"payment_intent": str(payment.payment_intent_id)})
        told = get_gateway().list_refunds(str(payment.payment_intent_id))
        look = Meeting(Payment.objects.select_related("checkout").get)
        monkeypatch.setattr(refunds, "lock_payment_with_subject", lambda pk: look(pk=pk))

        answers = at_once(*[lambda: record_refunds(payment_id=payment.pk, refunds=told, now=utc_now()).status] * 2)

        failed = [answer.kind for answer in answers if isinstance(answer, Failure)]
        assert failed == ["IntegrityError"]
        assert StudentPackage.objects.filter(revoked_at=None).count() == 0


class TestAPriceThatChanges:
    def test_makes_one_new_payment_page_for_two_clicks_at_once(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with(max_enrollment=1)
        learner = LearnerFactory(workspace=cohort.instance.workspace)
        start(cohort, learner)
        Price.objects.update(amount_minor=3900)

        urls = at_once(*[partial(start_url, cohort, learner)] * 4)

        assert set(urls) == {Checkout.objects.get(status="open").url}
        sessions = [(session["status"], session["amount"]) for session in stripe.ledger()["sessions"]]
        assert sessions == [("expired", 4900), ("open", 3900)]
        assert counts(cohort) == (0, 1)
        assert not list(examine())

    def test_is_honored_or_replaced_when_it_meets_a_payment(self, stripe: SandboxProcess) -> None:
        for _ in range(4):
            cohort = cohort_with()
            opened = start(cohort)
            Price.objects.update(amount_minor=opened.amount_minor - 100)

            at_once(partial(press_pay, opened.url), partial(settled, opened.pk))
            settled(opened.pk)

            replaced = Checkout.objects.filter(subject=opened.subject, status="open").count()
            assert Checkout.objects.get(pk=opened.pk).status == ("cancelled" if replaced else "paid")
            assert counts(cohort) == ((0, 1) if replaced else (1, 0))
        assert not list(examine())


def start_url(cohort: Cohort, learner: Learner) -> str:
    return start(cohort, learner).url
