"""A price that changes while a checkout is open."""

from collections.abc import Callable
from typing import Any

import pytest

from billing import checkout
from billing.models import Checkout, Payment, Price
from billing.purposes import Purpose, register_purpose
from billing.repricing import mark_outdated
from core.clock import utc_now

from .factories import CheckoutFactory, PriceFactory
from .stripe_world import StripeWorld, published

pytestmark = pytest.mark.django_db

SOLD = "lesson"


class Shop:
    """What one lesson costs at present."""

    def __init__(self, price: Price) -> None:
        self.price: Price | None = price

    def find_price_ids(self, subjects: Any) -> dict[str, int | None]:
        return dict.fromkeys(subjects, self.price.pk if self.price else None)

    def another(self, **fields: Any) -> None:
        self.price = PriceFactory(workspace=self.price.workspace if self.price else None, **fields)

    def edit(self, **fields: Any) -> None:
        assert self.price is not None
        Price.objects.filter(pk=self.price.pk).update(**fields)


@pytest.fixture
def shop() -> Shop:
    made = Shop(PriceFactory())
    register_purpose(
        Purpose(
            name=SOLD,
            lock_subject=lambda subject: None,
            describe=lambda subject: (subject, ""),
            find_price_ids=made.find_price_ids,
        )
    )
    return made


def opened(world: StripeWorld, shop: Shop) -> Checkout:
    return world.submitted(purpose=SOLD, subject="1", price=shop.price)


def rows() -> list[tuple[str, int]]:
    return list(Checkout.objects.order_by("pk").values_list("status", "amount_minor"))


def asked(world: StripeWorld) -> list[tuple[str, int]]:
    return [(session["status"], session["amount"]) for session in world.sandbox.ledger()["sessions"]]


CHANGES: list[Any] = [
    pytest.param(lambda shop: shop.another(amount_minor=3900), 3900, "usd", id="another price"),
    pytest.param(lambda shop: shop.edit(amount_minor=3900), 3900, "usd", id="another amount"),
    pytest.param(lambda shop: shop.edit(currency="eur"), 4900, "eur", id="another currency"),
    pytest.param(lambda shop: shop.another(), 4900, "usd", id="the same amount of another price"),
]


