import datetime as dt
from typing import Any

import pytest

from accounts.models import StaffTask
from accounts.tests.factories import UserFactory
from billing import checkout, refunds
from billing.errors import PaymentNotRefundable, RefundExceedsPayment
from billing.gateways.stripe import get_gateway
from billing.models import Checkout, Payment, Refund
from billing.states import RefundReason
from core import retries
from core.actors import SYSTEM, Actor
from core.clock import utc_now
from core.errors import Invalid, NotFound
from events.models import OutboxEvent

from .factories import PaymentFactory
from .stripe_world import StripeWorld, published

pytestmark = pytest.mark.django_db
LATER = dt.timedelta(hours=2)


def ask(payment: Payment, amount_minor: int | None = None) -> Refund:
    return refunds.request_refund(
        payment_id=payment.pk, amount_minor=amount_minor, reason=RefundReason.REQUESTED, actor=SYSTEM, now=utc_now()
    )


def state(payment: Payment) -> tuple[str, int]:
    return Payment.objects.values_list("status", "refunded_minor").get(pk=payment.pk)


class TestRequestingARefund:
    def test_records_who_wants_what_and_why(self, world: StripeWorld) -> None:
        payment, user = world.paid(), UserFactory()

        refund = refunds.request_refund(
            payment_id=payment.pk,
            amount_minor=1000,
            reason=RefundReason.REQUESTED,
            actor=Actor("user", user.pk),
            note="moved away",
            user=user,
            now=utc_now(),
        )

        assert (refund.status, refund.amount_minor, refund.reason) == ("requested", 1000, "requested")
        assert (refund.actor, refund.requested_by, refund.note) == (f"user:{user.pk}", user, "moved away")
        assert state(payment) == ("paid", 0)

    def test_without_an_amount_is_of_all_that_is_left(self, world: StripeWorld) -> None:
        payment = world.paid()
        ask(payment, 1000)

        assert ask(payment).amount_minor == 3900

    @pytest.mark.parametrize("amount", [4901, 3901])
    def test_of_more_than_is_left_is_refused(self, world: StripeWorld, amount: int) -> None:
        payment = world.paid()
        ask(payment, 1000)

        with pytest.raises(RefundExceedsPayment, match=r"39\.00 USD"):
            ask(payment, amount)

        assert Refund.objects.count() == 1

    def test_twice_of_everything_is_refused(self, world: StripeWorld) -> None:
        payment = world.paid()
        ask(payment)

        with pytest.raises(RefundExceedsPayment):
            ask(payment)

    @pytest.mark.parametrize("amount", [0, -1])
    def test_of_nothing_is_refused(self, world: StripeWorld, amount: int) -> None:
        with pytest.raises(Invalid, match="amount_minor"):
            ask(world.paid(), amount)

        assert not Refund.objects.exists()

    def test_of_money_that_is_only_on_its_way_is_refused(self) -> None:
        with pytest.raises(PaymentNotRefundable, match="pending"):
            ask(PaymentFactory())

    def test_of_money_paid_outside_stripe_is_refused(self) -> None:
        with pytest.raises(PaymentNotRefundable, match="outside Stripe"):
            ask(PaymentFactory(method="offline", means="cash", recorded_by="system"))

    def test_of_no_payment_is_not_found(self) -> None:
        with pytest.raises(NotFound):
            refunds.request_refund(
                payment_id=0, amount_minor=None, reason=RefundReason.REQUESTED, actor=SYSTEM, now=utc_now()
            )


