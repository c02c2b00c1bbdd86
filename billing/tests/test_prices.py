"""Our table of currencies against Stripe's published rules and against the sandbox, which has its own source."""

from importlib import import_module

import httpx
import pytest
from django.apps import apps

from billing.checkout import submit_checkout
from billing.errors import PaymentRejected
from billing.gateways.amounts import from_stripe, to_stripe
from billing.models import Checkout, Payment, Price
from billing.prices import check_chargeable, check_whole_steps
from billing.refunds import request_refund, submit_refund
from billing.states import RefundReason
from billing.tests.factories import CheckoutFactory, PriceFactory
from billing.tests.stripe_world import StripeWorld
from core.actors import SYSTEM
from core.clock import utc_now
from core.currencies import CURRENCIES, LARGEST_COLUMN
from core.errors import Invalid
from core.money import Money


class TestAmountsAtStripe:
    @pytest.mark.parametrize(
        ("money", "amount"),
        [
            (Money(4900, "usd"), 4900),
            (Money(500, "jpy"), 500),
            (Money(5_120, "kwd"), 5_120),
            (Money(50_000, "ugx"), 5_000_000),  # Stripe's own example: 5 UGX are 500
            (Money(5, "isk"), 500),
            (Money(1_045, "huf"), 1_045),
            (Money(800, "twd"), 800),
        ],
    )
    def test_are_counted_as_stripe_counts(self, money: Money, amount: int) -> None:
        assert to_stripe(money) == amount
        assert from_stripe(amount, money.currency) == money.minor


class TestWhatCanBeCharged:
    @pytest.mark.parametrize("currency", CURRENCIES.values(), ids=lambda currency: currency.code)
    def test_fits_our_columns_and_stripes_digits(self, currency) -> None:
        assert currency.least % currency.step == 0
        assert currency.most % currency.step == 0
        assert currency.most <= LARGEST_COLUMN
        digits = {"idr": 12, "inr": 9}.get(currency.code, 8)
        assert len(str(to_stripe(Money(currency.most, currency.code)))) <= digits

    @pytest.mark.parametrize(
        ("money", "field"),
        [
            (Money(49, "usd"), "amount"),
            (Money(29, "gbp"), "amount"),
            (Money(17_499, "huf"), "amount"),
            (Money(100_000_000, "usd"), "amount"),
            (Money(5_125, "kwd"), "amount"),
            (Money(4900, "zzz"), "currency"),
            (Money(4900, ""), "currency"),
        ],
    )
    def test_is_told_from_what_can_not(self, money: Money, field: str) -> None:
        with pytest.raises(Invalid) as refusal:
            check_chargeable(money)

        assert [fault.field for fault in refusal.value.errors] == [field]


@pytest.mark.django_db
class TestPayingInEveryCurrency:
    @pytest.mark.walk
    def test_the_least_of_each_is_taken(self, world: StripeWorld) -> None:
        for currency in CURRENCIES.values():
            intent = CheckoutFactory(price=PriceFactory(amount_minor=currency.least, currency=currency.code))
            submit_checkout(checkout_id=intent.pk, now=utc_now())

        assert Checkout.objects.exclude(stripe_session_id=None).count() == len(CURRENCIES)

    @pytest.mark.parametrize("code", ["usd", "huf", "inr", "jpy", "ugx", "kwd"])
    def test_the_least_is_taken(self, world: StripeWorld, code: str) -> None:
        price = PriceFactory(amount_minor=CURRENCIES[code].least, currency=code)

        submitted = world.submitted(price=price)

        assert submitted.stripe_session_id

    @pytest.mark.parametrize("code", ["usd", "inr", "jpy", "ugx", "kwd"])
    def test_the_most_is_taken(self, world: StripeWorld, code: str) -> None:
        price = PriceFactory(amount_minor=CURRENCIES[code].most, currency=code)

        submitted = world.submitted(price=price)

        assert submitted.stripe_session_id

    @pytest.mark.parametrize(
        ("currency", "minor", "code"),
        [
            ("usd", 49, "amount_too_small"),
            ("huf", 17_499, "amount_too_small"),
            ("usd", 100_000_000, "amount_too_large"),
            ("ugx", 1_000_000, "amount_too_large"),
            ("kwd", 5_125, "invalid_charge_amount"),
            ("zzz", 4900, ""),
        ],
    )
    def test_what_we_refuse_stripe_would_refuse(self, world: StripeWorld, currency: str, minor: int, code: str) -> None:
        intent = CheckoutFactory(price=PriceFactory(amount_minor=minor, currency=currency))

        with pytest.raises(PaymentRejected) as refusal:
            submit_checkout(checkout_id=intent.pk, now=utc_now())

        assert refusal.value.provider_code == code
        with pytest.raises(Invalid):
            check_chargeable(Money(minor, currency))

    @pytest.mark.parametrize(
        ("currency", "minor", "charged", "shown"),
        [
            ("usd", 4900, 4900, "49.00 USD"),
            ("ugx", 50_000, 5_000_000, "50,000 UGX"),
            ("isk", 50, 5_000, "50 ISK"),
            ("jpy", 4900, 4900, "4,900 JPY"),
            ("kwd", 5_120, 5_120, "5.120 KWD"),
        ],
    )
    def test_what_the_page_says_is_what_is_charged_and_what_goes_back(
        self, world: StripeWorld, currency: str, minor: int, charged: int, shown: str
    ) -> None:
        payment = world.paid(price=PriceFactory(amount_minor=minor, currency=currency))
        refund = request_refund(
            payment_id=payment.pk, amount_minor=None, reason=RefundReason.REQUESTED, actor=SYSTEM, now=utc_now()
        )
        submit_refund(refund_id=refund.pk, now=utc_now())

        payment = Payment.objects.get()
        page = httpx.get(payment.checkout.url)
        assert str(payment.money) == shown
        assert shown in page.text
        assert world.sandbox.ledger()["totals"][currency]["captured"] == charged
        assert world.sandbox.ledger()["totals"][currency]["refunded"] == charged
        assert (payment.status, payment.refunded_minor) == ("refunded", minor)


@pytest.mark.sqlite
@pytest.mark.django_db
class TestKronurStoredWithDecimals:
    def test_lose_them_and_get_them_back(self) -> None:
        migration = import_module("billing.migrations.0004_isk_without_decimals")
        krona, dollar = PriceFactory(amount_minor=5_000, currency="isk"), PriceFactory(amount_minor=5_000)

        migration.count_whole(apps, None)
        whole = dict(Price.objects.values_list("pk", "amount_minor"))
        migration.count_hundredths(apps, None)

        assert whole == {krona.pk: 50, dollar.pk: 5_000}
        assert set(Price.objects.values_list("amount_minor", flat=True)) == {5_000}


class TestAPartOfAPayment:
    def test_is_as_fine_as_cards_can_carry(self) -> None:
        check_whole_steps(Money(1_010, "kwd"))
        with pytest.raises(Invalid):
            check_whole_steps(Money(1_005, "kwd"))
