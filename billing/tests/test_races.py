"""Concurrency: real threads on PostgreSQL. Each guard's test has a control that shows the race without it."""

import contextlib
import datetime as dt
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

from billing import checkout, inbox, payments, refunds
from billing.balance import refundable_minor
from billing.checkout import outcome
from billing.errors import PaymentRejected, RefundExceedsPayment
from billing.locks import lock_payment_of_intent, lock_unhandled_event
from billing.models import Checkout, Payment, Refund, StripeEvent
from billing.states import RefundReason
from core.actors import SYSTEM
from core.clock import utc_now

from .factories import PURPOSE, CheckoutFactory, PriceFactory
from .stripe_world import StripeWorld, published

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]


def together(*calls: Callable[[], Any]) -> list[Any]:
    """Run the calls at once, each in a thread with its own connection; return their answers or errors, in order."""
    start = threading.Barrier(len(calls))
    answers: list[Any] = [None] * len(calls)

    def run(number: int, call: Callable[[], Any]) -> None:
        start.wait(10)
        try:
            answers[number] = call()
        except Exception as error:
            answers[number] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=item) for item in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    return answers


class Meeting:
    """Wraps a function so that two callers leave it together; waits `patience` seconds for one that a lock stops."""

    def __init__(self, function: Callable[..., Any], *, patience: float = 0.5) -> None:
        self._function, self._barrier, self._patience = function, threading.Barrier(2), patience

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        answer = self._function(*args, **kwargs)
        with contextlib.suppress(threading.BrokenBarrierError):
            self._barrier.wait(self._patience)
        return answer


class TestTwoDeliveriesOfOneEvent:
    def test_are_stored_once_and_have_one_effect(self, world: StripeWorld) -> None:
        world.pay(world.submitted())
        event = world.event("checkout.session.completed")

        answers = together(*[lambda: world.tell(event)] * 4)

        assert answers == [None] * 4
        assert [(e.attempts, e.handled_at is not None) for e in StripeEvent.objects.all()] == [(0, True)]
        assert [p.status for p in Payment.objects.all()] == ["paid"]
        assert published() == ["payment.succeeded"]

    def test_do_not_wait_for_each_other(self, world: StripeWorld) -> None:
        world.pay(world.submitted())
        event = world.event("checkout.session.completed")
        world.post(event)

        with transaction.atomic():
            lock_unhandled_event(event["id"])
            (answer,) = together(lambda: inbox.handle_event(event_id=event["id"], now=utc_now()))

        assert (answer.handled_at, answer.attempts) == (None, 0)
        assert Checkout.objects.get().status == "open"