class TestSubmittingARefund:
    def test_of_everything_returns_the_payment(self, world: StripeWorld) -> None:
        payment = world.paid()

        refund = refunds.submit_refund(refund_id=ask(payment).pk, now=utc_now())

        assert (refund.status, refund.settled_at is not None) == ("succeeded", True)
        assert state(payment) == ("refunded", 4900)
        assert world.sandbox.ledger()["totals"]["usd"]["net"] == 0
        assert last_payload() | {"refundedMinor": 4900, "fully": True} == last_payload()

    def test_of_a_part_leaves_the_rest(self, world: StripeWorld) -> None:
        payment = world.paid()

        refunds.submit_refund(refund_id=ask(payment, 1000).pk, now=utc_now())

        assert state(payment) == ("partially_refunded", 1000)
        assert last_payload() | {"refundedMinor": 1000, "fully": False} == last_payload()

    def test_in_two_parts_adds_up_to_everything(self, world: StripeWorld) -> None:
        payment = world.paid()

        for amount in (1000, 3900):
            refunds.submit_refund(refund_id=ask(payment, amount).pk, now=utc_now())

        assert state(payment) == ("refunded", 4900)
        assert published() == ["payment.succeeded", "payment.refunded", "payment.refunded"]

    def test_again_sends_nothing_twice(self, world: StripeWorld) -> None:
        payment = world.paid()
        refund = ask(payment, 1000)

        for _ in range(3):
            refunds.submit_refund(refund_id=refund.pk, now=utc_now())

        assert len(world.sandbox.ledger()["refunds"]) == 1
        assert state(payment) == ("partially_refunded", 1000)

    @pytest.mark.parametrize("lost", ["close", "500"])
    def test_after_a_lost_answer_sends_nothing_twice(self, world: StripeWorld, lost: str) -> None:
        payment = world.paid()
        refund = ask(payment, 1000)
        world.sandbox.faults(lost_answer={"value": lost, "times": 1, "path": "/v1/refunds"})
        first = refunds.submit_refund(refund_id=refund.pk, now=utc_now())

        again = refunds.submit_refund(refund_id=refund.pk, now=utc_now())

        assert (first.status, first.attempts, again.status) == ("requested", 1, "succeeded")
        assert len(world.sandbox.ledger()["refunds"]) == 1

    def test_long_after_a_lost_answer_sends_nothing_twice(self, world: StripeWorld) -> None:
        payment = world.paid()
        refund = ask(payment, 1000)
        world.sandbox.faults(lost_answer={"value": "close", "times": 1, "path": "/v1/refunds"})
        refunds.submit_refund(refund_id=refund.pk, now=utc_now())
        world.sandbox.advance_clock(seconds=25 * 3600)  # Stripe has forgotten the idempotency key

        refunds.submit_refund(refund_id=refund.pk, now=utc_now() + dt.timedelta(hours=25))

        assert len(world.sandbox.ledger()["refunds"]) == 1
        assert state(payment) == ("partially_refunded", 1000)

    def test_while_stripe_is_down_waits_for_the_sweep(self, world: StripeWorld) -> None:
        payment = world.paid()
        refund = ask(payment)
        world.sandbox.faults(rate_limit={"retry_after": 30})
        waiting = refunds.submit_refund(refund_id=refund.pk, now=utc_now())
        world.sandbox.clear_faults()

        too_early = refunds.submit_due_refunds(now=utc_now())
        done = refunds.submit_due_refunds(now=waiting.next_attempt_at)

        assert waiting.next_attempt_at >= utc_now() + dt.timedelta(seconds=25)
        assert (too_early, done) == (0, 1)
        assert state(payment) == ("refunded", 4900)

    def test_twelve_times_in_vain_becomes_a_task_for_staff(self, world: StripeWorld) -> None:
        refund = ask(world.paid())
        world.sandbox.faults(server_error=True)

        for _ in range(12):
            refunds.submit_refund(refund_id=refund.pk, now=utc_now())

        assert list(StaffTask.objects.values_list("kind", "subject")) == [("refund_stuck", f"refund:{refund.pk}")]

    def test_that_another_worker_submits_meanwhile_is_no_task(
        self, world: StripeWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        refund = ask(world.paid())
        Refund.objects.update(attempts=refunds.RETRY.attempts - 1)
        world.sandbox.faults(server_error=True)
        record_failure = retries.record_failure

        def be_overtaken(*given: Any, **told: Any) -> bool:
            Refund.objects.update(status="canceled", settled_at=utc_now())
            return record_failure(*given, **told)

        monkeypatch.setattr(retries, "record_failure", be_overtaken)

        refunds.submit_refund(refund_id=refund.pk, now=utc_now())

        assert Refund.objects.get().attempts == refunds.RETRY.attempts - 1
        assert not StaffTask.objects.exists()

    def test_that_stripe_refuses_fails_and_becomes_a_task(self, world: StripeWorld) -> None:
        payment = world.paid()
        refund = ask(payment)
        world.client.v1.refunds.create({"payment_intent": str(payment.payment_intent_id)})

        refused = refunds.submit_refund(refund_id=refund.pk, now=utc_now())

        assert (refused.status, refused.failure_reason) == ("failed", "charge_already_refunded")
        assert list(StaffTask.objects.values_list("kind", "subject")) == [("refund_failed", f"refund:{refund.pk}")]
        assert state(payment) == ("paid", 0)

    def test_of_no_refund_is_not_found(self) -> None:
        with pytest.raises(NotFound):
            refunds.submit_refund(refund_id=0, now=utc_now())


class TestARefundThatTakesItsTime:
    def test_counts_only_once_it_arrived(self, world: StripeWorld) -> None:
        payment = world.paid()
        world.sandbox.faults(refunds="pending")
        refund = refunds.submit_refund(refund_id=ask(payment).pk, now=utc_now())
        before = state(payment)
        world.sandbox.settle_refund(str(refund.stripe_refund_id))

        world.tell(world.event("refund.updated"))

        assert (refund.status, before) == ("pending", ("paid", 0))
        assert state(payment) == ("refunded", 4900)

    def test_is_asked_about_by_the_sweep(self, world: StripeWorld) -> None:
        payment = world.paid()
        world.sandbox.faults(refunds="pending")
        refund = refunds.submit_refund(refund_id=ask(payment).pk, now=utc_now())
        world.sandbox.settle_refund(str(refund.stripe_refund_id))

        refunds.submit_due_refunds(now=refund.next_attempt_at)

        assert state(payment) == ("refunded", 4900)

    @pytest.mark.parametrize("arrived_first", [True, False])
    def test_and_fails_gives_the_payment_back_its_money(self, world: StripeWorld, arrived_first: bool) -> None:
        payment = world.paid()
        if not arrived_first:
            world.sandbox.faults(refunds="pending")
        refund = refunds.submit_refund(refund_id=ask(payment).pk, now=utc_now())
        world.sandbox.settle_refund(str(refund.stripe_refund_id), outcome="failed")

        world.tell(world.event("refund.failed"))

        refund = Refund.objects.get()
        assert (refund.status, refund.failure_reason) == ("failed", "expired_or_canceled_card")
        assert state(payment) == ("paid", 0)
        came_back = ["money_came_back"] if arrived_first else []
        assert sorted(StaffTask.objects.values_list("kind", flat=True)) == [*came_back, "refund_failed"]
        assert ask(payment).amount_minor == 4900

    def test_is_not_moved_back_by_an_older_answer(self, world: StripeWorld) -> None:
        payment = world.paid()
        world.sandbox.faults(refunds="pending")
        refund = refunds.submit_refund(refund_id=ask(payment).pk, now=utc_now())
        older = get_gateway().list_refunds(str(payment.payment_intent_id))
        world.sandbox.settle_refund(str(refund.stripe_refund_id))
        refunds.settle_refunds(payment_id=payment.pk, now=utc_now())

        refunds.record_refunds(payment_id=payment.pk, refunds=older, now=utc_now())

        assert Refund.objects.get().status == "succeeded"
        assert state(payment) == ("refunded", 4900)


class TestARefundMadeInStripesDashboard:
    def test_becomes_a_row(self, world: StripeWorld) -> None:
        payment = world.paid()
        world.client.v1.refunds.create({"payment_intent": str(payment.payment_intent_id), "amount": 900})

        world.tell(world.event("charge.refunded"))

        refund = Refund.objects.get()
        assert (refund.status, refund.reason, refund.amount_minor, refund.actor) == (
            "succeeded",
            "outside",
            900,
            "stripe",
        )
        assert state(payment) == ("partially_refunded", 900)

    def test_stands_beside_ours(self, world: StripeWorld) -> None:
        payment = world.paid()
        ours = ask(payment, 1000)
        world.client.v1.refunds.create({"payment_intent": str(payment.payment_intent_id), "amount": 900})
        refunds.submit_refund(refund_id=ours.pk, now=utc_now())

        refunds.settle_refunds(payment_id=payment.pk, now=utc_now())

        assert sorted(Refund.objects.values_list("reason", "amount_minor")) == [("outside", 900), ("requested", 1000)]
        assert state(payment) == ("partially_refunded", 1900)


class TestMoneyThatDidNotFit:
    def test_can_be_sent_back_and_then_frees_the_subject(self, world: StripeWorld) -> None:
        submitted = world.submitted()
        world.pay(submitted)
        Checkout.objects.filter(pk=submitted.pk).update(amount_minor=9900)
        checkout.settle_checkout(checkout_id=submitted.pk, now=utc_now())
        payment = Payment.objects.get()

        refunds.submit_refund(refund_id=ask(payment).pk, now=utc_now())

        assert state(payment) == ("refunded", 4900)
        assert Checkout.objects.get(pk=submitted.pk).status == "failed"
        assert published() == ["payment.refunded", "payment.failed"]

    def test_stays_uncounted_while_a_part_of_it_is_back(self, world: StripeWorld) -> None:
        submitted = world.submitted()
        world.pay(submitted)
        Checkout.objects.filter(pk=submitted.pk).update(amount_minor=9900)
        checkout.settle_checkout(checkout_id=submitted.pk, now=utc_now())
        payment = Payment.objects.get()

        refunds.submit_refund(refund_id=ask(payment, 1000).pk, now=utc_now())

        assert state(payment) == ("pending", 1000)
        assert Checkout.objects.get(pk=submitted.pk).status == "open"


def last_payload() -> dict:
    return OutboxEvent.objects.order_by("-id")[0].payload
