"""From the nudge to the effect, with Celery running its tasks at once."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from celery import current_app

from billing import checkout, refunds, tasks
from billing.models import Checkout, Payment, Refund, StripeEvent
from billing.states import RefundReason
from core.actors import SYSTEM
from core.clock import utc_now

from .stripe_world import StripeWorld

pytestmark = pytest.mark.django_db
LONG_AGO = dt.timedelta(days=1)


@pytest.fixture
def eager() -> Iterator[None]:
    current_app.conf.task_always_eager = True
    yield
    current_app.conf.task_always_eager = False


@pytest.mark.usefixtures("eager")
class TestANudge:
    def test_has_an_event_handled(self, world: StripeWorld, django_capture_on_commit_callbacks: Any) -> None:
        world.pay(world.submitted())

        with django_capture_on_commit_callbacks(execute=True):
            world.post(world.event("checkout.session.completed"))

        assert Checkout.objects.get().status == "paid"

    def test_has_a_refund_submitted(self, world: StripeWorld, django_capture_on_commit_callbacks: Any) -> None:
        payment = world.paid()

        with django_capture_on_commit_callbacks(execute=True):
            refunds.request_refund(
                payment_id=payment.pk, amount_minor=None, reason=RefundReason.NOT_NEEDED, actor=SYSTEM, now=utc_now()
            )

        assert Payment.objects.get().status == "refunded"

    def test_has_a_checkout_cancelled(self, world: StripeWorld, django_capture_on_commit_callbacks: Any) -> None:
        submitted = world.submitted()

        with django_capture_on_commit_callbacks(execute=True):
            checkout.request_cancellation(checkout_id=submitted.pk, now=utc_now())

        assert Checkout.objects.get().status == "cancelled"


class TestASweepWithoutAnyNudge:
    def test_handles_the_event(self, world: StripeWorld) -> None:
        world.pay(world.submitted())
        world.post(world.event("checkout.session.completed"))
        StripeEvent.objects.update(next_attempt_at=utc_now() - LONG_AGO)

        tasks.handle_due_stripe_events()

        assert Checkout.objects.get().status == "paid"

    def test_submits_the_refund(self, world: StripeWorld) -> None:
        payment = world.paid()
        refunds.request_refund(
            payment_id=payment.pk, amount_minor=None, reason=RefundReason.DUPLICATE, actor=SYSTEM, now=utc_now()
        )
        Refund.objects.update(next_attempt_at=utc_now() - LONG_AGO)

        tasks.submit_due_refunds()

        assert Payment.objects.get().status == "refunded"

    def test_settles_the_checkout(self, world: StripeWorld) -> None:
        world.pay(world.submitted())
        Checkout.objects.update(next_check_at=utc_now() - LONG_AGO)

        tasks.check_due_checkouts()

        assert Checkout.objects.get().status == "paid"

    def test_finds_what_the_webhooks_did_not_bring(self, world: StripeWorld) -> None:
        world.pay(world.submitted())

        tasks.reconcile_stripe()

        assert Checkout.objects.get().status == "paid"