class TestSettlingAtOnce:
    """The webhook, the success page, the sweep and reconciliation may all learn of a payment in the same moment."""

    def test_records_the_payment_once(self, world: StripeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
        submitted = world.submitted()
        world.pay(submitted)
        monkeypatch.setattr(payments, "lock_payment_of_intent", Meeting(lock_payment_of_intent))

        answers = together(*[lambda: checkout.settle_checkout(checkout_id=submitted.pk, now=utc_now())] * 2)

        assert [answer.status for answer in answers] == ["paid", "paid"]
        assert published() == ["payment.succeeded"]

    def test_without_the_checkouts_lock_would_record_it_twice(
        self, world: StripeWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Control: both see no payment yet, and only the unique index is left to refuse the second."""
        submitted = world.submitted()
        world.pay(submitted)
        monkeypatch.setattr(payments, "lock_payment_of_intent", Meeting(lock_payment_of_intent))
        monkeypatch.setattr(outcome, "lock_checkout_with_subject", lambda pk: Checkout.objects.get(pk=pk))

        answers = together(*[lambda: checkout.settle_checkout(checkout_id=submitted.pk, now=utc_now())] * 2)

        assert sorted(type(answer).__name__ for answer in answers) == ["Checkout", "IntegrityError"]


class TestTwoRefundsAtOnce:
    @staticmethod
    def ask_twice(payment: Payment) -> list[Any]:
        def ask() -> Refund:
            return refunds.request_refund(
                payment_id=payment.pk, amount_minor=None, reason=RefundReason.REQUESTED, actor=SYSTEM, now=utc_now()
            )

        return together(ask, ask)

    def test_send_no_more_back_than_was_paid(self, world: StripeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
        payment = world.paid()
        monkeypatch.setattr(refunds, "refundable_minor", Meeting(refundable_minor))

        answers = self.ask_twice(payment)

        assert [type(answer) for answer in answers if isinstance(answer, Exception)] == [RefundExceedsPayment]
        assert [refund.amount_minor for refund in Refund.objects.all()] == [4900]

    def test_without_the_payments_lock_would_promise_the_money_twice(
        self, world: StripeWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Control."""
        payment = world.paid()
        monkeypatch.setattr(refunds, "refundable_minor", Meeting(refundable_minor))
        monkeypatch.setattr(refunds, "lock_payment", lambda pk: Payment.objects.get(pk=pk))

        self.ask_twice(payment)

        assert [refund.amount_minor for refund in Refund.objects.all()] == [4900, 4900]

    def test_that_are_one_refund_submitted_twice_are_one_at_stripe(self, world: StripeWorld) -> None:
        payment = world.paid()
        refund = refunds.request_refund(
            payment_id=payment.pk, amount_minor=1000, reason=RefundReason.REQUESTED, actor=SYSTEM, now=utc_now()
        )

        together(*[lambda: refunds.submit_refund(refund_id=refund.pk, now=utc_now())] * 3)
        refunds.submit_refund(refund_id=refund.pk, now=utc_now())

        assert len(world.sandbox.ledger()["refunds"]) == 1
        assert Payment.objects.values_list("status", "refunded_minor").get() == ("partially_refunded", 1000)
        assert published() == ["payment.succeeded", "payment.refunded"]


class TestOpeningAndSubmittingAtOnce:
    def test_leaves_one_live_checkout_for_a_subject(self) -> None:
        price = PriceFactory()

        def ask() -> Checkout:
            with transaction.atomic():
                return checkout.open_checkout(
                    workspace_id=price.workspace_id,
                    purpose=PURPOSE,
                    subject="7",
                    price=price,
                    description="Algebra I",
                    success_url="http://testserver/done",
                    cancel_url="http://testserver/cancelled",
                    expires_at=utc_now() + dt.timedelta(hours=1),
                    now=utc_now(),
                )

        answers = together(*[ask] * 4)

        assert len({answer.pk for answer in answers}) == 1
        assert Checkout.objects.count() == 1

    def test_makes_one_session_at_stripe(self, world: StripeWorld) -> None:
        intent = CheckoutFactory()

        together(*[lambda: checkout.submit_checkout(checkout_id=intent.pk, now=utc_now())] * 3)
        submitted = checkout.submit_checkout(checkout_id=intent.pk, now=utc_now())

        assert [session["id"] for session in world.sandbox.ledger()["sessions"]] == [submitted.stripe_session_id]


class TestPayingAgainst:
    """One winner, and our books say what Stripe's say."""

    @pytest.mark.parametrize("round_", range(6))
    def test_a_cancellation(self, world: StripeWorld, round_: int) -> None:
        submitted = world.submitted()

        together(
            lambda: world.pay(submitted),
            lambda: checkout.cancel_checkout(checkout_id=submitted.pk, now=utc_now()),
        )
        settled = checkout.settle_checkout(checkout_id=submitted.pk, now=utc_now())

        self.assert_books_agree(world, settled, unpaid="cancelled")

    @pytest.mark.parametrize("round_", range(6))
    def test_the_end_of_the_session(self, world: StripeWorld, round_: int) -> None:
        submitted = world.submitted()

        together(
            lambda: world.pay(submitted),
            lambda: world.sandbox.advance_clock(seconds=3 * 3600),
            lambda: checkout.settle_checkout(checkout_id=submitted.pk, now=utc_now()),
        )
        world.tell(*world.events())
        settled = checkout.settle_checkout(checkout_id=submitted.pk, now=utc_now())

        self.assert_books_agree(world, settled, unpaid="expired")

    @staticmethod
    def assert_books_agree(world: StripeWorld, settled: Checkout, *, unpaid: str) -> None:
        (session,) = world.sandbox.ledger()["sessions"]
        captured = session["payment_status"] == "paid"
        assert settled.status == ("paid" if captured else unpaid)
        assert [p.amount_minor for p in Payment.objects.filter(status="paid")] == ([4900] if captured else [])
        assert published() == (["payment.succeeded"] if captured else [f"payment.checkout_{unpaid}"])


class TestARefundAgainstADispute:
    def test_leaves_the_payment_as_stripe_has_it(self, world: StripeWorld) -> None:
        payment = world.paid()
        intent = str(payment.payment_intent_id)
        refund = refunds.request_refund(
            payment_id=payment.pk, amount_minor=1000, reason=RefundReason.REQUESTED, actor=SYSTEM, now=utc_now()
        )

        answers = together(
            lambda: refunds.submit_refund(refund_id=refund.pk, now=utc_now()),
            lambda: world.sandbox.open_dispute(intent),
        )
        world.tell(*world.events())

        assert not any(isinstance(answer, PaymentRejected) for answer in answers)
        returned = sum(r["amount"] for r in world.sandbox.ledger()["refunds"] if r["status"] == "succeeded")
        assert Payment.objects.values_list("status", "refunded_minor").get() == ("disputed", returned)
