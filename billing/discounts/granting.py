"""Which discount a purchase gets: the better one of a voucher and the sibling discount, never both."""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal

from django.utils.translation import gettext as _

from accounts.families import siblings_of
from accounts.models import Learner
from core.money import Money

from ..errors import VoucherNotAccepted
from ..models import Discount, Price, Voucher
from ..purposes import find_learner_id, find_subjects
from ..states import DiscountSource, VoucherKind
from .amounts import amount_of, share_of
from .codes import canonical_code


@dataclass(frozen=True, slots=True)
class Sale:
    """What is about to be bought. `offers` are its names in `Voucher.only_for`; `sibling_percent` is set if another
    child of the family takes part in a paid purchase; `family` contains the learner and everybody who shares a guardian
    with them."""

    price: Price
    learner_id: int
    family: Collection[int]
    offers: Collection[str]
    sibling_percent: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Granted:
    """The discount the sale would get now. `family` lists the learners who share the limit of its voucher."""

    price: Money
    minor: int
    source: DiscountSource
    voucher: Voucher | None = None
    percent: Decimal | None = None
    family: Collection[int] = ()

    @property
    def money(self) -> Money:
        return Money(self.minor, self.price.currency)

    @property
    def charged(self) -> Money:
        return Money(self.price.minor - self.minor, self.price.currency)

    @property
    def label(self) -> str:
        return self.voucher.label if self.voucher else self.source.label

    @property
    def is_free(self) -> bool:
        return self.minor == self.price.minor


def find_discount(*, code: str, sale: Sale, now: dt.datetime) -> Granted | None:
    """Return the sale's discount for the code that was typed, empty for none.

    Raises VoucherNotAccepted for every code that can't be used here, whatever the reason: a different answer would
    reveal which codes exist.
    """
    by_voucher = _by_voucher(code, sale, now) if code.strip() else None
    by_sibling = _by_sibling(sale)
    return max(filter(None, (by_voucher, by_sibling)), key=lambda granted: granted.minor, default=None)


def minor_of(voucher: Voucher, price: Money) -> int:
    """Return what a voucher takes off a price."""
    if voucher.kind == VoucherKind.PERCENTAGE and voucher.percent is not None:
        return share_of(price, voucher.percent)
    if voucher.kind == VoucherKind.AMOUNT and voucher.amount_minor is not None:
        return amount_of(price, Money(voucher.amount_minor, voucher.currency))
    return price.minor


def not_accepted() -> VoucherNotAccepted:
    return VoucherNotAccepted(
        _("This code can't be used here. Check how it is spelled, or ask whoever gave it to you.")
    )


def count_family_uses(voucher: Voucher, family: Collection[int]) -> int:
    """Return how many of its uses belong to a family."""
    theirs = Discount.objects.counted().filter(voucher=voucher)
    return sum(
        theirs.filter(purpose=purpose, subject__in=list(subjects)).count()
        for purpose, subjects in find_subjects(family).items()
    )


def find_family(discount: Discount) -> list[int]:
    """Return the learner for whom a discount was granted, and those who share a guardian with them."""
    key = find_learner_id(discount.purpose, discount.subject)
    learner = Learner.objects.filter(pk=key).first() if key is not None else None
    return list(siblings_of(learner).values_list("pk", flat=True)) if learner is not None else []


def _by_voucher(code: str, sale: Sale, now: dt.datetime) -> Granted:
    vouchers = Voucher.objects.with_uses_left().filter(workspace=sale.price.workspace_id, active=True)
    voucher = vouchers.select_related("workspace").filter(code=canonical_code(code)).first()
    if voucher is None or not voucher.is_valid_on(now):
        raise not_accepted()
    if voucher.only_for and voucher.only_for not in sale.offers:
        raise not_accepted()
    if voucher.learner_id is not None and voucher.learner_id != sale.learner_id:
        raise not_accepted()
    minor = minor_of(voucher, sale.price.money)
    limit = voucher.most_uses_per_family
    if not minor or (limit is not None and count_family_uses(voucher, sale.family) >= limit):
        raise not_accepted()
    return Granted(sale.price.money, minor, DiscountSource.VOUCHER, voucher, family=sale.family)


def _by_sibling(sale: Sale) -> Granted | None:
    if not sale.sibling_percent:
        return None
    minor = share_of(sale.price.money, sale.sibling_percent)
    return Granted(sale.price.money, minor, DiscountSource.SIBLING, percent=sale.sibling_percent) if minor else None
