"""The demo's payments also exist in the Stripe stand-in, so that anything can happen to them later."""

import dataclasses
import logging

import pytest
from django.test import override_settings
from pytest_django import Settings

from accounts.models import StaffTask, Workspace
from billing.models import Checkout, Payment
from billing.refunds import request_refund, submit_refund
from billing.states import CheckoutStatus, RefundReason
from core.clock import utc_now
from demo.catalog import ORGANIZATIONS
from demo.load import load_demo
from demo.sandbox import tell_sandbox
from enrollments.tests.factories import STAFF
from sandbox.testing import SandboxProcess
from tests.sweeps import sweep

pytestmark = [pytest.mark.django_db, pytest.mark.walk]


@pytest.fixture(scope="module")
def loaded(rows_of_module: None, sandbox_process: SandboxProcess) -> None:
    """Load part of the demo."""
    with override_settings(SANDBOX_URL=sandbox_process.url):
        load_demo(organizations=(dataclasses.replace(ORGANIZATIONS[1], families=30),))


@pytest.fixture
def demo(loaded: None, db: None, stripe: SandboxProcess, settings: Settings) -> SandboxProcess:
    """Load part of the demo and tell the sandbox."""
    settings.SANDBOX_URL = stripe.url
    tell_sandbox(Workspace.objects.get())
    return stripe


def captured_and_refunded(stripe: SandboxProcess) -> dict[str, tuple[int, int]]:
    """By payment intent, as Stripe has it."""
    return {paid["id"]: (paid["captured"], paid["refunded"]) for paid in stripe.ledger()["payments"]}


class TestThePaymentsOfTheDemo:
    def test_are_the_same_at_stripe_so_the_sweeps_find_nothing_strange(
        self, demo: SandboxProcess, caplog: pytest.LogCaptureFixture
    ) -> None:
        ours = {
            payment.payment_intent_id: (
                payment.amount_minor if payment.paid_at else 0,
                sum(refund.amount_minor for refund in payment.refunds.filter(status="succeeded")),
            )
            for payment in Payment.objects.all()
        }
        tasks = StaffTask.objects.count()

        with caplog.at_level(logging.WARNING):
            sweep()

        assert len(ours) > 10
        assert captured_and_refunded(demo) == ours
        assert caplog.messages == []
        assert StaffTask.objects.count() == tasks

    def test_can_be_refunded_in_part_and_then_in_full(self, demo: SandboxProcess) -> None:
        payment = Payment.objects.filter(status="paid")[0]

        for amount in (100, None):
            refund = request_refund(
                payment_id=payment.pk, amount_minor=amount, reason=RefundReason.REQUESTED, actor=STAFF, now=utc_now()
            )
            submit_refund(refund_id=refund.pk, now=utc_now())

        assert Payment.objects.get(pk=payment.pk).status == "refunded"
        assert captured_and_refunded(demo)[str(payment.payment_intent_id)] == (payment.amount_minor,) * 2
        assert not StaffTask.objects.filter(kind="refund_failed", subject=f"refund:{refund.pk}").exists()

    def test_on_their_way_can_be_paid_on_the_page(self, demo: SandboxProcess) -> None:
        checkout = Checkout.objects.filter(status=CheckoutStatus.OPEN, stripe_session_id__isnull=False).latest("pk")

        answer = demo.pay(checkout.url)
        sweep()

        assert answer.status_code == 303
        assert Checkout.objects.get(pk=checkout.pk).status == "paid"
