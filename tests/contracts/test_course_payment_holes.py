"""The holes in selling cohort places in the first draft, one class each: a test that it is closed, and a control that
shows it open once its guard is removed. tests/races covers crowds.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from django.db import transaction

from accounts.models import Learner
from billing import inbox
from billing.gateways import stripe as gateway
from billing.gateways.contract import RefundRequest, SessionOutcome, SessionSnapshot
from billing.models import Checkout, Payment, Refund, StripeEvent
from billing.refunds import request_refund, submit_due_refunds, submit_refund
from billing.states import RefundReason
from billing.tests.stripe_world import StripeWorld, post_signed, signed
from cohorts.api.serializers.enrolling import ReturnAddressField
from cohorts.course.scheduling import schedule_cohort
from cohorts.models import Cohort, CohortPlace, StudentPackage
from cohorts.sale import checkout, fulfilment
from cohorts.tests.callers import fields, problem, student_of
from cohorts.tests.factories import CohortFactory, buy, cohort_with, start
from cohorts.tests.purchases import enroll_url, nothing_was_written
from core.clock import utc_now
from core.http.fields import TextField
from core.network import NetworkInsideTransaction
from enrollments.tests.factories import STAFF
from operations.doctor import examine
from sandbox.testing import SandboxProcess
from tests.constraints import without_constraints
from tests.ledger import net
from tests.processes import Failure, Meeting, at_once
from tests.sweeps import SOON

from . import first_draft

pytestmark = pytest.mark.django_db(transaction=True)

COMPLETED = "checkout.session.completed"


@pytest.fixture
def world(stripe: SandboxProcess) -> StripeWorld:
    """Stripe, which delivers webhooks to our endpoint when a test says so."""
    return StripeWorld(stripe)


def tell_completed(world: StripeWorld) -> None:
    """Let Stripe report every session that was completed so far."""
    world.tell(*world.events(COMPLETED))


def taken_and_held(cohort: Cohort) -> tuple[int, int]:
    return Cohort.objects.values_list("current_enrollment", "held_places").get(pk=cohort.pk)


class TestABadSignature:
    """Hole: the webhook logs that a signature is wrong and answers 200, so a mistyped secret loses every payment."""

    def deliver_with_a_wrong_secret(self, world: StripeWorld) -> int:
        world.pay(start(cohort_with()))
        raw = json.dumps(world.event(COMPLETED)).encode()
        return int(post_signed(raw, signature=signed(raw, secret="whsec_mistyped")).status_code)

    def test_is_answered_400_so_that_stripe_sends_it_again(self, world: StripeWorld) -> None:
        status = self.deliver_with_a_wrong_secret(world)

        assert status == 400
        assert StripeEvent.objects.count() == StudentPackage.objects.count() == 0

    def test_loses_no_payment_once_the_secret_is_right(self, stripe: SandboxProcess, live_server: Any) -> None:
        webhook = f"{live_server.url}/api/webhooks/stripe"
        stripe.send_webhooks_to(webhook, secret="whsec_mistyped")
        stripe.faults(webhooks="hold")
        stripe.pay(start(cohort_with()).url)
        refused = {delivery["status"] for delivery in stripe.flush()}

        stripe.send_webhooks_to(webhook)
        accepted = {delivery["status"] for delivery in stripe.wait_for_deliveries()}
        inbox.handle_due_events(now=utc_now() + SOON)

        assert (refused, accepted) == ({400}, {200})
        assert StudentPackage.objects.count() == 1

    def test_unchecked_would_let_anybody_in(self, world: StripeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(inbox, "verify_signature", lambda *_, **__: None)

        status = self.deliver_with_a_wrong_secret(world)

        assert status == 200
        assert StripeEvent.objects.count() == 1


class TestASessionThatIsCompletedButNotPaid:
    """Hole: payment_status is ignored, so a bank debit that may still be refused gives a course."""

    def test_brings_no_package_and_keeps_the_place_held(self, world: StripeWorld) -> None:
        cohort = cohort_with()
        world.pay(start(cohort), card="async")

        tell_completed(world)

        assert StudentPackage.objects.count() == 0
        assert taken_and_held(cohort) == (0, 1)
        assert Payment.objects.get().status == "pending"

    def test_believed_would_be_a_course_for_nothing(self, world: StripeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
        outcome = {"open": SessionOutcome.OPEN, "complete": SessionOutcome.PAID, "expired": SessionOutcome.EXPIRED}
        monkeypatch.setattr(SessionSnapshot, "outcome", property(lambda session: outcome[session.status]))
        opened = start(cohort_with())
        world.pay(opened, card="async")

        tell_completed(world)
        world.settle_debit(opened, outcome="failed")

        assert StudentPackage.objects.filter(revoked_at=None).count() == 1
        assert net(world.sandbox) == 0


@pytest.mark.race
class TestTwoDeliveriesAtOnce:
    """Hole: both look for a package, both find none, and both create one."""

    def deliver(self, body: dict[str, Any]) -> int:
        """Post to the webhook and handle what it stored, as web and worker do."""
        status = post_signed(json.dumps(body).encode()).status_code
        inbox.handle_event(event_id=body["id"], now=utc_now())
        return int(status)

    def test_of_one_event_make_one_package(self, world: StripeWorld) -> None:
        cohort = cohort_with()
        world.pay(start(cohort))
        event = world.event(COMPLETED)

        answers = at_once(*[partial(self.deliver, event)] * 4)

        assert answers == [200] * 4
        assert StudentPackage.objects.count() == StripeEvent.objects.count() == 1
        assert taken_and_held(cohort) == (1, 0)
        assert examine() == {}

    def test_of_two_events_about_one_payment_make_one_package(self, world: StripeWorld) -> None:
        cohort = cohort_with()
        opened = start(cohort)
        world.pay(opened, card="async")
        world.settle_debit(opened, outcome="succeeded")
        events = world.events(COMPLETED, "checkout.session.async_payment_succeeded")

        answers = at_once(*[partial(self.deliver, event) for event in events])

        assert answers == [200] * 2
        assert StudentPackage.objects.count() == 1
        assert StripeEvent.objects.exclude(handled_at=None).count() == 2
        assert examine() == {}

    def test_that_look_and_then_create_would_make_two(self, stripe: SandboxProcess) -> None:
        with without_constraints((StudentPackage, "package_one_live")):
            answers = self.look_and_create_at_once()

            assert answers == ["created", "created"]
            assert "cohorts.one_live_package_per_learner_and_program" in examine()

    def test_that_look_and_then_create_are_refused_by_the_database(self, stripe: SandboxProcess) -> None:
        answers = self.look_and_create_at_once()

        assert sorted(answer.kind if isinstance(answer, Failure) else answer for answer in answers) == [
            "IntegrityError",
            "created",
        ]
        assert StudentPackage.objects.count() == 1

    def look_and_create_at_once(self) -> list[Any]:
        place = CohortPlace.objects.select_related("learner").get(checkout=start(cohort_with()))
        look = Meeting(StudentPackage.objects.filter(learner=place.learner).exists)
        return at_once(*[partial(self.look_and_create, look, place.pk)] * 2)

    def look_and_create(self, look: Callable[[], bool], place_id: int) -> str:
        """The first draft's handler."""
        if look():
            return "already processed"
        first_draft.create_package(CohortPlace.objects.get(pk=place_id))
        return "created"