class TestAChangedPrice:
    @pytest.mark.parametrize(("change", "amount", "currency"), CHANGES)
    def test_ends_the_open_session_and_opens_one_that_asks_it(
        self, world: StripeWorld, shop: Shop, change: Callable[[Shop], None], amount: int, currency: str
    ) -> None:
        before = opened(world, shop)
        change(shop)

        checkout.settle_checkout(checkout_id=before.pk, now=utc_now())

        after = Checkout.objects.get(status="open")
        assert (after.subject, after.amount_minor, after.currency) == ("1", amount, currency)
        assert after.url.startswith(world.sandbox.url)
        assert (after.success_url, after.metadata) == (before.success_url, before.metadata)
        assert [(s["status"], s["amount"], s["currency"]) for s in world.sandbox.ledger()["sessions"]] == [
            ("expired", 4900, "usd"),
            ("open", amount, currency),
        ]
        assert published() == ["payment.checkout_replaced"]

    def test_of_stripe_s_own_is_asked_for_too(self, world: StripeWorld, shop: Shop) -> None:
        before = opened(world, shop)
        kept = world.client.v1.prices.create(
            {"currency": "usd", "unit_amount": 4900, "product_data": {"name": "Algebra I"}}
        )
        shop.edit(stripe_price_id=kept.id)

        checkout.settle_checkout(checkout_id=before.pk, now=utc_now())

        assert Checkout.objects.get(status="open").stripe_price_id == kept.id

    def test_is_noticed_by_the_sweep(self, world: StripeWorld, shop: Shop) -> None:
        opened(world, shop)
        shop.edit(amount_minor=3900)

        checkout.check_due_checkouts(now=utc_now())

        assert asked(world) == [("expired", 4900), ("open", 3900)]

    def test_is_noticed_of_several_at_once(self, world: StripeWorld, shop: Shop) -> None:
        for subject in ("1", "2"):
            world.submitted(purpose=SOLD, subject=subject, price=shop.price)
        shop.edit(amount_minor=3900)

        mark_outdated(checkouts=Checkout.objects.order_by("-pk"), now=utc_now())

        assert set(Checkout.objects.values_list("is_outdated", flat=True)) == {True}

    def test_is_noticed_once_by_two_who_ask(self, world: StripeWorld, shop: Shop) -> None:
        before = opened(world, shop)
        shop.edit(amount_minor=3900)
        checkout.settle_checkout(checkout_id=before.pk, now=utc_now())

        checkout.settle_checkout(checkout_id=before.pk, now=utc_now())
        checkout.check_due_checkouts(now=utc_now())

        assert rows() == [("cancelled", 4900), ("open", 3900)]
        assert published() == ["payment.checkout_replaced"]

    def test_is_followed_by_whoever_hears_first_that_the_session_ended(self, world: StripeWorld, shop: Shop) -> None:
        """The process that ended it at Stripe may die, or the webhook may be faster."""
        before = opened(world, shop)
        shop.edit(amount_minor=3900)
        mark_outdated(checkouts=Checkout.objects.all(), now=utc_now())
        world.client.v1.checkout.sessions.expire(str(before.stripe_session_id))

        world.tell(world.event("checkout.session.expired"))

        assert rows() == [("cancelled", 4900), ("open", 3900)]

    def test_comes_too_late_for_who_has_paid(self, world: StripeWorld, shop: Shop) -> None:
        before = opened(world, shop)
        shop.edit(amount_minor=3900)
        world.pay(before)

        checkout.settle_checkout(checkout_id=before.pk, now=utc_now())

        assert (rows(), Payment.objects.get().amount_minor) == ([("paid", 4900)], 4900)
        assert published() == ["payment.succeeded"]

    def test_comes_too_late_for_whose_bank_is_paying(self, world: StripeWorld, shop: Shop) -> None:
        before = opened(world, shop)
        shop.edit(amount_minor=3900)
        world.pay(before, card="async")
        checkout.settle_checkout(checkout_id=before.pk, now=utc_now())
        world.settle_debit(before, outcome="succeeded")

        checkout.settle_checkout(checkout_id=before.pk, now=utc_now())

        assert rows() == [("paid", 4900)]

    def test_does_not_bring_back_what_the_payer_gave_up(self, world: StripeWorld, shop: Shop) -> None:
        before = opened(world, shop)
        shop.edit(amount_minor=3900)
        mark_outdated(checkouts=Checkout.objects.all(), now=utc_now())

        checkout.cancel_checkout(checkout_id=before.pk, now=utc_now())

        assert rows() == [("cancelled", 4900)]
        assert published() == ["payment.checkout_cancelled"]

    @pytest.mark.parametrize("off", [lambda shop: shop.edit(active=False), lambda shop: setattr(shop, "price", None)])
    def test_that_was_switched_off_ends_it_for_good(
        self, world: StripeWorld, shop: Shop, off: Callable[[Shop], None]
    ) -> None:
        before = opened(world, shop)
        off(shop)

        checkout.settle_checkout(checkout_id=before.pk, now=utc_now())

        assert asked(world) == [("expired", 4900)]
        assert published() == ["payment.checkout_cancelled"]

    def test_that_stripe_refuses_leaves_nothing_open(self, world: StripeWorld, shop: Shop) -> None:
        before = opened(world, shop)
        shop.edit(amount_minor=30)

        checkout.settle_checkout(checkout_id=before.pk, now=utc_now())

        assert rows() == [("cancelled", 4900), ("refused", 30)]

    def test_waits_for_stripe_to_answer(self, world: StripeWorld, shop: Shop) -> None:
        opened(world, shop)
        shop.edit(amount_minor=3900)
        world.sandbox.faults(server_error=True)
        checkout.check_due_checkouts(now=utc_now())
        world.sandbox.clear_faults()

        checkout.check_due_checkouts(now=utc_now() + checkout.SOONEST_CHECK)

        assert asked(world) == [("expired", 4900), ("open", 3900)]

    def test_is_asked_for_an_intent_that_stripe_never_heard_of(self, world: StripeWorld, shop: Shop) -> None:
        intent = CheckoutFactory(purpose=SOLD, subject="1", price=shop.price)
        shop.edit(amount_minor=3900)

        checkout.settle_checkout(checkout_id=intent.pk, now=utc_now())

        assert [pair for pair in asked(world) if pair[0] == "open"] == [("open", 3900)]


class TestAnUnchangedPrice:
    def test_leaves_the_checkout_as_it_is(self, world: StripeWorld, shop: Shop) -> None:
        before = opened(world, shop)

        checkout.settle_checkout(checkout_id=before.pk, now=utc_now())
        checkout.check_due_checkouts(now=utc_now())

        assert asked(world) == [("open", 4900)]
        assert published() == []


class TestALatePayment:
    def test_leaves_nothing_open_by_which_the_same_could_be_paid_again(self, world: StripeWorld, shop: Shop) -> None:
        late = opened(world, shop)
        world.pay(late)
        Checkout.objects.update(status="expired")
        second = opened(world, shop)

        checkout.settle_checkout(checkout_id=late.pk, now=utc_now())
        checkout.check_due_checkouts(now=utc_now())

        assert Checkout.objects.get(pk=second.pk).status == "cancelled"
        assert sorted(asked(world)) == [("complete", 4900), ("expired", 4900)]
