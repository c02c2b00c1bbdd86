"""How a purchase stands for its payer, on rows alone."""

import datetime as dt
from typing import Any

import pytest

from billing.models import Checkout, Payment, Refund
from billing.outcomes import Outcome, Purchase, view_purchase
from billing.states import CheckoutStatus, PaymentStatus, RefundReason, RefundStatus
from billing.tests.factories import CheckoutFactory, PaymentFactory
from core.clock import utc_now

pytestmark = pytest.mark.django_db

URL = "https://pay.test/1"


def seen(checkout: Checkout, **known: Any) -> Purchase:
    return view_purchase(checkout=Checkout.objects.get(pk=checkout.pk), **{"now": utc_now(), **known})


def paid(**fields: Any) -> Payment:
    return PaymentFactory(checkout=CheckoutFactory(status=CheckoutStatus.PAID), status=PaymentStatus.PAID, **fields)


def going_back(payment: Payment, **fields: Any) -> Refund:
    asked = {"amount_minor": payment.amount_minor, "reason": RefundReason.PLACE_LOST, "actor": "system"}
    return Refund.objects.create(payment=payment, **{**asked, **fields})


class TestAPurchaseWithoutMoney:
    @pytest.mark.parametrize(
        ("status", "outcome"),
        [
            (CheckoutStatus.OPEN, Outcome.TO_PAY),
            (CheckoutStatus.PROCESSING, Outcome.PROCESSING),
            (CheckoutStatus.PAID, Outcome.CONFIRMING),
            (CheckoutStatus.FAILED, Outcome.FAILED),
            (CheckoutStatus.EXPIRED, Outcome.EXPIRED),
            (CheckoutStatus.CANCELLED, Outcome.CANCELLED),
            (CheckoutStatus.REFUSED, Outcome.NOT_PAYABLE),
        ],
    )
    def test_stands_as_its_checkout_does(self, status: CheckoutStatus, outcome: Outcome) -> None:
        purchase = seen(CheckoutFactory(status=status, url=URL))

        assert purchase.outcome == outcome
        assert purchase.pay_url == (URL if outcome == Outcome.TO_PAY else "")
        assert (str(purchase.amount), purchase.refunded, purchase.refund_reason) == ("49.00 USD", None, "")

    def test_leads_nobody_to_pay_before_stripe_has_confirmed_it(self) -> None:
        purchase = seen(CheckoutFactory(url=URL), is_confirmed=False)

        assert (purchase.outcome, purchase.pay_url) == (Outcome.CONFIRMING, "")

    def test_leads_nobody_to_pay_without_a_payment_page(self) -> None:
        assert seen(CheckoutFactory()).outcome == Outcome.CONFIRMING

    def test_leads_nobody_to_pay_once_its_time_is_over(self) -> None:
        checkout = CheckoutFactory(url=URL)

        just_before = seen(checkout, now=checkout.expires_at - dt.timedelta(seconds=1))
        then = seen(checkout, now=checkout.expires_at)

        assert (just_before.pay_url, then.pay_url, then.outcome) == (URL, "", Outcome.CONFIRMING)

    def test_leads_nobody_to_pay_what_is_being_called_off(self) -> None:
        purchase = seen(CheckoutFactory(url=URL, cancel_requested_at=utc_now()))

        assert (purchase.outcome, purchase.pay_url) == (Outcome.CANCELLED, "")

    @pytest.mark.parametrize("status", [PaymentStatus.PENDING, PaymentStatus.FAILED])
    def test_does_not_count_money_that_the_bank_has_not_given(self, status: PaymentStatus) -> None:
        payment = PaymentFactory(checkout=CheckoutFactory(status=CheckoutStatus.PROCESSING), status=status)

        purchase = seen(payment.checkout)

        assert (purchase.outcome, purchase.payment) == (Outcome.PROCESSING, None)


class TestAPurchaseWithMoney:
    @pytest.mark.parametrize("status", [PaymentStatus.PAID, PaymentStatus.PARTIALLY_REFUNDED, PaymentStatus.DISPUTED])
    def test_is_paid_while_some_of_it_is_here(self, status: PaymentStatus) -> None:
        payment = PaymentFactory(checkout=CheckoutFactory(status=CheckoutStatus.PAID), status=status)

        purchase = seen(payment.checkout)

        assert (purchase.outcome, purchase.payment) == (Outcome.PAID, payment)

    def test_is_still_being_confirmed_while_nothing_came_of_the_money(self) -> None:
        assert seen(paid().checkout).unfulfilled == Outcome.CONFIRMING

    def test_is_refunded_as_soon_as_all_of_it_is_on_its_way_back(self) -> None:
        payment = paid()
        going_back(payment)

        purchase = seen(payment.checkout)

        assert (purchase.outcome, purchase.unfulfilled) == (Outcome.REFUNDED, Outcome.REFUNDED)
        assert (str(purchase.refunded), purchase.refund_reason) == ("49.00 USD", RefundReason.PLACE_LOST)

    def test_is_paid_after_a_part_of_it_went_back(self) -> None:
        payment = paid(refunded_minor=900)
        going_back(payment, amount_minor=900, status=RefundStatus.SUCCEEDED)

        purchase = seen(payment.checkout)

        assert (purchase.outcome, str(purchase.refunded)) == (Outcome.PAID, "9.00 USD")

    @pytest.mark.parametrize("status", [RefundStatus.FAILED, RefundStatus.CANCELED])
    def test_is_paid_when_no_money_went_back_in_the_end(self, status: RefundStatus) -> None:
        payment = paid()
        going_back(payment, status=status)

        purchase = seen(payment.checkout)

        assert (purchase.outcome, purchase.refunded, purchase.refund_reason) == (Outcome.PAID, None, "")
