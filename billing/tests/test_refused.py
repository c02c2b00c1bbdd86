"""A definite no from Stripe to a payment page: it ends the intent at once, whoever asked and by whichever path."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
import stripe

from accounts.models import StaffTask
from billing import checkout
from billing.errors import PaymentProviderDown, PaymentRejected
from billing.models import Checkout, Price
from core.clock import utc_now

from .factories import CheckoutFactory, PriceFactory
from .stripe_world import StripeWorld, published

pytestmark = pytest.mark.django_db


def kept_price(client: stripe.StripeClient, *, active: bool = True) -> str:
    made = client.v1.prices.create({"currency": "usd", "unit_amount": 4900, "product_data": {"name": "Algebra I"}})
    client.v1.prices.update(made.id, {"active": active})
    return made.id


def archived(world: StripeWorld) -> Price:
    return PriceFactory(stripe_price_id=kept_price(world.client, active=False))


def restricted(kind: str) -> Callable[[StripeWorld], Price]:
    def restrict(world: StripeWorld) -> Price:
        world.sandbox.faults(refusal={"value": kind, "path": "/v1/checkout/sessions"})
        return PriceFactory()

    return restrict


REFUSALS: list[Any] = [
    pytest.param(archived, "inactive", id="archived price"),
    pytest.param(lambda _: PriceFactory(stripe_price_id="price_gone"), "No such price: 'price_gone'", id="no such"),
    pytest.param(lambda _: PriceFactory(amount_minor=30), "at least 0.50 USD", id="below the least"),
    pytest.param(lambda _: PriceFactory(amount_minor=100_000_000), "at most", id="above the most"),
    pytest.param(restricted("account"), "set an account or business name", id="account"),
    pytest.param(restricted("permission"), "required permissions", id="permission"),
]


class TestARefusedCheckout:
    @pytest.mark.parametrize(("make_price", "words"), REFUSALS)
    def test_ends_at_once_with_our_words_for_the_payer_and_stripe_s_for_staff(
        self, world: StripeWorld, make_price: Callable[[StripeWorld], Price], words: str
    ) -> None:
        intent = CheckoutFactory(price=make_price(world))

        with pytest.raises(PaymentRejected) as refusal:
            checkout.submit_checkout(checkout_id=intent.pk, now=utc_now())

        assert (refusal.value.code, refusal.value.detail) == ("payment_rejected", checkout.REFUSAL)
        assert Checkout.objects.values_list("status", "stripe_session_id").get() == ("refused", None)
        assert published() == ["payment.checkout_refused"]
        task = StaffTask.objects.get()
        assert (task.kind, task.subject) == ("checkout_refused", f"price:{intent.price.pk}")
        assert words in task.summary
        assert world.sandbox.ledger()["sessions"] == []

    def test_is_told_to_staff_once_for_a_price(self, world: StripeWorld) -> None:
        price = archived(world)
        for _ in range(3):
            with pytest.raises(PaymentRejected):
                checkout.submit_checkout(checkout_id=CheckoutFactory(price=price).pk, now=utc_now())

        assert StaffTask.objects.count() == 1

    def test_leaves_its_subject_to_a_new_one_at_once(self, world: StripeWorld) -> None:
        price = archived(world)
        refused = CheckoutFactory(price=price)
        with pytest.raises(PaymentRejected):
            checkout.submit_checkout(checkout_id=refused.pk, now=utc_now())
        world.client.v1.prices.update(price.stripe_price_id, {"active": True})

        mended = checkout.submit_checkout(
            checkout_id=CheckoutFactory(price=price, subject=refused.subject).pk, now=utc_now()
        )

        assert mended.pk != refused.pk
        assert mended.url.startswith(world.sandbox.url)

    def test_is_ended_by_the_sweep_too(self, world: StripeWorld) -> None:
        CheckoutFactory(price=archived(world), next_check_at=utc_now())

        checkout.check_due_checkouts(now=utc_now())

        assert Checkout.objects.get().status == "refused"
        assert StaffTask.objects.get().kind == "checkout_refused"

    def test_that_was_called_off_is_cancelled(self, world: StripeWorld) -> None:
        intent = CheckoutFactory(price=archived(world))

        checkout.cancel_checkout(checkout_id=intent.pk, now=utc_now())

        assert Checkout.objects.get().status == "cancelled"
        assert published() == ["payment.checkout_cancelled"]

    def test_is_not_what_an_outage_makes(self, world: StripeWorld) -> None:
        intent = CheckoutFactory()
        world.sandbox.faults(server_error=True)

        with pytest.raises(PaymentProviderDown):
            checkout.submit_checkout(checkout_id=intent.pk, now=utc_now())

        assert Checkout.objects.get().status == "open"
        assert not StaffTask.objects.exists()

    def test_is_not_what_a_long_outage_leaves(self, world: StripeWorld) -> None:
        """Stripe wants 30 minutes to pay: an intent that waited too long is over, and nobody has to mend a price."""
        intent = CheckoutFactory(expires_at=utc_now() + dt.timedelta(minutes=29))

        with pytest.raises(PaymentProviderDown):
            checkout.submit_checkout(checkout_id=intent.pk, now=utc_now())

        assert Checkout.objects.get().status == "expired"
        assert published() == ["payment.checkout_expired"]
        assert not StaffTask.objects.exists()

    def test_is_not_one_whose_first_try_had_worked_before_its_price_was_edited(self, world: StripeWorld) -> None:
        intent = CheckoutFactory()
        world.sandbox.faults(lost_answer={"value": "close", "times": 1, "path": "/v1/checkout/sessions"})
        with pytest.raises(PaymentProviderDown):
            checkout.submit_checkout(checkout_id=intent.pk, now=utc_now())
        Price.objects.update(stripe_price_id=kept_price(world.client))

        found = checkout.submit_checkout(checkout_id=intent.pk, now=utc_now())

        (made,) = world.sandbox.ledger()["sessions"]
        assert (found.status, found.stripe_session_id) == ("open", made["id"])