class TestASecondRealPayment:
    """Hole: somebody who already has the course and pays again in another tab gets neither a message nor a refund."""

    @pytest.fixture
    def pay_twice(self, world: StripeWorld) -> Callable[[], None]:
        """Open the payment pages of two cohorts of one course at once."""
        first = cohort_with()
        second = CohortFactory(instance=first.instance)
        schedule_cohort(cohort_id=second.pk)
        _, learner = student_of(first.instance.workspace)
        for opened in [start(first, learner), start(second, learner)]:
            world.pay(opened)

        def hear() -> None:
            tell_completed(world)
            submit_due_refunds(now=utc_now() + SOON)

        return hear

    def test_goes_back_in_full(self, pay_twice: Callable[[], None], stripe: SandboxProcess) -> None:
        pay_twice()

        assert StudentPackage.objects.count() == 1
        assert Refund.objects.values_list("reason", "status", "amount_minor").get() == ("duplicate", "succeeded", 4900)
        assert net(stripe) == 4900
        assert examine(now=utc_now() + SOON) == {}

    def test_that_nobody_sends_back_would_be_kept(
        self, pay_twice: Callable[[], None], stripe: SandboxProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(fulfilment, "_send_back", lambda *_: None)

        pay_twice()

        assert StudentPackage.objects.count() == 1
        assert net(stripe) == 9800
        assert "cohorts.settled_payments_bought_something" in examine(now=utc_now() + SOON)


class TestThePlaceWhilePaying:
    """Hole: nothing holds the place, so two people can be asked to pay for the last one."""

    def two_ask_for_the_last_place(self) -> list[Any]:
        cohort = cohort_with(max_enrollment=1)
        families = [student_of(cohort.instance.workspace, email=f"{name}@school.test")[0] for name in ("ann", "ben")]
        return [family.post(enroll_url(cohort)) for family in families]

    def test_is_held_so_the_next_is_refused_before_paying(self, stripe: SandboxProcess) -> None:
        first, second = self.two_ask_for_the_last_place()

        assert first.status_code == 200
        assert problem(second) == (400, "cohort_full")
        assert len(stripe.ledger()["sessions"]) == 1

    def test_unheld_would_be_sold_to_one_and_taken_from_the_other(
        self, world: StripeWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(checkout, "hold_place", self.hold_nothing)

        answers = self.two_ask_for_the_last_place()
        broken = examine()
        for opened in Checkout.objects.all():
            world.pay(opened)
        tell_completed(world)

        assert [answer.status_code for answer in answers] == [200, 200]
        assert "cohorts.live_checkouts_hold_a_place" in broken
        assert StudentPackage.objects.count() == 1
        assert Refund.objects.get().reason == RefundReason.PLACE_LOST

    def hold_nothing(self, *, cohort: Cohort, learner: Learner, now: Any, **_: Any) -> CohortPlace:
        return CohortPlace.objects.create(
            cohort=cohort, learner=learner, status="released", held_until=now, created_at=now
        )


class TestARefundInsideTheTransaction:
    """Hole: money is sent back while the transaction is open; if it is rolled back, nobody knows about the refund."""

    def refund_in_a_transaction_that_fails(self, stripe: SandboxProcess) -> None:
        refund = ask_for_refund(stripe, amount_minor=None)
        with transaction.atomic():
            submit_refund(refund_id=refund.pk, now=utc_now())
            raise ZeroDivisionError

    def test_is_impossible(self, stripe: SandboxProcess) -> None:
        with pytest.raises(NetworkInsideTransaction):
            self.refund_in_a_transaction_that_fails(stripe)

        assert stripe.ledger()["refunds"] == []
        assert Refund.objects.get().status == "requested"

    def test_is_a_wish_that_is_committed_before_stripe_hears_of_it(self, world: StripeWorld) -> None:
        cohort = cohort_with(max_enrollment=1)
        late = start(cohort)
        CohortPlace.objects.update(status="released")  # must never happen while the session can be paid
        Cohort.objects.update(held_places=0)
        buy(world.sandbox, cohort)
        world.pay(late)

        tell_completed(world)
        wish, asked_before = Refund.objects.get().status, world.sandbox.ledger()["refunds"]
        submit_due_refunds(now=utc_now() + SOON)

        assert (wish, asked_before) == ("requested", [])
        assert [refund["amount"] for refund in world.sandbox.ledger()["refunds"]] == [4900]
        assert net(world.sandbox) == 4900

    def test_allowed_would_send_money_that_is_recorded_nowhere(
        self, stripe: SandboxProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(gateway, "forbid_open_transaction", lambda: None)

        with pytest.raises(ZeroDivisionError):
            self.refund_in_a_transaction_that_fails(stripe)

        assert [refund["amount"] for refund in stripe.ledger()["refunds"]] == [4900]
        assert Payment.objects.get().refunded_minor == 0


class TestARefundWithoutAKey:
    """Hole: the answer is lost, the refund is retried, and the money goes back twice."""

    def submit_until_answered(self, stripe: SandboxProcess) -> list[int]:
        """Return what Stripe sent back after its first answer was lost."""
        refund = ask_for_refund(stripe, amount_minor=1000)
        stripe.faults(lost_answer={"value": "close", "times": 1, "path": "/v1/refunds"})
        assert submit_refund(refund_id=refund.pk, now=utc_now()).status == "requested"
        submit_refund(refund_id=refund.pk, now=utc_now())
        return [refund["amount"] for refund in stripe.ledger()["refunds"]]

    def test_is_impossible_so_a_retry_sends_nothing_more(self, stripe: SandboxProcess) -> None:
        sent = self.submit_until_answered(stripe)

        assert sent == [1000]
        assert Refund.objects.get().status == "succeeded"

    def test_would_be_sent_twice(self, stripe: SandboxProcess, monkeypatch: pytest.MonkeyPatch) -> None:
        submit, tries = gateway.StripeGateway.create_refund, iter("ab")

        def forget_the_key(self: gateway.StripeGateway, request: RefundRequest) -> Any:
            return submit(self, replace(request, reference=request.reference + next(tries)))

        monkeypatch.setattr(gateway.StripeGateway, "create_refund", forget_the_key)

        sent = self.submit_until_answered(stripe)

        assert sent == [1000, 1000]


class TestTheClientsSuccessUrl:
    """Hole: the request decides where the payer lands after paying."""

    ELSEWHERE = "https://evil.test/enter-your-card-again"

    def test_is_refused_if_it_leads_elsewhere(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        family, _ = student_of(cohort.instance.workspace)

        response = family.post(enroll_url(cohort), {"successUrl": self.ELSEWHERE})

        assert problem(response) == (422, "invalid")
        assert fields(response) == ["successUrl"]
        assert nothing_was_written()
        assert stripe.ledger()["sessions"] == []

    def test_believed_would_lead_payers_to_a_stranger(
        self, stripe: SandboxProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ReturnAddressField, "to_internal_value", TextField.to_internal_value)
        cohort = cohort_with()
        family, _ = student_of(cohort.instance.workspace)

        family.post(enroll_url(cohort), {"successUrl": self.ELSEWHERE})

        assert stripe.pay(Checkout.objects.get().url).headers["Location"] == self.ELSEWHERE


def ask_for_refund(stripe: SandboxProcess, *, amount_minor: int | None) -> Refund:
    package = buy(stripe, cohort_with())
    assert package.payment_id is not None
    return request_refund(
        payment_id=package.payment_id,
        amount_minor=amount_minor,
        reason=RefundReason.REQUESTED,
        actor=STAFF,
        now=utc_now(),
    )
