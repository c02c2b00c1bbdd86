"""Breaches of the invariants of vouchers and discounts, and near misses."""

from typing import Any

from billing.models import Checkout, Discount, Voucher
from core.clock import utc_now

from .world import World, breaks, spares

COUNTS = "billing.vouchers_count_their_uses"
ADDS_UP = "billing.checkouts_charge_the_list_price_less_the_discount"


@breaks(COUNTS)
def a_use_that_was_forgotten(world: World) -> str:
    discount = a_discount_on(world.checkout)
    Voucher.objects.update(uses=0)
    return f"voucher {discount.voucher_id}"


@spares(COUNTS)
def a_use_that_was_given_back(world: World) -> None:
    a_discount_on(world.checkout, status="released", checkout=None, list_minor=9, discount_minor=9)
    Voucher.objects.update(uses=0)


@breaks(ADDS_UP)
def a_discount_that_takes_less_off(world: World) -> str:
    discount = a_discount_on(world.checkout)
    Discount.objects.update(discount_minor=99)
    return f"discount {discount.pk}"


@breaks(ADDS_UP)
def a_use_without_its_money(world: World) -> str:
    return f"discount {a_discount_on(world.checkout, status='used').pk}"


@breaks(ADDS_UP)
def a_checkout_that_asks_less_for_no_reason(world: World) -> str:
    Checkout.objects.filter(pk=world.checkout.pk).update(discount_minor=100)
    return f"checkout {world.checkout.pk}"


@spares(ADDS_UP)
def a_discount_of_a_payment_page_that_is_open(world: World) -> None:
    a_discount_on(world.checkout)


def a_discount_on(asked: Checkout, /, **changes: Any) -> Discount:
    """Create a discount of 1.00 off the list price, by a voucher that is used for nothing else."""
    voucher = Voucher.objects.create(workspace=asked.workspace, code="SPRING-25", kind="free", uses=1)
    told: dict[str, Any] = {
        "workspace": asked.workspace,
        "source": "voucher",
        "voucher": voucher,
        "purpose": asked.purpose,
        "subject": asked.subject,
        "checkout": asked,
        "list_minor": asked.amount_minor + 100,
        "discount_minor": 100,
        "currency": asked.currency,
        "created_at": utc_now(),
    }
    if changes.get("checkout", asked) is not None:
        Checkout.objects.filter(pk=asked.pk).update(discount_minor=100)
    return Discount.objects.bulk_create([Discount(**told | changes)])[0]
