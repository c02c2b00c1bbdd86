"""The last use of a code, the limit of a family, and the discounts that no code takes, at the moment of a purchase."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction

from accounts.models import Workspace
from accounts.tests.factories import WorkspaceFactory
from billing.discounts.granting import Granted
from billing.discounts.ledger import (
    find_minor_again,
    release_discount,
    reserve_discount,
    use_discount,
    use_up,
)
from billing.errors import VoucherNotAccepted
from billing.models import Checkout, Discount, Price, Voucher
from billing.purposes import Purpose, register_purpose
from billing.states import DiscountSource
from core.clock import utc_now

from .factories import PURPOSE, CheckoutFactory, PriceFactory, VoucherFactory

pytestmark = pytest.mark.django_db

OFF = 1225  # a quarter of 49.00


@pytest.fixture
def workspace() -> Workspace:
    return WorkspaceFactory()


@pytest.fixture(autouse=True)
def _siblings() -> None:
    """Let the subjects 1 and 2 belong to the learners 1 and 2."""
    register_purpose(
        Purpose(
            name=PURPOSE,
            lock_subject=lambda subject: None,
            describe=lambda subject: (subject, ""),
            find_subjects=lambda learner_ids: [str(each) for each in learner_ids],
        )
    )


def granted(price: Price, voucher: Voucher | None = None, minor: int = OFF) -> Granted:
    """Return a discount by this code, or by none: a quarter off for a sibling."""
    source = DiscountSource.SIBLING if voucher is None else DiscountSource.VOUCHER
    percent = Decimal(25) if voucher is None else None
    return Granted(price=price.money, minor=minor, source=source, voucher=voucher, percent=percent, family=(1, 2))


@transaction.atomic
def reserve(workspace: Workspace, voucher: Voucher | None, subject: str = "1") -> tuple[Checkout, Discount]:
    checkout: Checkout = CheckoutFactory(
        price=PriceFactory(workspace=workspace), subject=subject, discount_minor=OFF, amount_minor=4900 - OFF
    )
    return checkout, reserve_discount(granted=granted(checkout.price, voucher), checkout=checkout, now=utc_now())


def uses() -> int:
    return Voucher.objects.get().uses


def states() -> list[str]:
    return list(Discount.objects.order_by("pk").values_list("status", flat=True))


class TestAUse:
    @pytest.mark.parametrize("changed", [{"most_uses": 1, "uses": 1}, {"active": False}])
    def test_that_went_to_somebody_else_meanwhile_is_refused(
        self, workspace: Workspace, changed: dict[str, Any]
    ) -> None:
        voucher = VoucherFactory(workspace=workspace)
        Voucher.objects.update(**changed)

        with pytest.raises(VoucherNotAccepted):
            reserve(workspace, voucher)

        assert (uses(), states()) == (changed.get("uses", 0), [])

    def test_is_taken_until_the_family_has_used_its_share(self, workspace: Workspace) -> None:
        voucher = VoucherFactory(workspace=workspace, most_uses_per_family=1)
        reserve(workspace, voucher, subject="1")

        with pytest.raises(VoucherNotAccepted):
            reserve(workspace, voucher, subject="2")

        assert (uses(), states()) == (1, ["reserved"])

    def test_that_covers_the_whole_price_is_used_at_once(self, workspace: Workspace) -> None:
        price = PriceFactory(workspace=workspace)
        voucher = VoucherFactory(workspace=workspace, kind="free")

        used = use_up(
            granted=granted(price, voucher, minor=4900),
            workspace_id=workspace.pk,
            purpose=PURPOSE,
            subject="1",
            now=utc_now(),
        )

        assert (uses(), states(), used.settled_at is not None) == (1, ["used"], True)

    def test_is_not_taken_again_for_late_money_where_another_discount_counts(self, workspace: Workspace) -> None:
        voucher = VoucherFactory(workspace=workspace)
        late, _ = reserve(workspace, voucher)
        release_discount(checkout=late, now=utc_now())
        Checkout.objects.filter(pk=late.pk).update(status="expired")
        reserve(workspace, voucher)

        use_discount(checkout=late, now=utc_now())

        assert (uses(), states()) == (1, ["honored", "reserved"])


class TestASiblingsDiscount:
    def test_is_released_and_used_again_without_a_code(self, workspace: Workspace) -> None:
        another = VoucherFactory(workspace=workspace, uses=1)
        checkout, _ = reserve(workspace, None)

        release_discount(checkout=checkout, now=utc_now())
        released = states()
        use_discount(checkout=checkout, now=utc_now())

        assert (released, states()) == (["released"], ["used"])
        another.refresh_from_db()
        assert another.uses == 1

    def test_takes_its_share_off_another_price(self, workspace: Workspace) -> None:
        _, discount = reserve(workspace, None)

        assert find_minor_again(discount=discount, price=PriceFactory(workspace=workspace, amount_minor=8000)) == 2000
